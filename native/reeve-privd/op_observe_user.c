/* observe.user: accounts as they are, without starting a program. */
#include "reeve.h"
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) { return strcmp(((const struct marker *)a)->name, ((const struct marker *)b)->name); }
static int by_user(const void *a, const void *b) { return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name); }

#define TAG(field) REEVE_R_OBSERVE_USER_USER_##field

/* What the account files hold is data: control characters become "?", and no text is longer than 1 KiB. */
static void text(struct buf *b, uint16_t tag, const char *s) {
  char clean[1025];
  size_t n = 0;
  for (; s[n] && n < sizeof clean - 1; n++) clean[n] = ((unsigned char)s[n] < 0x20 || s[n] == 0x7f) ? '?' : s[n];
  reply_bytes(b, tag, clean, n);
}

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
  struct accounts a;
  struct marker *markers;
  size_t n;
  bool all = !strcmp(c->f[REEVE_F_OBSERVE_USER_SCOPE].text, "all");
  uint16_t status = accounts_load(c, &a);
  if (status) return status;
  status = markers_list(c, &markers, &n);
  if (!status) {
    if (n) qsort(markers, n, sizeof *markers, by_name);
    qsort(a.users, a.nusers, sizeof *a.users, by_user);
    size_t next = 0;
    for (size_t i = 0; i <= a.nusers; i++) {
      for (; next < n && (i == a.nusers || strcmp(markers[next].name, a.users[i].name) < 0); next++) {
        struct user gone = {markers[next].name, "", "", "", markers[next].uid, markers[next].gid};
        put_user(&c->reply, &a, &gone, &markers[next], false);
      }
      if (i == a.nusers) break;
      bool ours = next < n && !strcmp(markers[next].name, a.users[i].name);
      if (ours || all) put_user(&c->reply, &a, &a.users[i], ours ? &markers[next] : NULL, true);
      if (ours) next++;
    }
  }
  free(markers);
  accounts_free(&a);
  return status;
}
