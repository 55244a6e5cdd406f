/*
 * reeve-job: one piece of long work, for one connection of the agent. See README.md.
 *
 * usage: reeve-job [--state DIR] [--caller-uid UID] [--store-uid UID] [--no-landlock]      (the connection is standard input)
 *        pipe                  (the same program by another name: the remote shell that rsync is given; it hands rsync's pipes to the process that started rsync)
 *
 * exit codes: 0 done, and the agent knows; 1 not done, and it knows why; 2 there was no ticket, or the caller was somebody else.
 */
#include "program.h"
#include "rsync.h"
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#define TICKET_LEN 32u
#define GOOD_FOR_S 60
#define RESULT_MAX 32768u

struct job_config job = {.state = "/var/lib/reeve-privd", .landlock = true};

static const struct { const char *name; int (*run)(const struct fields *t); } works[] = {
  {"inspect", work_inspect}, {"send", work_send}, {"receive", work_receive}, {"restore-send", work_restore_send}, {"restore-receive", work_restore_receive}, {"discard", work_discard},
  {"dump", work_dump}, {"load", work_load}, {"snapshots", work_snapshots}, {"list", work_list}, {"find", work_find}, {"sample", work_sample},
  {"hash", work_hash}, {"prune", work_prune}, {"adopt", work_adopt}, {NULL, NULL},
};

int job_failed(const char *format, ...) {
  char why[1024];
  struct buf b;
  va_list args;
  va_start(args, format);
  vsnprintf(why, sizeof why, format, args);
  va_end(args);
  buf_init(&b, RESULT_MAX);
  say(&b, "ok", "0");
  say(&b, "reason", why);
  (void)put_fields(F_RESULT, &b);
  buf_free(&b);
  return 1;
}

int job_done(struct buf *more) {
  struct buf b;
  buf_init(&b, RESULT_MAX);
  say(&b, "ok", "1");
  if (more) buf_put(&b, more->p, more->n);
  bool told = put_fields(F_RESULT, &b);
  buf_free(&b);
  return told ? 0 : 1;
}

static bool is_caller(void) {
  struct ucred peer;
  socklen_t n = sizeof peer;
  return !getsockopt(CONN, SOL_SOCKET, SO_PEERCRED, &peer, &n) && n == sizeof peer && peer.uid == job.caller;
}

/* The 32 digits, then the file of that name: whoever opens it takes it away first, so that it is good once. */
static bool take_ticket(struct fields *t) {
  char name[TICKET_LEN + 1] = "";
  char path[512];
  struct stat st;
  for (size_t at = 0; at < TICKET_LEN;) {
    ssize_t got = recv(CONN, name + at, TICKET_LEN - at, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += (size_t)got;
  }
  if (strspn(name, "0123456789abcdef") != TICKET_LEN) return false;
  snprintf(path, sizeof path, "%s/job", job.state);
  AUTO_FD dir = open_plain(path, O_RDONLY | O_DIRECTORY);
  AUTO_FD fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || unlinkat(dir, name, 0) || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size <= 0 || st.st_size > (off_t)FIELDS_MAX) return false;
  t->n = (size_t)st.st_size;
  t->p = malloc(t->n);
  if (!t->p || read(fd, t->p, t->n) != (ssize_t)t->n || t->p[t->n - 1] != 0) return false;
  /* Written in this boot, a moment ago. */
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec - st.st_mtim.tv_sec <= GOOD_FOR_S && st.st_mtim.tv_sec - now.tv_sec <= GOOD_FOR_S;
}

static bool parse_options(int argc, char **argv) {
  uint32_t uid;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--no-landlock")) job.landlock = false;
    else if (!strcmp(argv[i], "--state")) job.state = value, i++;
    else if (!strcmp(argv[i], "--caller-uid") || !strcmp(argv[i], "--store-uid")) {
      char *end;
      uid = (uint32_t)strtoul(value, &end, 10);
      if (!*value || *end) return false;
      if (argv[i][2] == 'c') job.caller = uid;
      else job.store_uid = job.store_gid = uid;
      i++;
    } else return false;
  }
  return true;
}

int main(int argc, char **argv) {
  struct fields t = {0};
  gid_t caller_gid;
  if (argc > 0 && !strcmp(basename(argv[0]), PIPE_NAME)) return pipe_main();
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  job.caller = job.store_uid = (uid_t)-1;
  (void)account_ids("reeve-agent", &job.caller, &caller_gid);
  (void)account_ids(STORE_USER, &job.store_uid, &job.store_gid);
  if (!parse_options(argc, argv) || job.caller == (uid_t)-1 || job.store_uid == (uid_t)-1 || job.store_uid == 0) return 2;
  if (!is_caller() || !take_ticket(&t)) return 2;
  const char *work = field(&t, "work");
  for (size_t i = 0; work && works[i].name; i++) if (!strcmp(works[i].name, work)) return works[i].run(&t);
  return 2;
}
