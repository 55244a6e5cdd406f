/* observe.user: accounts as they are, without starting a program. */
#include "reeve.h"

static int by_user(const void *a, const void *b) { return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name); }

#define TAG(field) REEVE_R_OBSERVE_USER_USER_##field

static void text(struct buf *b, uint16_t tag, const char *s) { reply_text(b, tag, s, strlen(s)); }

static void put_user(struct buf *b, const struct accounts *a, const struct user *u, const struct marker *m, bool present) {
  size_t at = reply_begin(b, REEVE_R_OBSERVE_USER_USER);
  text(b, TAG(NAME), u->name);
  reply_u32(b, TAG(UID), u->uid);
  reply_u32(b, TAG(GID), u->gid);
  text(b, TAG(SHELL), u->shell);
  text(b, TAG(COMMENT), u->comment);
  text(b, TAG(HOME), u->home);
  size_t low = 0, high = a->nmembers;
  while (present && low < high) {
    size_t middle = (low + high) / 2;
    if (strcmp(a->members[middle].user, u->name) < 0) low = middle + 1;
    else high = middle;
  }
  for (; present && low < a->nmembers && !strcmp(a->members[low].user, u->name); low++) text(b, TAG(GROUP), a->members[low].group);
  reply_bool(b, TAG(LOCKED), present && is_locked(secret_by_name(a, u->name)));
  reply_string(b, TAG(MARKER), m ? marker_word(m) : "");
  reply_bool(b, TAG(PRESENT), present);
  reply_end(b, at);
}

uint16_t op_observe_user(struct call *c) {
  struct accounts *a = &c->accounts;
  struct marker *markers = NULL;
  size_t n = 0, i = 0, k = 0;
  bool all = !strcmp(c->f[REEVE_F_OBSERVE_USER_SCOPE].text, "all");
  uint16_t status = accounts_load(c);
  if (!status) status = markers_list(c, &markers, &n);
  if (status) return status;
  qsort(a->users, a->nusers, sizeof *a->users, by_user);
  while (i < a->nusers || k < n) {  /* both lists are sorted: accounts, accounts with markers, markers whose account is gone */
    int order = i == a->nusers ? 1 : k == n ? -1 : strcmp(a->users[i].name, markers[k].name);
    if (order > 0) {
      struct user gone = {markers[k].name, "", "", "", markers[k].uid, markers[k].gid};
      put_user(&c->reply, a, &gone, &markers[k], false);
    } else if (order == 0 || all) put_user(&c->reply, a, &a->users[i], order == 0 ? &markers[k] : NULL, true);
    if (order <= 0) i++;
    if (order >= 0) k++;
  }
  free(markers);
  return REEVE_OK;
}
