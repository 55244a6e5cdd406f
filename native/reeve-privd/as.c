/* Work in a child that is another account and nothing more (SECURITY.md R56): its rights decide, so no link and no race leads further than they do. */
#include "reeve.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEADLINE_MS 5000
#define MEMORY_BYTES (64u << 20)

/* Gives everything up for good, and proves it. Root stays root. */
static bool become(uid_t uid, gid_t gid) {
  uid_t u[3];
  gid_t g[3];
  if (uid == 0) return true;
  if (syscall(SYS_setgroups, 0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) return false;
  if (getresuid(&u[0], &u[1], &u[2]) || getresgid(&g[0], &g[1], &g[2]) || getgroups(0, NULL) != 0) return false;
  for (int i = 0; i < 3; i++) if (u[i] != uid || g[i] != gid) return false;
  return setresuid(0, 0, 0) && setresuid((uid_t)-1, 0, (uid_t)-1) && (gid == 0 || setresgid(0, 0, 0)) && syscall(SYS_setgroups, 0, NULL);
}

static _Noreturn void as_child(struct accounts *a, const struct user *u, as_fn *work, const void *data, int out, pid_t parent) {
  /* Nothing of the helper's but the pipe: not the connection, not the log, not the turn, no
   * hash of a password. A signal of the account itself may end it at any time. */
  if (dup2(0, 2) < 0 || dup2(out, 3) < 0 || syscall(SYS_close_range, 4u, ~0u, 0u)) _exit(1);
  if (a->shadow_text) explicit_bzero(a->shadow_text, a->shadow_bytes);
  if (!become(u->uid, u->gid) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) _exit(1);
#ifndef REEVE_SANITIZE
  struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES};
  if (setrlimit(RLIMIT_AS, &memory)) _exit(1);
#endif
  work(data, 3);
  _exit(0);
}

/* Until the end of what it writes; false: the deadline passed, or it writes more than there is room for. */
static bool collect(int fd, struct buf *out, int64_t deadline) {
  uint8_t part[16384];
  for (;;) {
    struct pollfd wait = {fd, POLLIN, 0};
    int64_t left = deadline - now_ms();
    if (left <= 0) return false;
    int ready = poll(&wait, 1, (int)left);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    ssize_t n = read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    buf_put(out, part, (size_t)n);
    if (out->full) return false;
  }
}

/* Runs `work` as the account; what it wrote is in `out`. Not OK when it could not become the account, was killed, or took longer than 5 s. */
uint16_t run_as(struct call *c, const struct user *u, as_fn *work, const void *data, struct buf *out) {
  int pipes[2], status = 0;
  if (pipe2(pipes, O_CLOEXEC)) return io_failed(c, "a child cannot be started");
  AUTO_FD in = pipes[0];
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) as_child(&c->accounts, u, work, data, pipes[1], parent);
  close(pipes[1]);
  if (pid < 0) return io_failed(c, "a child cannot be started");
  AUTO_FD pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  int64_t deadline = now_ms() + DEADLINE_MS;
  bool whole = collect(in, out, deadline);
  struct pollfd wait = {pidfd, POLLIN, 0};
  int64_t left = deadline - now_ms();
  if (!whole || pidfd < 0 || poll(&wait, 1, left > 0 ? (int)left : 0) <= 0) kill(pid, SIGKILL);
  /* One that hangs in the kernel (a dead network file system) is left to the parent of us all. */
  if (pidfd >= 0 && poll(&wait, 1, 1000) <= 0) return fail(c, REEVE_E_IO_FAILED, "rule", "a child that works as the user does not end", NULL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!whole) return fail(c, REEVE_E_IO_FAILED, "rule", "working as the user took longer than 5 s, or gave too much", NULL);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) return fail(c, REEVE_E_SANDBOX_VIOLATION, NULL);
  if (!WIFEXITED(status) || WEXITSTATUS(status)) return fail(c, REEVE_E_IO_FAILED, "rule", "a child that works as the user failed", NULL);
  return REEVE_OK;
}
