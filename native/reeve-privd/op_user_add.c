/* user.add: marker "adding", the uid written down as used, useradd, marker "owned"; each on the disk before the next. */
#include "reeve.h"
#include <stdlib.h>
#include <string.h>

#define F(c, field) (&(c)->f[REEVE_F_USER_ADD_##field])

uint16_t check_user_add(struct call *c) {
  const char *name = F(c, NAME)->text;
  uint16_t status = check_name(c, REEVE_F_USER_ADD_NAME);
  if (!status && name_reserved(name)) status = fail(c, REEVE_E_USER_RESERVED, "value", name, "rule", "the name is reserved for the system", NULL);
  if (!status) status = check_shell(c, REEVE_F_USER_ADD_SHELL);
  if (!status) status = check_comment(c, REEVE_F_USER_ADD_COMMENT);
  if (status) return status;
  if (F(c, UID)->set) {
    snprintf(c->args_text[0], sizeof c->args_text[0], "%llu", (unsigned long long)F(c, UID)->number);
    c->args[REEVE_K_USER_ADD_UID] = c->args_text[0];
    if (uid_forbidden(F(c, UID)->number))
      return fail(c, REEVE_E_FIELD_INVALID, "field", "uid", "value", c->args_text[0], "rule", "1000 and more is wanted, and not 65534, 65535 or 4294967295", NULL);
  }
  c->args[REEVE_K_USER_ADD_NAME] = name;
  c->args[REEVE_K_USER_ADD_SHELL] = F(c, SHELL)->text;
  c->args[REEVE_K_USER_ADD_KIND] = F(c, KIND)->text;
  return REEVE_OK;
}

struct work { struct call *c; struct accounts a; struct marker m; char *used; size_t nused; };

/* Who has or had this uid; false when nobody, or only this name. */
static bool uid_owner(const struct work *w, uint32_t uid, const char *name, char *owner, size_t room) {
  const struct user *u = user_by_uid(&w->a, uid);
  if (u) return snprintf(owner, room, "%s", u->name) >= 0;
  if (!used_uid_owner(w->used, w->nused, uid, owner, room) || !strcmp(owner, name)) return false;
  strncat(owner, ", removed", room - strlen(owner) - 1);
  return true;
}

static uint16_t choose_uid(struct work *w, const char *name, uint32_t *uid) {
  struct call *c = w->c;
  char owner[300], text[16];
  uint64_t at, from = REEVE_MIN_UID;
  snprintf(text, sizeof text, "%u", *uid);
  if (F(c, UID)->set) {
    *uid = (uint32_t)F(c, UID)->number;
    if (!uid_owner(w, *uid, name, owner, sizeof owner)) return REEVE_OK;
    return fail(c, REEVE_E_USER_UID_TAKEN, "value", c->args_text[0], "owner", owner, NULL);
  }
  if (*uid >= REEVE_MIN_UID && !user_by_uid(&w->a, *uid)) {  /* the one it had before it was interrupted or lost, if policy still gives it */
    c->args[REEVE_K_USER_ADD_UID] = text;
    bool allowed = policy_evaluate(&c->policy, REEVE_P_USER_ADD, c->args).allowed;
    c->args[REEVE_K_USER_ADD_UID] = NULL;
    if (allowed) return REEVE_OK;
  }
  for (; policy_next_uid(&c->policy, REEVE_P_USER_ADD, c->args, REEVE_K_USER_ADD_UID, from, &at); from = at + 1) {
    if (uid_forbidden(at) || user_by_uid(&w->a, (uint32_t)at) || group_by_gid(&w->a, (uint32_t)at)) continue;
    if (used_uid_owner(w->used, w->nused, (uint32_t)at, owner, sizeof owner)) continue;
    *uid = (uint32_t)at;
    return REEVE_OK;
  }
  return fail(c, REEVE_E_USER_UID_RANGE_FULL, "value", "see the uid keys of its user.add lines", NULL);
}

