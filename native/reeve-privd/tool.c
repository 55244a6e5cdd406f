/* The one place where other programs are started: absolute path, fixed argv, fixed environment, no inherited descriptor, capped output, deadline. */
#include "tool.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define NOT_INSTALLED 127  /* of a child that could not start it */

static int64_t clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void tool_child(const struct tool *t, int out, int err, pid_t parent) {
  static char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
  sigset_t none;
  sigemptyset(&none);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (setpgid(0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || null < 0) _exit(NOT_INSTALLED);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(t->in < 0 ? null : t->in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(NOT_INSTALLED);
  execve(t->path, (char *const *)t->argv, envp);
  _exit(NOT_INSTALLED);
}

/* Goes on reading so that a talkative tool does not block, but keeps no more than there is room for. False at end of file. */
static bool drain(int fd, struct buf *out) {
  char scrap[4096];
  for (;;) {
    ssize_t got = read(fd, scrap, sizeof scrap);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0;
    size_t room = out->limit - out->n, n = (size_t)got > room ? room : (size_t)got;
    buf_put(out, scrap, n);
    if (n < (size_t)got) out->full = true;
  }
}

/* The ends of two pipes that this process reads, the other ends with the child. -1: it cannot be started. */
static pid_t start(const struct tool *t, int read_ends[2]) {
  int out[2], err[2] = {-1, -1};
  if (pipe2(out, O_CLOEXEC | O_NONBLOCK)) return -1;
  if (t->apart && pipe2(err, O_CLOEXEC | O_NONBLOCK)) {
    close(out[0]);
    close(out[1]);
    return -1;
  }
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    fcntl(out[1], F_SETFL, 0);
    if (t->apart) fcntl(err[1], F_SETFL, 0);
    tool_child(t, out[1], t->apart ? err[1] : out[1], parent);
  }
  close(out[1]);
  if (t->apart) close(err[1]);
  read_ends[0] = out[0];
  read_ends[1] = err[0];
  return pid;
}

/* Runs a program to its end. What it printed is in `out` and `err`, whatever became of it, with a NUL after it that is not counted; `full`: there was more. */
enum tool_end tool_run(struct tool *t) {
  int ends[2] = {-1, -1};
  buf_init(&t->out, t->most);
  buf_init(&t->err, 4096);
  t->status = 0;
  pid_t pid = start(t, ends);
  AUTO_FD out = ends[0];
  AUTO_FD err = ends[1];
  AUTO_FD pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  bool ended = false, open_out = out >= 0, open_err = err >= 0;
  int64_t deadline = clock_ms() + t->within_ms;
  while (pidfd >= 0 && !ended) {
    struct pollfd p[3] = {{pidfd, POLLIN, 0}, {open_out ? out : -1, POLLIN, 0}, {open_err ? err : -1, POLLIN, 0}};
    int64_t left = deadline - clock_ms();
    if (left <= 0) break;
    if (poll(p, 3, (int)left) < 0 && errno != EINTR) break;
    if (p[1].revents) open_out = drain(out, &t->out);
    if (p[2].revents) open_err = drain(err, &t->err);
    ended = p[0].revents != 0;
  }
  if (pid > 0) {
    if (!ended) kill(-pid, SIGKILL);
    while (waitpid(pid, &t->status, 0) < 0 && errno == EINTR) continue;
    kill(-pid, SIGKILL);  /* what it left running in its group */
    if (open_out) drain(out, &t->out);
    if (open_err) drain(err, &t->err);
  }
  tool_end_text(&t->out);
  tool_end_text(&t->err);
  return pidfd < 0 ? TOOL_ABSENT : !ended ? TOOL_LATE : TOOL_ENDED;
}

/* A NUL behind what is there, which is cut by one byte where it fills its room. */
void tool_end_text(struct buf *b) {
  bool full = b->full;
  b->full = false;
  if (b->n == b->limit && b->n > 0) b->n--;
  buf_put(b, "", 1);
  if (b->n > 0 && !b->full) b->n--;
  b->full = full;
}

void tool_free(struct tool *t) {
  buf_free(&t->out);
  buf_free(&t->err);
}
