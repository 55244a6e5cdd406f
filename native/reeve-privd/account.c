/* One account: its entry and its marker together, what that allows, and the two steps that verbs share: locking it and deleting it. */
#include "reeve.h"

uint16_t user_protected(struct call *c, const char *name, const char *rule) {
  return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", rule, NULL);
}

uint16_t user_unfinished(struct call *c) {
  return fail(c, REEVE_E_STATE_MOVED, "moved", "an earlier change of the user is not finished", NULL);
}

/* Fills c->accounts, c->user (NULL: no such entry) and c->marker. */
uint16_t account_load(struct call *c, const char *name) {
  uint16_t status = accounts_load(c);
  if (!status) status = marker_read(c, name, &c->marker);
  if (!status) c->user = user_by_name(&c->accounts, name);
  return status;
}

/* Marker and entry must agree that the account is ours. */
uint16_t account_ours(struct call *c, const char *name) {
  const struct user *u = c->user;
  enum marker_state state = c->marker.state;
  if (!u && state == MARKER_NONE) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  if (u && u->uid < REEVE_MIN_UID && state != MARKER_ADOPTED_KEYS) return user_protected(c, name, UID_TOO_LOW);
  if (state == MARKER_NONE) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (state == MARKER_ADOPTED_KEYS) return user_protected(c, name, "adopted: keys only");
  if (u && u->uid != c->marker.uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (!u && state != MARKER_ADDING && state != MARKER_REMOVING) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  return REEVE_OK;
}

uint16_t account_load_ours(struct call *c, const char *name) {
  uint16_t status = account_load(c, name);
  return status ? status : account_ours(c, name);
}

/* For verbs that change more than whether a login is possible: an account that we made, and wholly. */
uint16_t account_load_made(struct call *c, const char *name) {
  uint16_t status = account_load_ours(c, name);
  if (status) return status;
  if (c->marker.state == MARKER_ADOPTED) return user_protected(c, name, ADOPTED);
  return c->marker.state == MARKER_OWNED ? REEVE_OK : user_unfinished(c);
}

/* usermod --lock --expiredate 1, unless that is already so. */
uint16_t account_lock(struct call *c, const char *name) {
  const struct secret *s = secret_by_name(&c->accounts, name);
  if (is_locked(s) && s->password[0] == '!') return REEVE_OK;
  return run_tool(c, (const char *const[]){"usermod", "--lock", "--expiredate", "1", "--", name, NULL});
}

/* Entry and private group, of which the marker knows the gid. c->user is gone afterwards. */
uint16_t account_delete(struct call *c, const char *name) {
  uint16_t status = REEVE_OK;
  /* userdel writes one file after the other. If it was stopped between them, the line of shadow that is left goes only with a whole account. */
  if (!user_by_name(&c->accounts, name) && secret_by_name(&c->accounts, name)) {
    char uid[16];
    snprintf(uid, sizeof uid, "%u", c->marker.uid);
    status = run_tool(c, (const char *const[]){"useradd", "--uid", uid, "--gid", "65534", "--no-create-home", "--home-dir", "/nonexistent",
      "--shell", "/usr/sbin/nologin", "--expiredate", "1970-01-02", "--", name, NULL});
    if (!status) status = accounts_load(c);
  }
  if (!status && user_by_name(&c->accounts, name)) {
    status = run_tool(c, (const char *const[]){"userdel", "--", name, NULL});
    FAILPOINT("remove.deleted");
    if (!status) status = accounts_load(c);
    if (!status && user_by_name(&c->accounts, name))
      status = fail(c, REEVE_E_TOOL_FAILED, "value", "userdel", "rule", "it reported success and the account is still there", NULL);
  }
  /* userdel takes memberships and the private group along unless it was stopped, or the group has other members. */
  for (size_t i = 0; !status && i < c->accounts.nmembers; i++)
    if (!strcmp(c->accounts.members[i].user, name))
      status = run_tool(c, (const char *const[]){"gpasswd", "--delete", name, "--", c->accounts.members[i].group, NULL});
  const struct group *g = status ? NULL : group_by_name(&c->accounts, name);
  if (!g || g->gid != c->marker.gid || group_in_use(&c->accounts, g)) return status;
  status = run_tool(c, (const char *const[]){"groupdel", "--", name, NULL});
  return status ? status : accounts_load(c);
}
