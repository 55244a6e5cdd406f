/* vhost.release: the sites stay where they are, as plain configuration, and are not ours any more. */
#include "vhost_set.h"
#include "pending.h"

static const char left[] = "# Left by Reeve: plain configuration, yours to edit.\n";

/* Only the first line, where it is a comment of ours. */
static bool leave_file(int dir, const char *name) {
  static const char ours[] = "# Managed by Reeve";
  size_t n;
  struct buf b;
  AUTO_TEXT text = vhost_read(dir, name, &n);
  if (!text) return errno == ENOENT;
  const char *rest = n >= sizeof ours - 1 && !memcmp(text, ours, sizeof ours - 1) ? memchr(text, '\n', n) : NULL;
  if (!rest) return true;
  rest++;
  buf_init(&b, VHOST_FILE_MAX + sizeof left);
  buf_put(&b, left, sizeof left - 1);
  buf_put(&b, rest, n - (size_t)(rest - text));
  bool ok = !b.full && small_put(dir, name, b.p, b.n, 0644);
  buf_free(&b);
  return ok;
}

static uint16_t leave(struct call *c, const char *placed) {
  char site[SITE_MAX_LEN + 1];
  AUTO_LIST list = {0};
  if (!vhost_list_read(placed, &list)) return errno == ENOENT ? REEVE_OK : io_failed(c, "the list of the set in place cannot be read");
  AUTO_FD dir = vhost_open_set(placed);
  bool ok = dir >= 0 && leave_file(dir, VHOST_COMMON);
  for (size_t i = 0; i < list.n && ok; i++) ok = vhost_kind(list.entries[i].name, site) != VHOST_CONF || leave_file(dir, list.entries[i].name);
  FAILPOINT("vhost.left");
  return ok && vhost_put_include(true) ? REEVE_OK : io_failed(c, "the sites cannot be left behind");
}

/* Every note and list. */
static bool forget(void) {
  AUTO_FD state = state_folder(VHOST_STATE);
  struct dirent **names = NULL;
  int n = state < 0 ? -1 : scandirat(state, ".", &names, NULL, NULL);
  bool ok = n >= 0;
  for (int i = 0; i < n; i++) if (strcmp(names[i]->d_name, ".") && strcmp(names[i]->d_name, "..")) ok = !unlinkat(state, names[i]->d_name, 0) && ok;
  end_names(names, n < 0 ? 0 : n);
  return ok && !fsync(state);
}

uint16_t op_vhost_release(struct call *c) {
  char placed[SET_NAME];
  uint16_t status = vhost_settle(c, true);
  if (!status && !vhost_drop_set(VHOST_STAGED)) status = io_failed(c, "a set cannot be taken away");
  if (!status && vhost_placed(placed)) status = leave(c, placed);
  if (status) return status;
  if (!forget()) return io_failed(c, "the sites cannot be forgotten");
  FAILPOINT("vhost.released");
  return REEVE_OK;
}
