/* user.unlock: undoes user.lock. A password field that is only "!" stays so: without it the account would let anybody in. */
#include "reeve.h"

uint16_t op_user_unlock(struct call *c) {
  const char *name = c->f[REEVE_F_USER_UNLOCK_NAME].text, *argv[8] = {"usermod"};
  int n = 1;
  uint16_t status = account_load_ours(c, name);
  if (status) return status;
  if (c->marker.state != MARKER_OWNED && c->marker.state != MARKER_ADOPTED) return user_unfinished(c);
  const struct secret *s = secret_by_name(&c->accounts, name);
  if (s && s->password[0] == '!' && s->password[1]) argv[n++] = "--unlock";
  if (is_locked(s)) {
    argv[n++] = "--expiredate";
    argv[n++] = "";
  }
  if (n == 1) return REEVE_OK;
  argv[n++] = "--";
  argv[n++] = name;
  status = run_tool(c, argv);
  FAILPOINT("unlock.done");
  return status;
}
