/* user.unlock: undoes user.lock. A password field that is only "!" stays so: without it the account would let anybody in. */
#include "reeve.h"

static uint16_t unlock(struct call *c, const struct accounts *a) {
  struct marker m;
  const struct user *u;
  const char *name = c->f[REEVE_F_USER_UNLOCK_NAME].text, *argv[8] = {"usermod"};
  int n = 1, code;
  uint16_t status = owned_account(c, a, name, &m, &u);
  if (status) return status;
  if (m.state != MARKER_OWNED && m.state != MARKER_ADOPTED) return fail(c, REEVE_E_STATE_MOVED, "moved", "an earlier change of the user is not finished", NULL);
  const struct secret *s = secret_by_name(a, name);
  if (s && s->password[0] == '!' && s->password[1]) argv[n++] = "--unlock";
  if (is_locked(s)) {
    argv[n++] = "--expiredate";
    argv[n++] = "";
  }
  if (n == 1) return REEVE_OK;
  argv[n++] = "--";
  argv[n++] = name;
  argv[n] = NULL;
  status = run_tool(c, &tool_usermod, argv, &code);
  if (!status && code) status = tool_failed(c, &tool_usermod, code);
  FAILPOINT("unlock.done");
  return status;
}

uint16_t op_user_unlock(struct call *c) {
  struct accounts a;
  uint16_t status = accounts_load(c, &a);
  if (!status) status = unlock(c, &a);
  accounts_free(&a);
  return status;
}
