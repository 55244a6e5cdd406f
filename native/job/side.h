/* What all four sides of a copy share. */
#ifndef REEVE_JOB_SIDE_H
#define REEVE_JOB_SIDE_H
#include "rsync.h"

/* Both sides agree on this: what rsync's client makes of -aHAXS in protocol 32, and how long nothing may come. */
#define SENDER_FLAGS "-lHogDtpAXrSe.iLsfxCIvu"
#define QUIET "--timeout=900"
#define ARGS_MAX 64

/* False: the agent has gone. */
bool side_ready(void);
bool side_has_rsync(char why[300]);
/* The last frame; `more` instead of what the exit code means. Answers the exit code of the program. */
int side_result(const struct outcome *o, bool published, const char *more);
#endif
