/* Fuzz target: passwd, group and shadow (one text for each), a marker, the list of used uids, and an audit line. */
#include "../tests/globals.h"
#include <stdlib.h>
#include <string.h>

static char *copy(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (!text) abort();
  memcpy(text, data, size);
  text[size] = 0;
  return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct accounts a;
  struct marker m;
  struct audit_line l;
  uint8_t hash[32], zero[32] = {0};
  char owner[32];
  accounts_parse(&a, copy(data, size), copy(data, size), copy(data, size));
  for (size_t i = 0; i < a.nusers; i++) {
    const struct user *u = user_by_name(&a, a.users[i].name);
    if (!u || strcmp(u->name, a.users[i].name)) abort();
    (void)is_locked(secret_by_name(&a, u->name));
    (void)is_member(&a, u->name, "users");
  }
  accounts_free(&a);
  if (marker_parse(&m, (const char *)data, size) && (!grammar_name(m.name) || m.state == MARKER_NONE)) abort();
  char *used = copy(data, size);
  (void)used_uid_owner(used, 20000, owner, sizeof owner);
  free(used);
  if (audit_split(&l, (const char *)data, size)) audit_hash(&l, zero, hash);
  return 0;
}
