/* reeve-vhost-check: parts of the program. */
#ifndef REEVE_VHOST_CHECK_H
#define REEVE_VHOST_CHECK_H
#include "vhost.h"

#define TEST_MS 10000
#define OUTPUT_MAX (64u << 10)
#define MASKED_MAX 16u

/* What is to be tested. */
struct test {
  char set[64];                    /* the folder below VHOST_DIR that is laid out; empty: nothing of ours */
  const char *masked[MASKED_MAX];  /* files of others that are taken as empty */
  size_t nmasked;
};

/* What nginx said. */
struct said {
  bool ok;
  char file[512];                  /* where it found the mistake; empty: it did not say */
  char message[320];
  bool unresolved;                 /* a name of others that only a network could tell */
};

bool run_test(const struct test *t, char output[OUTPUT_MAX], int *code, char why[200]);  /* test.c; false: there was no test */
bool see_less(const struct test *t, char why[200]);                                      /* see.c; in the child: mounts and rights of the test */
void understand(const char *output, int code, struct said *said);                        /* say.c */
void put_clashes(const char *output, struct buf *answer);                                /* say.c */
bool reload_unit(const char *unit, char why[200]);                                       /* unit.c */
#endif
