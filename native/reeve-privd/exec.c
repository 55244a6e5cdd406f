/* The closed list of programs that requests start, and what became of them. */
#include "reeve.h"
#include "tool.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define OUTPUT_MAX 65536u
#define LOCK_TRIES 20
#define LOCK_WAIT_MS 100

/* The closed list. */
static const char *const tools[] = {"/usr/sbin/useradd", "/usr/sbin/usermod", "/usr/sbin/userdel", "/usr/sbin/groupdel", "/usr/bin/gpasswd",
  "/usr/sbin/sshd", "/usr/bin/journalctl", "/usr/bin/systemctl", "/usr/sbin/iptables-nft-save", "/usr/sbin/ip6tables-nft-save", NULL};  /* and /usr/sbin/nft, see nat_nft.c */

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

/* Tools for accounts wait for .pwd.lock, but not for passwd.lock: somebody else may have it for a moment. One that was killed while it had it counts as alive until init has
 * waited for it. */
static bool lost_the_lock(const char *name, int status) {
  if (!WIFEXITED(status) || (strncmp(name, "user", 4) && strcmp(name, "groupdel"))) return false;
  return WEXITSTATUS(status) == CANNOT_UPDATE_PASSWD || WEXITSTATUS(status) == CANNOT_UPDATE_GROUP;
}

static const char *path_of(const char *name) {
  for (const char *const *path = tools; *path; path++) if (!strcmp(strrchr(*path, '/') + 1, name)) return *path;
  return NULL;
}

/* Runs the tool named argv[0] to its end. OK: it exited with 0; else TOOL_TIMEOUT, TOOL_FAILED or SANDBOX_VIOLATION. What it printed, the first
 * 64 KiB of both streams, is the caller's when `text` is given, whatever became of it; NULL when it could not be started. */
uint16_t run_tool_text(struct call *c, const char *const *argv, char **text) {
  struct tool t = {.path = path_of(argv[0]), .argv = argv, .in = -1, .most = OUTPUT_MAX, .within_ms = TOOL_DEADLINE_MS};
  if (!t.path) return io_failed(c, "a program cannot be started");
  enum tool_end end = tool_run(&t);
  for (int tries = 0; end == TOOL_ENDED && lost_the_lock(argv[0], t.status) && tries < LOCK_TRIES; tries++) {
    tool_free(&t);
    (void)poll(NULL, 0, LOCK_WAIT_MS);
    end = tool_run(&t);
  }
  uint16_t result = REEVE_OK;
  if (end == TOOL_ABSENT) result = tool_failed(c, argv[0], "it cannot be started");
  else if (end == TOOL_LATE) result = fail(c, REEVE_E_TOOL_TIMEOUT, "value", argv[0], NULL);
  else result = outcome(c, argv[0], t.status);
  if (text) *text = t.out.p ? strdup((char *)t.out.p) : NULL;
  if (result) log_output(argv[0], t.status, t.out.p ? (char *)t.out.p : (char[]){""}, t.out.n);
  tool_free(&t);
  return result;
}

uint16_t run_tool(struct call *c, const char *const *argv) { return run_tool_text(c, argv, NULL); }

/* What a tool without arguments prints; false when it is not installed, fails, or prints more than `most`. */
bool run_tool_save(const char *name, size_t most, struct buf *out) {
  const char *const argv[] = {name, NULL};
  struct tool t = {.path = path_of(name), .argv = argv, .in = -1, .most = most, .apart = true, .within_ms = TOOL_DEADLINE_MS};
  bool ok = t.path && !access(t.path, X_OK) && tool_run(&t) == TOOL_ENDED && WIFEXITED(t.status) && WEXITSTATUS(t.status) == 0 && !t.out.full;
  if (ok) buf_put(out, t.out.p, t.out.n);
  tool_free(&t);
  return ok;
}
