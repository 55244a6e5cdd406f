/* Running one side of rsync, and what it says. */
#ifndef REEVE_JOB_RSYNC_H
#define REEVE_JOB_RSYNC_H
#include "job.h"

#define PIPE_NAME "pipe"
#define PIPE_FD 9                                /* in the remote shell: the socket to whoever started rsync */
#define RSYNC "/usr/bin/rsync"
#define OUTPUT_KEPT (64u << 10)
#define PROBLEMS_MAX 1000u

#define VIEW_MAX 40u

/* What is seen by rsync: folders bound below a root of their own. */
struct view { char root[300]; struct { int tree; bool file; char at[PATH_ROOM]; } bound[VIEW_MAX]; size_t n; };

/* How a side is run. */
struct side {
  const struct view *view;
  const char *const *argv;                       /* inside of the view */
  uid_t uid; gid_t gid;
  uint64_t caps;                                 /* kept, ambient */
  const char *write;                             /* what may be written below, in the view; NULL: nothing */
  bool devices;                                  /* devices may be made there */
  bool client;                                   /* it is given PIPE_NAME as its remote shell and prints progress; otherwise its standard input and output are the protocol */
  uint64_t seconds;                              /* 0: none */
};

/* What came of it. */
struct outcome {
  int exit;                                      /* of rsync; 128 and more: a signal */
  bool gone, late;                               /* the agent has gone; the time was over */
  uint64_t files, bytes, sent_files, sent_bytes, cpu_ms, memory;
  uint32_t problems, skipped;                    /* that are missing in the copy; devices that may not be made */
};

int pipe_main(void);

/* A mount namespace of this process's own, in which a root is put together: begin, bind, build. Each: false and `why`. What is bound has to be opened after `begin`. */
bool view_begin(struct view *v, char why[300]);
/* Takes a folder or file (an open descriptor, which may be closed then) with all that is mounted in it, to be seen as `at`; `write`: it may be written. */
bool view_bind(struct view *v, int fd, const char *at, bool write, char why[300]);
/* Makes the root: what was bound, /usr, the loader's files, /dev/null and /job/pipe. */
bool view_build(struct view *v, char why[300]);
/* A small file in the root, which all may read. */
bool view_file(struct view *v, const char *at, const char *text, size_t n);
/* In the child: enters the root, keeps `caps` as ambient ones, becomes the account, and puts Landlock on. False and errno. */
bool view_enter(const struct view *v, uid_t uid, gid_t gid, uint64_t caps, const char *write, bool devices);
/* "full", or what is missing here. */
const char *view_sandbox(void);

/* Runs it to its end, and passes bytes, progress, problems and output on. False: it could not be started (errno). */
bool rsync_run(const struct side *s, struct outcome *out);
/* What an exit code means, rsync(1). */
const char *rsync_exit(int code);

/* Reads what rsync prints. */
struct teller { char line[8192]; size_t n; uint64_t files, total, bytes, percent, rate, rate_bytes; int64_t began_ms, rate_ms; bool scanning, no_devices; uint32_t problems; struct outcome *out; };
void teller_out(struct teller *t, const char *p, size_t n);
void teller_err(struct teller *t, const char *p, size_t n);
void teller_rate(struct teller *t, int64_t now);
/* Seconds; 0: not known. */
uint64_t teller_remaining(const struct teller *t);
/* A frame between those of rsync's bytes. */
bool pump_emit(enum frame kind, const void *p, size_t n);

/* The version of rsync here, e.g. "3.5.0"; empty: there is none. */
bool rsync_version(char out[32]);
bool rsync_new_enough(const char *version);
#endif
