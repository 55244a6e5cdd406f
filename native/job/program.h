/* Programs that work for us: started without a shell, watched, and ended when the agent goes. */
#ifndef REEVE_JOB_PROGRAM_H
#define REEVE_JOB_PROGRAM_H
#include "tree.h"

#define SAID_KEPT (16u << 10)
#define SAME_ACCOUNT ((uid_t)-1)

enum program_end { PROGRAM_OK, PROGRAM_FAILED, PROGRAM_LATE, PROGRAM_GONE };

/* `in` and `out` -1: nothing comes, and what it prints is kept with its errors. */
struct program {
  const char *const *argv;
  int in, out;
  uid_t uid; gid_t gid;                  /* what it becomes, with no right of root; SAME_ACCOUNT: it stays what we are */
  const char *const *env;                /* NULL: PATH, LC_ALL, and HOME and TMPDIR of the root that a view makes */
  int64_t deadline_ms;
  struct pace *pace;
  int grows;                             /* its size is told as progress; -1: as far as `in` was read */
  /* What came of it. */
  pid_t pid;
  int errors;
  int status;                            /* of waitpid */
  char said[SAID_KEPT];                  /* the last of what it printed */
  size_t nsaid;
};
/* OK: it ended with 0. */
enum program_end program_run(struct program *p);
/* For one that serves others: started, looked after now and then (OK: it still runs), and ended by a signal, or by force after 30 s. */
bool program_start(struct program *p);
enum program_end program_watch(struct program *p, int for_ms);
enum program_end program_stop(struct program *p, int signal);
/* What it said, as output; false: the agent has gone. */
bool program_tell(const struct program *p);
/* How it ended, e.g. "exit code 1" or "signal 9". */
const char *program_ended(const struct program *p, char text[40]);

/* An account of this machine, by /etc/passwd alone. */
bool account_ids(const char *name, uid_t *uid, gid_t *gid);
/* The folder of the newest PostgreSQL that has this program, e.g. "/usr/lib/postgresql/15/bin". */
bool newest_postgres(const char *program, char folder[64]);
/* "postgresql" or "mysql", and a database: NULL, or what is wrong. */
const char *dump_refused(const char *engine, const char *database);
#endif
