/* key.release: a managed key file becomes plain configuration, and is not ours any more. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_KEY_RELEASE_##field])

uint16_t check_key_release(struct call *c) {
  AUTO_SET set = {0};
  return key_content(c, F(c, CONTENT), KEY_LEFT, &set);
}

uint16_t op_key_release(struct call *c) {
  const char *name = F(c, NAME)->text;
  const struct value *content = F(c, CONTENT);
  bool marked = false;
  size_t n = 0;
  AUTO_TEXT old = NULL;
  AUTO_FD dir = -1;
  uint16_t status = key_marked(c, name, &marked);
  if (!status) status = key_folder(c, false, &dir);
  if (!status) status = key_read(c, dir, name, &old, &n);
  if (status) return status;
  bool done = !old || (n == content->n && !memcmp(old, content->text, n));
  if (!marked) return done ? REEVE_OK : key_foreign(c, name);
  status = key_within(c, content, KEY_LEFT, old ? old : "", n, true);
  if (!status && old) status = key_write(c, dir, name, content->text, content->n);
  FAILPOINT("key.left");
  return status ? status : key_unmark(c, name);
}
