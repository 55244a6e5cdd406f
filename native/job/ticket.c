/* Whose connection it is, what is wanted, and what came of it. Shared with native/container. */
#include "job.h"
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#define TICKET_LEN 32u
#define GOOD_FOR_S 60
#define RESULT_MAX 32768u

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
static bool take_ticket(const char *folder, struct fields *t) {
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
  snprintf(path, sizeof path, "%s/%s", job.state, folder);
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

bool job_ticket(const char *folder, struct fields *t) { return is_caller() && take_ticket(folder, t); }
