/* key.put: the managed key file of an account that is ours. Marker, file; each on the disk before the next. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_KEY_PUT_##field])
#define FOR_EVER UINT32_MAX

/* For how many seconds from now a file lets in at most. */
static uint32_t stale_of(const struct key_set *set) {
  int64_t now = wall_ms() / 1000, most = 0;
  for (size_t i = 0; i < set->n; i++) {
    int64_t left = (int64_t)set->entries[i].expires - now;
    if (set->entries[i].expires == 0 || left >= FOR_EVER) return FOR_EVER;
    if (left > most) most = left;
  }
  return (uint32_t)most;
}

uint16_t check_key_put(struct call *c) {
  AUTO_SET set = {0};
  uint16_t status = key_content(c, F(c, CONTENT), KEY_MANAGED, &set);
  if (!status) status = accounts_load(c);
  if (status) return status;
  const struct user *u = user_by_name(&c->accounts, F(c, NAME)->text);
  snprintf(c->stale, sizeof c->stale, "%u", stale_of(&set));
  c->args[REEVE_K_KEY_PUT_ROOT_KEYS] = u && u->uid == 0 ? "yes" : "no";
  c->args[REEVE_K_KEY_PUT_MAX_STALE] = c->stale;
  return REEVE_OK;
}

/* Made or adopted, and still the same; root and system accounts only where they were adopted for their keys. */
static uint16_t may_have_keys(struct call *c, const char *name) {
  const struct user *u = c->user;
  enum marker_state state = c->marker.state;
  if (!u) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  if (state == MARKER_NONE || u->uid != c->marker.uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (state == MARKER_ADDING || state == MARKER_REMOVING) return user_unfinished(c);
  if (uid_forbidden(u->uid) && state != MARKER_ADOPTED_KEYS) return user_protected(c, name, UID_TOO_LOW);
  /* The policy was asked about what the account was a moment ago; now that we hold the lock, it must still be that. */
  if ((u->uid == 0) != !strcmp(c->args[REEVE_K_KEY_PUT_ROOT_KEYS], "yes")) return fail(c, REEVE_E_STATE_MOVED, "moved", "the uid of the user", NULL);
  return REEVE_OK;
}

uint16_t op_key_put(struct call *c) {
  const char *name = F(c, NAME)->text;
  const struct value *content = F(c, CONTENT);
  bool marked = false;
  size_t n = 0;
  uint8_t sum[32];
  AUTO_TEXT old = NULL;
  AUTO_FD dir = -1;
  uint16_t status = account_load(c, name);
  if (!status) status = may_have_keys(c, name);
  if (!status) status = key_marked(c, name, &marked);
  if (!status) status = key_folder(c, true, &dir);
  if (!status) status = key_read(c, dir, name, &old, &n);
  if (!status && old && !marked) status = key_foreign(c, name);
  if (!status && !marked) status = key_mark(c, name);
  FAILPOINT("key.marked");
  if (!status) status = key_write(c, dir, name, content->text, content->n);
  if (status) return status;
  sha256_of(content->text, content->n, sum);
  reply_bytes(&c->reply, REEVE_R_KEY_PUT_SHA256, sum, sizeof sum);
  return REEVE_OK;
}
