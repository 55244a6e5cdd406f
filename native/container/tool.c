/* Programs that are run for a work, and what they say. */
#include "container.h"
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

/* podman wants a home, and a place for what it unpacks. */
static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/var/tmp", "LC_ALL=C", NULL};

static bool read_all(int fd, struct buf *out) {
  static char part[65536];
  ssize_t n;
  for (off_t at = 0; (n = pread(fd, part, sizeof part, at)) > 0; at += n) buf_put(out, part, (size_t)n);
  buf_put(out, "", 1);
  return n == 0 && !out->full;
}

static void prepare(struct tool *t, int out) {
  t->p = (struct program){.argv = t->argv, .in = t->in, .out = out, .uid = SAME_ACCOUNT, .env = environment, .deadline_ms = job_now_ms() + (int64_t)t->seconds * 1000, .grows = -1};
}

bool tool_run(struct tool *t) {
  AUTO_FD out = t->out ? memfd_create("output", MFD_CLOEXEC) : -1;
  prepare(t, out);
  t->end = t->out && out < 0 ? PROGRAM_FAILED : program_run(&t->p);
  if (t->end == PROGRAM_OK && t->out && !read_all(out, t->out)) t->end = PROGRAM_FAILED;
  return t->end == PROGRAM_OK;
}

void plain(char *out, size_t room, const char *s, size_t n) {
  size_t at = 0;
  for (size_t i = 0; i < n && at + 5 < room; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c >= 0x20 && c < 0x7f) out[at++] = (char)c;
    else at += (size_t)snprintf(out + at, room - at, "\\x%02x", c);
  }
  out[at] = 0;
}

const char *last_line(const char *s, size_t n, size_t *length) {
  while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == '\r' || s[n - 1] == ' ')) n--;
  size_t from = n;
  while (from > 0 && s[from - 1] != '\n' && s[from - 1] != '\r') from--;
  *length = n - from;
  return s + from;
}

const char *tool_said(const struct tool *t, char out[400]) {
  char ended[40];
  size_t n;
  const char *line = last_line(t->p.said, t->p.nsaid, &n);
  if (t->end == PROGRAM_LATE) snprintf(out, 400, "it took longer than %d s", t->seconds);
  else if (n == 0) snprintf(out, 400, "%s", program_ended(&t->p, ended));
  else plain(out, 400, line, n);
  return out;
}

int tool_failed(const struct tool *t, const char *what) {
  char said[400];
  return t->end == PROGRAM_GONE ? 1 : job_failed("%s: %s", what, tool_said(t, said));
}

/* The end of it is kept for a reason. */
static void keep(struct program *p, const char *part, size_t n) {
  size_t over = p->nsaid + n > SAID_KEPT ? p->nsaid + n - SAID_KEPT : 0;
  memmove(p->said, p->said + over, p->nsaid - over);
  memcpy(p->said + p->nsaid - over, part, n);
  p->nsaid += n - over;
}

/* Leaves out lines that are `skip`. How much of it the line so far has is `met`; more than all of it: the line is another one. `out` has room for what was met, too. */
static size_t without(struct tool *t, const char *part, size_t n, char *out) {
  size_t length = strlen(t->skip), at = 0;
  for (size_t i = 0; i < n; i++) {
    bool end = part[i] == '\n';
    if (t->met < length && part[i] == t->skip[t->met]) {
      t->met++;
      continue;
    }
    if (!(end && t->met == length)) {
      if (t->met <= length) memcpy(out + at, t->skip, t->met), at += t->met;
      out[at++] = part[i];
    }
    t->met = end ? 0 : length + 1;
  }
  return at;
}

/* Some of what is there; false: it is at its end, or the agent has gone. */
static bool pass_some(struct tool *t) {
  static char part[SAID_KEPT], rest[SAID_KEPT + 128];
  ssize_t n = read(t->p.errors, part, sizeof part);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n > 0) keep(&t->p, part, (size_t)n);
  if (!t->skip) return n > 0 && put_frame(F_OUTPUT, part, (size_t)n);
  size_t left = without(t, part, (size_t)n, rest);
  return n > 0 && (left == 0 || put_frame(F_OUTPUT, rest, left));
}

bool tool_pass(struct tool *t) {
  prepare(t, -1);
  bool late = false;
  if (!program_start(&t->p)) return false;
  for (;;) {
    struct pollfd wait[2] = {{t->p.errors, POLLIN, 0}, {CONN, POLLRDHUP, 0}};
    int64_t left = t->seconds ? t->p.deadline_ms - job_now_ms() : 60000;
    late = t->seconds && left <= 0;
    if (late || (poll(wait, 2, (int)left) < 0 && errno != EINTR) || wait[1].revents || (wait[0].revents && !pass_some(t))) break;
  }
  t->end = program_stop(&t->p, SIGTERM);
  if (agent_gone()) t->end = PROGRAM_GONE;
  else if (late) t->end = PROGRAM_LATE;
  return t->end == PROGRAM_OK;
}
