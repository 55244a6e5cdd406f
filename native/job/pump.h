/* Bytes, progress and output between rsync and the agent. */
#ifndef REEVE_JOB_PUMP_H
#define REEVE_JOB_PUMP_H
#include "rsync.h"

/* Descriptors of one side that runs; -1: none, or at its end. */
struct pump {
  int in, out;                 /* rsync's protocol: what is written to it, what is read from it */
  int err, print;              /* what it prints */
  int hands;                   /* to the remote shell, which hands `in` and `out` over and then waits for its end */
  struct teller teller;
  struct outcome *o;
};
/* Passes all on until rsync has closed all of it, or the agent has gone, or `deadline_ms`. */
void pump_run(struct pump *p, int64_t deadline_ms, bool client);
#endif