/* What an interrupted call left: entry, group, home. */
static uint16_t take_down(struct work *w, const char *name) {
  struct call *c = w->c;
  char entry[96];
  int code;
  const struct user *u = user_by_name(&w->a, name);
  uint16_t status;
  if (u && u->uid != w->m.uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (u) {
    const char *const argv[] = {"userdel", "--", name, NULL};
    status = run_tool(c, &tool_userdel, argv, &code);
    if (status || code) return status ? status : tool_failed(c, &tool_userdel, code);
  }
  accounts_free(&w->a);
  status = accounts_load(c, &w->a);
  if (!status && group_by_name(&w->a, name) && !group_has_members(&w->a, name)) {
    const char *const argv[] = {"groupdel", "--", name, NULL};
    status = run_tool(c, &tool_groupdel, argv, &code);
    if (!status && code) status = tool_failed(c, &tool_groupdel, code);
    accounts_free(&w->a);
    if (!status) status = accounts_load(c, &w->a);
  }
  if (!status && !strcmp(w->m.kind, "home")) status = home_to_trash(c, name, w->m.uid, true, entry, sizeof entry);
  return status;
}

/* An account of that name is there and ours: is it already what is asked for? */
static uint16_t compare(struct work *w, const struct user *u) {
  struct call *c = w->c;
  char uid[16];
  snprintf(uid, sizeof uid, "%u", u->uid);
  if (w->m.state == MARKER_ADOPTED || w->m.state == MARKER_ADOPTED_KEYS) return fail(c, REEVE_E_USER_PROTECTED, "value", u->name, "rule", "adopted: keys and lock only", NULL);
  if (u->uid != w->m.uid) return fail(c, REEVE_E_USER_FOREIGN, "value", u->name, NULL);
  if (F(c, UID)->set && F(c, UID)->number != u->uid) return fail(c, REEVE_E_USER_UID_FIXED, "value", u->name, "owner", uid, NULL);
  if (strcmp(w->m.kind, F(c, KIND)->text)) return fail(c, REEVE_E_USER_KIND_FIXED, "value", u->name, "owner", w->m.kind, NULL);
  if (strcmp(u->shell, F(c, SHELL)->text) || (F(c, COMMENT)->set && strcmp(u->comment, F(c, COMMENT)->text)))
    return fail(c, REEVE_E_STATE_MOVED, "moved", "the user exists already with another shell or comment", NULL);
  return REEVE_OK;
}

static uint16_t make(struct work *w, const char *name, uint32_t uid) {
  struct call *c = w->c;
  char uid_text[16], home[64];
  int code;
  bool has_home = !strcmp(F(c, KIND)->text, "home");
  struct marker m = {.state = MARKER_ADDING, .uid = uid, .gid = uid};
  snprintf(m.name, sizeof m.name, "%s", name);
  snprintf(m.kind, sizeof m.kind, "%s", F(c, KIND)->text);
  uint16_t status = marker_write(c, &m);
  FAILPOINT("add.marked");
  if (!status) status = used_uid_add(c, name, uid);
  FAILPOINT("add.used");
  if (status) return status;
  snprintf(uid_text, sizeof uid_text, "%u", uid);
  snprintf(home, sizeof home, has_home ? "/home/%s" : "/nonexistent", name);
  const char *argv[] = {"useradd", "--uid", uid_text, "--user-group", "--shell", F(c, SHELL)->text, "--home-dir", home, has_home ? "--create-home" : "--no-create-home",
    "--comment", F(c, COMMENT)->set ? F(c, COMMENT)->text : "", "--", name, NULL};
  status = run_tool(c, &tool_useradd, argv, &code);
  if (!status && code) status = tool_failed(c, &tool_useradd, code);
  FAILPOINT("add.made");
  if (status) {  /* leave nothing behind; if that fails too, the marker tells the next call */
    struct call scrap;
    call_init(&scrap);
    memcpy(scrap.op, c->op, OP_BYTES);
    struct work undo = {.c = &scrap, .m = m};
    if (!accounts_load(&scrap, &undo.a) && !take_down(&undo, name)) (void)marker_drop(&scrap, name);
    accounts_free(&undo.a);
    call_free(&scrap);
    return status;
  }
  accounts_free(&w->a);
  status = accounts_load(c, &w->a);
  const struct user *u = status ? NULL : user_by_name(&w->a, name);
  if (!status && (!u || u->uid != uid)) status = fail(c, REEVE_E_TOOL_FAILED, "value", "useradd", "rule", "it reported success without making the account", NULL);
  if (status) return status;
  m.gid = u->gid;
  m.state = MARKER_OWNED;
  status = marker_write(c, &m);
  FAILPOINT("add.owned");
  return status;
}

static uint16_t add(struct work *w) {
  struct call *c = w->c;
  const char *name = F(c, NAME)->text;
  uint32_t uid = 0;
  uint16_t status = accounts_load(c, &w->a);
  if (!status) status = marker_read(c, name, &w->m);
  if (!status) status = shell_usable(c, F(c, SHELL)->text);
  if (status) return status;
  const struct user *u = user_by_name(&w->a, name);
  if (w->m.state == MARKER_REMOVING) return fail(c, REEVE_E_STATE_MOVED, "moved", "the removal of the user is not finished", NULL);
  if (u && u->uid < REEVE_MIN_UID) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "its uid is below 1000", NULL);
  if (u && w->m.state == MARKER_NONE) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (u && w->m.state != MARKER_ADDING) {
    status = compare(w, u);
    if (!status) reply_u32(&c->reply, REEVE_R_USER_ADD_UID, u->uid);
    return status;
  }
  if (w->m.state == MARKER_ADDING || w->m.state == MARKER_OWNED) uid = w->m.uid;
  if (w->m.state == MARKER_ADDING) status = take_down(w, name);
  FAILPOINT("add.cleared");
  if (!status && group_by_name(&w->a, name)) status = fail(c, REEVE_E_USER_RESERVED, "value", name, "rule", "a group of that name already exists on the host", NULL);
  if (!status && !strcmp(F(c, KIND)->text, "home")) status = home_free(c, name);
  if (!status) status = used_uids(c, &w->used, &w->nused);
  if (!status) status = choose_uid(w, name, &uid);
  if (!status) status = make(w, name, uid);
  if (!status) reply_u32(&c->reply, REEVE_R_USER_ADD_UID, uid);
  return status;
}

uint16_t op_user_add(struct call *c) {
  struct work w = {.c = c};
  uint16_t status = add(&w);
  accounts_free(&w.a);
  free(w.used);
  return status;
}
