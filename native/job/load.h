/* Proving that a dump loads: what both kinds of server share. */
#ifndef REEVE_JOB_LOAD_H
#define REEVE_JOB_LOAD_H
#include "program.h"

#define SCRATCH "/scratch"               /* in the sandbox; nothing else can be written there */
#define PROOF "proof"                    /* the database it is loaded into */
#define READY_MS 60000

struct load { int dump; int64_t deadline_ms; struct pace pace; uint64_t tables, rows; };

/* One program to its end; `in` -1: no input; `text`: what it printed, instead of with its errors. 0, or the exit code of a result that was sent. */
int load_step(struct load *l, const char *const *argv, int in, struct buf *text);
/* The same for one that is asked again until the server answers. */
int load_wait(struct load *l, struct program *server, const char *const *argv);
/* A file in memory with this text, at its beginning; -1. */
int load_input(const char *text, size_t n);
/* Each line a number of rows of one table. */
void load_count(struct load *l, const char *text);
int load_failed(const struct program *p, enum program_end end);

/* In the sandbox: 0, or the exit code of a result that was sent. The server has ended then. */
int load_postgres(struct load *l);
int load_mysql(struct load *l);
/* NULL, or what is missing here. */
const char *postgres_missing(void);
const char *mysql_missing(void);
#endif
