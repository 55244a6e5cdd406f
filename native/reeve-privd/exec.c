/* The one place where other programs are started: absolute path, fixed argv, fixed environment, no inherited descriptor, capped output, deadline. */
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 65536u

const struct tool tool_useradd = {"/usr/sbin/useradd", "useradd"}, tool_usermod = {"/usr/sbin/usermod", "usermod"};
const struct tool tool_userdel = {"/usr/sbin/userdel", "userdel"}, tool_groupdel = {"/usr/sbin/groupdel", "groupdel"};
const struct tool tool_gpasswd = {"/usr/bin/gpasswd", "gpasswd"};

/* Exit codes that useradd(8), usermod(8), userdel(8) and groupdel(8) share. */
enum { SHADOW_CANNOT_UPDATE_PASSWD = 1, SHADOW_BAD_SYNTAX = 2, SHADOW_BAD_ARGUMENT = 3, SHADOW_UID_IN_USE = 4, SHADOW_ABSENT = 6,
  SHADOW_NAME_IN_USE = 9, SHADOW_CANNOT_UPDATE_GROUP = 10, SHADOW_CANNOT_MAKE_HOME = 12, SHADOW_LOGGED_IN = 8 };

static _Noreturn void tool_child(const struct tool *tool, const char *const *argv, int out, pid_t parent) {
  static char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
  sigset_t none;
  sigemptyset(&none);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (setpgid(0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || null < 0) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(127);
  execve(tool->path, (char *const *)argv, envp);
  _exit(127);
}

/* Goes on reading so that a talkative tool does not block, but keeps only the first 64 KiB. False at end of file. */
static bool drain(int fd, char *output, size_t *n) {
  char scrap[4096];
  for (;;) {
    size_t room = OUTPUT_MAX - *n;
    ssize_t got = room ? read(fd, output + *n, room) : read(fd, scrap, sizeof scrap);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0;
    if (room) *n += (size_t)got;
  }
}

static void log_output(const struct tool *tool, int code, char *output, size_t n) {
  if (n > 200) n = 200;
  for (size_t i = 0; i < n; i++) if (output[i] < 0x20 || output[i] == 0x7f) output[i] = ' ';
  log_line("%s ended with %d: %.*s", tool->name, code, (int)n, output);
}

/* Runs a tool to its end. OK: it exited, `code` has its exit code; else TOOL_TIMEOUT, TOOL_FAILED or SANDBOX_VIOLATION. */
uint16_t run_tool(struct call *c, const struct tool *tool, const char *const *argv, int *code) {
  int pipes[2], status = 0;
  char *output = malloc(OUTPUT_MAX);
  size_t n = 0;
  if (!output || pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
    free(output);
    return io_failed(c, "a program cannot be started");
  }
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    fcntl(pipes[1], F_SETFL, 0);
    tool_child(tool, argv, pipes[1], parent);
  }
  close(pipes[1]);
  int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  bool ended = false, open_pipe = true;
  int64_t deadline = now_ms() + TOOL_DEADLINE_MS;
  while (pidfd >= 0 && !ended) {
    struct pollfd p[2] = {{pidfd, POLLIN, 0}, {open_pipe ? pipes[0] : -1, POLLIN, 0}};
    int64_t left = deadline - now_ms();
    if (left <= 0) break;
    if (poll(p, 2, (int)left) < 0 && errno != EINTR) break;
    if (p[1].revents) open_pipe = drain(pipes[0], output, &n);
    ended = p[0].revents != 0;
  }
  if (pid > 0) {
    if (!ended) kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    kill(-pid, SIGKILL);  /* what it left running in its group */
    if (open_pipe) drain(pipes[0], output, &n);
  }
  close(pipes[0]);
  if (pidfd >= 0) close(pidfd);
  uint16_t result = REEVE_OK;
  *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (pid < 0 || pidfd < 0) result = fail(c, REEVE_E_TOOL_FAILED, "value", tool->name, "rule", "it cannot be started", NULL);
  else if (!ended) result = fail(c, REEVE_E_TOOL_TIMEOUT, "value", tool->name, NULL);
  else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) result = fail(c, REEVE_E_SANDBOX_VIOLATION, NULL);
  else if (!WIFEXITED(status)) result = fail(c, REEVE_E_TOOL_FAILED, "value", tool->name, "rule", "it was killed by a signal", NULL);
  if (result || *code) log_output(tool, *code, output, n);
  free(output);
  return result;
}

/* The error for an exit code that the verb itself has no better word for. */
uint16_t tool_failed(struct call *c, const struct tool *tool, int code) {
  char rule[96];
  const char *why = "it has no documented reason";
  switch (code) {
    case SHADOW_CANNOT_UPDATE_PASSWD: why = "the account files could not be locked or updated"; break;
    case SHADOW_BAD_SYNTAX: why = "it did not understand the command"; break;
    case SHADOW_BAD_ARGUMENT: why = "it refused an argument"; break;
    case SHADOW_UID_IN_USE: why = "the uid is in use"; break;
    case SHADOW_ABSENT: why = "it does not find the user or group"; break;
    case SHADOW_LOGGED_IN: why = "the user is logged in"; break;
    case SHADOW_NAME_IN_USE: why = "the name is in use in another directory of accounts"; break;
    case SHADOW_CANNOT_UPDATE_GROUP: why = "the group file could not be updated"; break;
    case SHADOW_CANNOT_MAKE_HOME: why = "the home could not be made or removed"; break;
    case 127: why = "it is not installed"; break;
    default: break;
  }
  snprintf(rule, sizeof rule, "exit code %d, %s", code, why);
  return fail(c, REEVE_E_TOOL_FAILED, "value", tool->name, "rule", rule, NULL);
}

/* usermod --lock --expiredate 1, unless that is already so. */
uint16_t lock_account(struct call *c, const struct accounts *a, const char *name) {
  const struct secret *s = secret_by_name(a, name);
  int code;
  if (is_locked(s) && s->password[0] == '!') return REEVE_OK;
  const char *const argv[] = {"usermod", "--lock", "--expiredate", "1", "--", name, NULL};
  uint16_t status = run_tool(c, &tool_usermod, argv, &code);
  if (!status && code) status = tool_failed(c, &tool_usermod, code);
  return status;
}
