/* user.add: marker "adding", the uid written down as used, useradd, marker "owned"; each on the disk before the next. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_USER_ADD_##field])

static uint16_t reserved(struct call *c, const char *name, const char *rule) {
  return fail(c, REEVE_E_USER_RESERVED, "value", name, "rule", rule, NULL);
}

uint16_t check_user_add(struct call *c) {
  const char *name = F(c, NAME)->text, *uid = F(c, UID)->text;
  if (name_reserved(name)) return reserved(c, name, "the name is reserved for the system");
  if (!uid || !uid_forbidden(F(c, UID)->number)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "uid", "value", uid, "rule", "1000 and more is wanted, and not 65534, 65535 or 4294967295", NULL);
}

static uint16_t choose_uid(struct call *c, const char *used, const char *name, uint32_t *uid) {
  char owner[300], text[16];
  uint64_t at, from = REEVE_MIN_UID;
  snprintf(text, sizeof text, "%u", *uid);
  if (F(c, UID)->set) {
    *uid = (uint32_t)F(c, UID)->number;
    const struct user *u = user_by_uid(&c->accounts, *uid);
    if (u) snprintf(owner, sizeof owner, "%s", u->name);
    else if (!used_uid_owner(used, *uid, owner, sizeof owner - 10) || !strcmp(owner, name)) return REEVE_OK;
    else strcat(owner, ", removed");
    return fail(c, REEVE_E_USER_UID_TAKEN, "value", F(c, UID)->text, "owner", owner, NULL);
  }
  if (*uid >= REEVE_MIN_UID && !user_by_uid(&c->accounts, *uid)) {  /* the one it had before it was interrupted or lost, if policy still gives it */
    c->args[REEVE_K_USER_ADD_UID] = text;
    bool allowed = policy_evaluate(&c->policy, REEVE_P_USER_ADD, c->args).allowed;
    c->args[REEVE_K_USER_ADD_UID] = NULL;
    if (allowed) return REEVE_OK;
  }
  for (; policy_next_uid(&c->policy, REEVE_P_USER_ADD, c->args, REEVE_K_USER_ADD_UID, from, &at); from = at + 1) {
    *uid = (uint32_t)at;
    if (uid_forbidden(at) || user_by_uid(&c->accounts, *uid) || group_by_gid(&c->accounts, *uid)) continue;
    if (!used_uid_owner(used, *uid, owner, sizeof owner)) return REEVE_OK;
  }
  return fail(c, REEVE_E_USER_UID_RANGE_FULL, "value", "see the uid keys of its user.add lines", NULL);
}

