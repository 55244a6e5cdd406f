/* key.remove: takes lines out of a managed key file, or the whole file. It never lets anybody in, and works for accounts that are gone. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_KEY_REMOVE_##field])

uint16_t check_key_remove(struct call *c) {
  AUTO_SET set = {0};
  return F(c, CONTENT)->set ? key_content(c, F(c, CONTENT), KEY_MANAGED, &set) : REEVE_OK;
}

static uint16_t remove_file(struct call *c, int dir, const char *name) {
  bool ok = dir < 0 || ((!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir));
  FAILPOINT("key.unlinked");
  return ok ? key_unmark(c, name) : io_failed(c, "a key file cannot be removed");
}

uint16_t op_key_remove(struct call *c) {
  const char *name = F(c, NAME)->text;
  const struct value *content = F(c, CONTENT);
  bool marked = false;
  size_t n = 0;
  AUTO_TEXT old = NULL;
  AUTO_FD dir = -1;
  uint16_t status = key_marked(c, name, &marked);
  if (!status) status = key_folder(c, false, &dir);
  if (!status) status = key_read(c, dir, name, &old, &n);
  if (!status && old && !marked) status = key_foreign(c, name);
  if (status) return status;
  if (!content->set) return marked ? remove_file(c, dir, name) : REEVE_OK;
  status = key_within(c, content, KEY_MANAGED, old ? old : "", n, false);
  return status || !old ? status : key_write(c, dir, name, content->text, content->n);
}
