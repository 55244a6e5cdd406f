/* user.set: shell and comment of an account we made. */
#include "reeve.h"
#include <string.h>

#define F(c, field) (&(c)->f[REEVE_F_USER_SET_##field])

uint16_t check_user_set(struct call *c) {
  uint16_t status = check_name(c, REEVE_F_USER_SET_NAME);
  if (!status) status = check_shell(c, REEVE_F_USER_SET_SHELL);
  if (!status) status = check_comment(c, REEVE_F_USER_SET_COMMENT);
  c->args[REEVE_K_USER_SET_NAME] = F(c, NAME)->text;
  c->args[REEVE_K_USER_SET_SHELL] = F(c, SHELL)->text;
  return status;
}

static uint16_t set(struct call *c, const struct accounts *a) {
  struct marker m;
  const struct user *u;
  const char *name = F(c, NAME)->text, *argv[8] = {"usermod"};
  int n = 1, code;
  uint16_t status = owned_account(c, a, name, &m, &u);
  if (status) return status;
  if (m.state == MARKER_ADOPTED) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "adopted: keys and lock only", NULL);
  if (m.state != MARKER_OWNED) return fail(c, REEVE_E_STATE_MOVED, "moved", "an earlier change of the user is not finished", NULL);
  if (F(c, SHELL)->set) {
    status = shell_usable(c, F(c, SHELL)->text);
    if (status) return status;
  }
  if (F(c, SHELL)->set && strcmp(u->shell, F(c, SHELL)->text)) {
    argv[n++] = "--shell";
    argv[n++] = F(c, SHELL)->text;
  }
  if (F(c, COMMENT)->set && strcmp(u->comment, F(c, COMMENT)->text)) {
    argv[n++] = "--comment";
    argv[n++] = F(c, COMMENT)->text;
  }
  if (n == 1) return REEVE_OK;
  argv[n++] = "--";
  argv[n++] = name;
  argv[n] = NULL;
  status = run_tool(c, &tool_usermod, argv, &code);
  if (!status && code) status = tool_failed(c, &tool_usermod, code);
  FAILPOINT("set.done");
  return status;
}

uint16_t op_user_set(struct call *c) {
  struct accounts a;
  uint16_t status = accounts_load(c, &a);
  if (!status) status = set(c, &a);
  accounts_free(&a);
  return status;
}
