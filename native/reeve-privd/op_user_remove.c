/* user.remove: marker "removing", lock, end the processes, userdel, home to the trash, forget. A repeat goes on where an interrupted call stopped. */
#include "reeve.h"
#include <string.h>

#define F(c, field) (&(c)->f[REEVE_F_USER_REMOVE_##field])

static uint16_t delete_entry(struct call *c, struct accounts *a, const char *name, const struct marker *m) {
  int code;
  uint16_t status = REEVE_OK;
  if (user_by_name(a, name)) {
    const char *const argv[] = {"userdel", "--", name, NULL};
    status = run_tool(c, &tool_userdel, argv, &code);
    if (!status && code) status = tool_failed(c, &tool_userdel, code);
    FAILPOINT("remove.deleted");
    accounts_free(a);
    if (!status) status = accounts_load(c, a);
    if (!status && user_by_name(a, name)) status = fail(c, REEVE_E_TOOL_FAILED, "value", "userdel", "rule", "it reported success and the account is still there", NULL);
  }
  if (status) return status;
  /* userdel takes the private group along unless it was stopped between the two files, or the group has other members. */
  const struct group *g = group_by_name(a, name);
  if (!g || g->gid != m->gid || group_has_members(a, name)) return REEVE_OK;
  for (size_t i = 0; i < a->nusers; i++) if (a->users[i].gid == g->gid) return REEVE_OK;
  const char *const argv[] = {"groupdel", "--", name, NULL};
  status = run_tool(c, &tool_groupdel, argv, &code);
  return status || !code ? status : tool_failed(c, &tool_groupdel, code);
}

static uint16_t remove_account(struct call *c, struct accounts *a, char *entry, size_t room, uint32_t *ended) {
  const char *name = F(c, NAME)->text;
  struct marker m;
  const struct user *u = user_by_name(a, name);
  uint16_t status = marker_read(c, name, &m);
  if (status) return status;
  if (!u && m.state == MARKER_NONE) return REEVE_OK;
  if (m.state == MARKER_ADOPTED || m.state == MARKER_ADOPTED_KEYS) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "adopted: keys and lock only", NULL);
  if (u) status = owned_account(c, a, name, &m, &u);
  if (!status && uid_forbidden(m.uid)) status = fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "its uid is below 1000", NULL);
  if (status) return status;
  bool half_made = m.state == MARKER_ADDING;
  if (u) m.gid = u->gid;
  if (m.state == MARKER_OWNED && !u) return marker_drop(c, name);  /* root removed it by hand; its home is root's business */
  if (!half_made) {
    m.state = MARKER_REMOVING;
    status = marker_write(c, &m);
    FAILPOINT("remove.marked");
  }
  if (!status && u) status = lock_account(c, a, name);
  FAILPOINT("remove.locked");
  if (!status) status = end_processes(c, name, m.uid, ended);
  FAILPOINT("remove.ended");
  if (!status) status = delete_entry(c, a, name, &m);
  if (!status && !F(c, KEEP_HOME)->number && !strcmp(m.kind, "home")) status = home_to_trash(c, name, m.uid, half_made, entry, room);
  FAILPOINT("remove.moved");
  if (!status) status = marker_drop(c, name);
  FAILPOINT("remove.forgotten");
  return status;
}

uint16_t op_user_remove(struct call *c) {
  struct accounts a;
  char entry[96] = "";
  uint32_t ended = 0;
  uint16_t status = accounts_load(c, &a);
  if (status) return status;
  status = remove_account(c, &a, entry, sizeof entry, &ended);
  if (!status) {
    reply_string(&c->reply, REEVE_R_USER_REMOVE_TRASH, entry);
    reply_u32(&c->reply, REEVE_R_USER_REMOVE_ENDED, ended);
  }
  accounts_free(&a);
  return status;
}
