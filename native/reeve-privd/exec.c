/* The one place where other programs are started: absolute path, fixed argv, fixed environment, no inherited descriptor, capped output, deadline. */
#include "reeve.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OUTPUT_MAX 65536u

/* The closed list. */
static const char *const tools[] = {"/usr/sbin/useradd", "/usr/sbin/usermod", "/usr/sbin/userdel", "/usr/sbin/groupdel", "/usr/bin/gpasswd",
  "/usr/sbin/sshd", "/usr/bin/journalctl", NULL};

/* Exit codes of useradd(8), usermod(8), userdel(8), groupdel(8), and of a child that could not start one. */
enum { CANNOT_UPDATE_PASSWD = 1, BAD_SYNTAX = 2, BAD_ARGUMENT = 3, UID_IN_USE = 4, ABSENT = 6, LOGGED_IN = 8,
  NAME_IN_USE = 9, CANNOT_UPDATE_GROUP = 10, CANNOT_MAKE_HOME = 12, NOT_INSTALLED = 127 };
static const char *const reasons[] = {
  [CANNOT_UPDATE_PASSWD] = "the account files could not be locked or updated",
  [BAD_SYNTAX] = "it did not understand the command",
  [BAD_ARGUMENT] = "it refused an argument",
  [UID_IN_USE] = "the uid is in use",
  [ABSENT] = "it does not find the user or group",
  [LOGGED_IN] = "the user is logged in",
  [NAME_IN_USE] = "the name is in use in another directory of accounts",
  [CANNOT_UPDATE_GROUP] = "the group file could not be updated",
  [CANNOT_MAKE_HOME] = "the home could not be made or removed",
  [NOT_INSTALLED] = "it is not installed",
};

static _Noreturn void tool_child(const char *path, const char *const *argv, int out, pid_t parent) {
  static char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
  sigset_t none;
  sigemptyset(&none);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (setpgid(0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || null < 0) _exit(NOT_INSTALLED);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(NOT_INSTALLED);
  execve(path, (char *const *)argv, envp);
  _exit(NOT_INSTALLED);
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

static uint16_t tool_failed(struct call *c, const char *name, const char *rule) {
  return fail(c, REEVE_E_TOOL_FAILED, "value", name, "rule", rule, NULL);
}

/* What became of a tool that was waited for. */
static uint16_t outcome(struct call *c, const char *name, int status) {
  char rule[96];
  const char *why = NULL;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) return fail(c, REEVE_E_SANDBOX_VIOLATION, NULL);
  if (!WIFEXITED(status)) return tool_failed(c, name, "it was killed by a signal");
  int code = WEXITSTATUS(status);
  if (code == 0) return REEVE_OK;
  if ((size_t)code < sizeof reasons / sizeof *reasons) why = reasons[code];
  snprintf(rule, sizeof rule, "exit code %d, %s", code, why ? why : "it has no documented reason");
  return tool_failed(c, name, rule);
}

static void log_output(const char *name, int status, char *output, size_t n) {
  if (n > 200) n = 200;
  for (size_t i = 0; i < n; i++) if (output[i] < 0x20 || output[i] == 0x7f) output[i] = ' ';
  log_line("%s ended with %d: %.*s", name, WIFEXITED(status) ? WEXITSTATUS(status) : -1, (int)n, output);
}

/* Runs the tool named argv[0] to its end. OK: it exited with 0; else TOOL_TIMEOUT, TOOL_FAILED or SANDBOX_VIOLATION. What it printed, the first
 * 64 KiB of both streams, is the caller's when `text` is given, whatever became of it; NULL when it could not be started. */
uint16_t run_tool_text(struct call *c, const char *const *argv, char **text) {
  int pipes[2], status = 0;
  const char *const *path = tools;
  while (*path && strcmp(strrchr(*path, '/') + 1, argv[0])) path++;
  AUTO_TEXT output = malloc(OUTPUT_MAX + 1);
  size_t n = 0;
  if (!*path || !output || pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) return io_failed(c, "a program cannot be started");
  AUTO_FD out = pipes[0];
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    fcntl(pipes[1], F_SETFL, 0);
    tool_child(*path, argv, pipes[1], parent);
  }
  close(pipes[1]);
  AUTO_FD pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
  bool ended = false, open_pipe = true;
  int64_t deadline = now_ms() + TOOL_DEADLINE_MS;
  while (pidfd >= 0 && !ended) {
    struct pollfd p[2] = {{pidfd, POLLIN, 0}, {open_pipe ? out : -1, POLLIN, 0}};
    int64_t left = deadline - now_ms();
    if (left <= 0) break;
    if (poll(p, 2, (int)left) < 0 && errno != EINTR) break;
    if (p[1].revents) open_pipe = drain(out, output, &n);
    ended = p[0].revents != 0;
  }
  if (pid > 0) {
    if (!ended) kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    kill(-pid, SIGKILL);  /* what it left running in its group */
    if (open_pipe) drain(out, output, &n);
  }
  uint16_t result = REEVE_OK;
  if (pidfd < 0) result = tool_failed(c, argv[0], "it cannot be started");
  else if (!ended) result = fail(c, REEVE_E_TOOL_TIMEOUT, "value", argv[0], NULL);
  else result = outcome(c, argv[0], status);
  if (text) {
    output[n] = 0;
    *text = strdup(output);
  }
  if (result) log_output(argv[0], status, output, n);
  return result;
}

uint16_t run_tool(struct call *c, const char *const *argv) { return run_tool_text(c, argv, NULL); }
