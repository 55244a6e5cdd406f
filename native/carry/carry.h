/* reeve-carry: what the parts share. README.md has who says what. */
#ifndef REEVE_CARRY_H
#define REEVE_CARRY_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONN 0                               /* the connection to the other agent */
#define CONTROL 3                            /* to the agent that has started this */
#define JOB 4                                /* to its job */

#define HEAD 5u
#define PAYLOAD_MAX 65536u
#define FRAME_MAX (HEAD + PAYLOAD_MAX)

/* 1 to 9: of a job (native/job/README.md). */
enum kind { K_DATA = 1, K_END = 2, K_RESULT = 8, K_SETTINGS = 16, K_TAKEN, K_GO, K_CONNECTED, K_REFUSED };

/* Which end of the connection this is, who the other one has to be, and what proves this one. */
struct settings {
  bool server;
  const char *uri;                           /* the only name in its certificate */
  const char *key;                           /* sha256 of its public key, hex */
  int64_t now;                               /* unix s */
  const char *private, *certificate, *root;  /* PEM */
};

/* Milliseconds of a clock that only goes forward. */
int64_t carry_now_ms(void);
void head_of(uint8_t head[HEAD], uint8_t kind, size_t n);
/* Bytes that follow a head; SIZE_MAX: more than there may be, or none of it. */
size_t length_of(const uint8_t head[HEAD]);

/* Proves both ends to each other within `ms`. NULL and why; EMPTY why: the agent has gone. */
SSL *prove(const struct settings *s, int ms, char why[300]);

/* Takes bytes that the agent had from the job already, as if the job had just sent them. False: there is no room for so much. */
bool pump_taken(const uint8_t *p, size_t n);
/* Carries until the job has ended, or the agent. False: the job broke the rules. */
bool pump_run(SSL *ssl);
#endif
