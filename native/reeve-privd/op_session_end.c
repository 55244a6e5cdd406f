/* session.end: end one login. Its process is root's; sshd then ends what runs for the account in it. */
#include "reeve.h"
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#define F(c, field) (&(c)->f[REEVE_F_SESSION_END_##field])
#define SESSIONS_MAX 4096
#define TERM_MS 3000
#define KILL_MS 3000

static bool is_session(const struct accounts *a, const char *name, uint64_t pid) {
  bool found = false;
  struct session *list = calloc(SESSIONS_MAX, sizeof *list);
  size_t n = list ? sessions_list(a, list, SESSIONS_MAX) : 0;
  for (size_t i = 0; i < n; i++) found = found || (list[i].pid == pid && !strcmp(list[i].user, name));
  free(list);
  return found;
}

static bool has_ended(int pidfd, int ms) {
  struct pollfd wait = {pidfd, POLLIN, 0};
  return poll(&wait, 1, ms) > 0;
}

uint16_t op_session_end(struct call *c) {
  const char *name = F(c, NAME)->text;
  uint16_t status = account_load(c, name);
  if (status) return status;
  if (!c->user) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  if (c->marker.state == MARKER_NONE || c->marker.uid != c->user->uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (!is_session(&c->accounts, name, F(c, PID)->number)) return REEVE_OK;
  AUTO_FD pidfd = (int)syscall(SYS_pidfd_open, (pid_t)F(c, PID)->number, 0);
  /* Looked at again: only now the pidfd is known to be the process that was seen. */
  if (pidfd < 0 || !is_session(&c->accounts, name, F(c, PID)->number)) return REEVE_OK;
  (void)syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
  if (has_ended(pidfd, TERM_MS)) return REEVE_OK;
  (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  return has_ended(pidfd, KILL_MS) ? REEVE_OK : fail(c, REEVE_E_USER_PROCESSES_REMAIN, "value", name, NULL);
}
