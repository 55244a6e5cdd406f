/* user.remove: marker "removing", lock, end the processes, userdel, home to the trash, forget. A repeat goes on where an interrupted call stopped. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_USER_REMOVE_##field])

static uint16_t remove_account(struct call *c, const char *name, char *entry, size_t room, uint32_t *ended) {
  struct marker *m = &c->marker;
  uint16_t status = REEVE_OK;
  if (m->state == MARKER_ADOPTED || m->state == MARKER_ADOPTED_KEYS) return user_protected(c, name, ADOPTED);
  if (c->user) status = account_ours(c, name);
  if (!status && uid_forbidden(m->uid)) status = user_protected(c, name, UID_TOO_LOW);
  if (status) return status;
  bool half_made = m->state == MARKER_ADDING;
  if (c->user) m->gid = c->user->gid;
  if (m->state == MARKER_OWNED && !c->user) return marker_drop(c, name);  /* root removed it by hand; its home is root's business */
  if (!half_made) {
    m->state = MARKER_REMOVING;
    status = marker_write(c, m);
    FAILPOINT("remove.marked");
  }
  if (!status && c->user) status = account_lock(c, name);
  FAILPOINT("remove.locked");
  if (!status) status = end_processes(c, name, m->uid, ended);
  FAILPOINT("remove.ended");
  if (!status) status = account_delete(c, name);
  if (!status && !F(c, KEEP_HOME)->number && !strcmp(m->kind, "home")) status = home_to_trash(c, name, m->uid, half_made, entry, room);
  FAILPOINT("remove.moved");
  if (!status) status = marker_drop(c, name);
  FAILPOINT("remove.forgotten");
  return status;
}

uint16_t op_user_remove(struct call *c) {
  const char *name = F(c, NAME)->text;
  char entry[96] = "";
  uint32_t ended = 0;
  uint16_t status = account_load(c, name);
  if (!status && (c->user || c->marker.state != MARKER_NONE)) status = remove_account(c, name, entry, sizeof entry, &ended);
  if (status) return status;
  reply_string(&c->reply, REEVE_R_USER_REMOVE_TRASH, entry);
  reply_u32(&c->reply, REEVE_R_USER_REMOVE_ENDED, ended);
  return REEVE_OK;
}
