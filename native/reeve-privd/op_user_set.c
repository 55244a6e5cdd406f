/* user.set: shell and comment of an account we made. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_USER_SET_##field])

uint16_t op_user_set(struct call *c) {
  const char *name = F(c, NAME)->text, *shell = F(c, SHELL)->text, *comment = F(c, COMMENT)->text, *argv[8] = {"usermod"};
  int n = 1;
  uint16_t status = account_load_made(c, name);
  if (!status && shell) status = shell_usable(c, shell);
  if (status) return status;
  if (shell && strcmp(c->user->shell, shell)) {
    argv[n++] = "--shell";
    argv[n++] = shell;
  }
  if (comment && strcmp(c->user->comment, comment)) {
    argv[n++] = "--comment";
    argv[n++] = comment;
  }
  if (n == 1) return REEVE_OK;
  argv[n++] = "--";
  argv[n++] = name;
  status = run_tool(c, argv);
  FAILPOINT("set.done");
  return status;
}