/* What an interrupted call left: entry, group (useradd may have given it another gid than the uid), home. */
static uint16_t take_down(struct call *c, const char *name) {
  char entry[96];
  const struct user *u = user_by_name(&c->accounts, name);
  const struct group *g = group_by_name(&c->accounts, name);
  if (u && u->uid != c->marker.uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (g) c->marker.gid = g->gid;
  uint16_t status = account_delete(c, name);
  if (!status && !strcmp(c->marker.kind, "home")) status = home_to_trash(c, name, c->marker.uid, true, entry, sizeof entry);
  return status;
}

/* An account of that name is there and ours: is it already what is asked for? */
static uint16_t compare(struct call *c) {
  char uid[16];
  const struct user *u = c->user;
  const struct marker *m = &c->marker;
  snprintf(uid, sizeof uid, "%u", u->uid);
  if (m->state == MARKER_ADOPTED || m->state == MARKER_ADOPTED_KEYS) return user_protected(c, u->name, ADOPTED);
  if (u->uid != m->uid) return fail(c, REEVE_E_USER_FOREIGN, "value", u->name, NULL);
  if (F(c, UID)->set && F(c, UID)->number != u->uid) return fail(c, REEVE_E_USER_UID_FIXED, "value", u->name, "owner", uid, NULL);
  if (strcmp(m->kind, F(c, KIND)->text)) return fail(c, REEVE_E_USER_KIND_FIXED, "value", u->name, "owner", m->kind, NULL);
  if (strcmp(u->shell, F(c, SHELL)->text) || (F(c, COMMENT)->set && strcmp(u->comment, F(c, COMMENT)->text)))
    return fail(c, REEVE_E_STATE_MOVED, "moved", "the user exists already with another shell or comment", NULL);
  reply_u32(&c->reply, REEVE_R_USER_ADD_UID, u->uid);
  return REEVE_OK;
}

static uint16_t make(struct call *c, const char *name, uint32_t uid) {
  char uid_text[16], home[64];
  bool has_home = !strcmp(F(c, KIND)->text, "home");
  struct marker *m = &c->marker;
  *m = (struct marker){.state = MARKER_ADDING, .uid = uid, .gid = uid};
  snprintf(m->name, sizeof m->name, "%s", name);
  snprintf(m->kind, sizeof m->kind, "%s", F(c, KIND)->text);
  uint16_t status = marker_write(c, m);
  FAILPOINT("add.marked");
  if (!status) status = used_uid_add(c, name, uid);
  FAILPOINT("add.used");
  if (status) return status;
  snprintf(uid_text, sizeof uid_text, "%u", uid);
  snprintf(home, sizeof home, has_home ? "/home/%s" : "/nonexistent", name);
  status = run_tool(c, (const char *const[]){"useradd", "--uid", uid_text, "--user-group", "--shell", F(c, SHELL)->text, "--home-dir", home,
    has_home ? "--create-home" : "--no-create-home", "--comment", F(c, COMMENT)->set ? F(c, COMMENT)->text : "", "--", name, NULL});
  FAILPOINT("add.made");
  if (status) {  /* leave nothing behind; if that fails too, the marker tells the next call */
    struct buf why = c->errors;
    buf_init(&c->errors, ERRORS_MAX);
    if (!accounts_load(c) && !take_down(c, name)) (void)marker_drop(c, name);
    buf_free(&c->errors);
    c->errors = why;
    return status;
  }
  status = accounts_load(c);
  const struct user *u = status ? NULL : user_by_name(&c->accounts, name);
  if (!status && (!u || u->uid != uid))
    status = fail(c, REEVE_E_TOOL_FAILED, "value", "useradd", "rule", "it reported success without making the account", NULL);
  if (status) return status;
  m->gid = u->gid;
  m->state = MARKER_OWNED;
  status = marker_write(c, m);
  FAILPOINT("add.owned");
  return status;
}

uint16_t op_user_add(struct call *c) {
  const char *name = F(c, NAME)->text;
  AUTO_TEXT used = NULL;
  uint16_t status = account_load(c, name);
  if (!status) status = shell_usable(c, F(c, SHELL)->text);
  if (status) return status;
  enum marker_state state = c->marker.state;
  if (state == MARKER_REMOVING) return fail(c, REEVE_E_STATE_MOVED, "moved", "the removal of the user is not finished", NULL);
  if (c->user && c->user->uid < REEVE_MIN_UID) return user_protected(c, name, UID_TOO_LOW);
  if (c->user && state == MARKER_NONE) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (c->user && state != MARKER_ADDING) return compare(c);
  uint32_t uid = state == MARKER_ADDING || state == MARKER_OWNED ? c->marker.uid : 0;
  if (state == MARKER_ADDING) status = take_down(c, name);
  FAILPOINT("add.cleared");
  if (!status && group_by_name(&c->accounts, name)) status = reserved(c, name, "a group of that name already exists on the host");
  if (!status && !strcmp(F(c, KIND)->text, "home")) status = home_free(c, name);
  if (!status) status = used_uids(c, &used);
  if (!status) status = choose_uid(c, used, name, &uid);
  if (!status) status = make(c, name, uid);
  if (!status) reply_u32(&c->reply, REEVE_R_USER_ADD_UID, uid);
  return status;
}
