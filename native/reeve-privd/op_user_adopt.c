/* user.adopt: an account that was there before us, for keys and lock; a system account for keys only, where the policy says system=yes. */
#include "reeve.h"
#include <string.h>

uint16_t check_user_adopt(struct call *c) {
  struct accounts a;
  const char *name = c->f[REEVE_F_USER_ADOPT_NAME].text;
  uint16_t status = check_name(c, REEVE_F_USER_ADOPT_NAME);
  if (!status && !strncmp(name, "reeve", 5)) status = fail(c, REEVE_E_USER_RESERVED, "value", name, "rule", "the name is reserved for Reeve itself", NULL);
  if (!status) status = accounts_load(c, &a);
  if (status) return status;
  const struct user *u = user_by_name(&a, name);
  c->args[REEVE_K_USER_ADOPT_NAME] = name;
  c->args[REEVE_K_USER_ADOPT_SYSTEM] = u && uid_forbidden(u->uid) ? "yes" : "no";
  accounts_free(&a);
  return REEVE_OK;
}

static uint16_t adopt(struct call *c, const struct accounts *a) {
  const char *name = c->f[REEVE_F_USER_ADOPT_NAME].text;
  const struct user *u = user_by_name(a, name);
  struct marker m;
  uint16_t status = marker_read(c, name, &m);
  if (status) return status;
  if (!u) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  bool system = uid_forbidden(u->uid);
  /* The policy was asked about what the account was a moment ago; now that we hold the lock, it must still be that. */
  if (system != !strcmp(c->args[REEVE_K_USER_ADOPT_SYSTEM], "yes")) return fail(c, REEVE_E_STATE_MOVED, "moved", "the uid of the user", NULL);
  if (m.state == MARKER_ADDING || m.state == MARKER_REMOVING) return fail(c, REEVE_E_STATE_MOVED, "moved", "an earlier change of the user is not finished", NULL);
  if (m.state != MARKER_NONE && m.uid == u->uid) {
    reply_string(&c->reply, REEVE_R_USER_ADOPT_MARKER, marker_word(&m));
    return REEVE_OK;
  }
  m = (struct marker){.state = system ? MARKER_ADOPTED_KEYS : MARKER_ADOPTED, .uid = u->uid, .gid = u->gid, .kind = "system"};
  snprintf(m.name, sizeof m.name, "%s", name);
  if (!system) snprintf(m.kind, sizeof m.kind, "home");
  status = marker_write(c, &m);
  FAILPOINT("adopt.marked");
  if (!status) reply_string(&c->reply, REEVE_R_USER_ADOPT_MARKER, marker_word(&m));
  return status;
}

uint16_t op_user_adopt(struct call *c) {
  struct accounts a;
  uint16_t status = accounts_load(c, &a);
  if (!status) status = adopt(c, &a);
  accounts_free(&a);
  return status;
}
