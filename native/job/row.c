/* Rows on their way to the agent. */
#include "tree.h"
#include <inttypes.h>

void row_begin(struct buf *b, const char *snapshot, const char *path) {
  buf_init(b, PAYLOAD_MAX);
  if (snapshot) say(b, "snapshot", snapshot);
  say(b, "path", path);
}

void row_entry(struct buf *b, const struct entry *e) {
  char modified[24];
  snprintf(modified, sizeof modified, "%" PRId64, e->modified_ms);
  say(b, "kind", entry_kind(e->mode));
  say_number(b, "size", e->size);
  say(b, "modified-ms", modified);
  say_number(b, "mode", e->mode & 07777);
  say_number(b, "uid", e->uid);
  say_number(b, "gid", e->gid);
}

void row_digest(struct buf *b, const uint8_t digest[32]) {
  char text[65];
  hex(text, digest, 32);
  say(b, "sha256", text);
}

bool row_missing(const char *snapshot, const char *path) {
  struct buf b;
  row_begin(&b, snapshot, path);
  say(&b, "kind", "missing");
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}
