/* user.adopt: an account that was there before us, for keys and lock; a system account for keys only, where the policy says system=yes. */
#include "reeve.h"

uint16_t check_user_adopt(struct call *c) {
  const char *name = c->f[REEVE_F_USER_ADOPT_NAME].text;
  if (!strncmp(name, "reeve", 5)) return fail(c, REEVE_E_USER_RESERVED, "value", name, "rule", "the name is reserved for Reeve itself", NULL);
  uint16_t status = accounts_load(c);
  if (status) return status;
  const struct user *u = user_by_name(&c->accounts, name);
  c->args[REEVE_K_USER_ADOPT_SYSTEM] = u && uid_forbidden(u->uid) ? "yes" : "no";
  return REEVE_OK;
}

uint16_t op_user_adopt(struct call *c) {
  const char *name = c->f[REEVE_F_USER_ADOPT_NAME].text;
  struct marker *m = &c->marker;
  uint16_t status = account_load(c, name);
  if (status) return status;
  const struct user *u = c->user;
  if (!u) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  bool system = uid_forbidden(u->uid);
  /* The policy was asked about what the account was a moment ago; now that we hold the lock, it must still be that. */
  if (system != !strcmp(c->args[REEVE_K_USER_ADOPT_SYSTEM], "yes")) return fail(c, REEVE_E_STATE_MOVED, "moved", "the uid of the user", NULL);
  if (m->state == MARKER_ADDING || m->state == MARKER_REMOVING) return user_unfinished(c);
  if (m->state == MARKER_NONE || m->uid != u->uid) {
    *m = (struct marker){.state = system ? MARKER_ADOPTED_KEYS : MARKER_ADOPTED, .uid = u->uid, .gid = u->gid};
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->kind, sizeof m->kind, system ? "system" : "home");
    status = marker_write(c, m);
    FAILPOINT("adopt.marked");
  }
  if (!status) reply_string(&c->reply, REEVE_R_USER_ADOPT_MARKER, marker_word(m));
  return status;
}
