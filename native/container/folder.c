/* Folders of containers of lxc, and small files. */
#include "container.h"
#include <ctype.h>

int lxc_folder(const struct record *r) {
  AUTO_FD all = open_plain(places.lxc, O_RDONLY | O_DIRECTORY);
  return all < 0 ? -1 : openat(all, r->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void lxc_state(const char *name, char out[24]) {
  const char *argv[] = {LXC_INFO, "--name", name, "--lxcpath", places.lxc, "--state", "--no-humanize", NULL};
  struct buf text;
  buf_init(&text, 4096);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &text};
  /* Where there is no lxc, none runs. */
  snprintf(out, 24, "%s", access(LXC_INFO, X_OK) ? "stopped" : "");
  if (!*out && tool_run(&t)) snprintf(out, 24, "%.*s", (int)strcspn((char *)text.p, "\n"), (char *)text.p);
  for (char *at = out; *at; at++) *at = (char)tolower((unsigned char)*at);
  buf_free(&text);
}

bool lxc_unit(const char *name, char unit[LXC_UNIT_ROOM]) {
  const char *argv[] = {SYSTEMCTL, "is-enabled", "--quiet", "--", unit, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  snprintf(unit, LXC_UNIT_ROOM, "lxc@%s.service", name);
  return tool_run(&t);
}

bool remove_tree(int dir, const char *name, struct pace *p) {
  AUTO_FD fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || (errno == ENOTDIR && !unlinkat(dir, name, 0));
  return remove_all(fd, p) && !unlinkat(dir, name, AT_REMOVEDIR);
}

bool put_file(int dir, const char *name, const void *p, size_t n, mode_t mode) {
  char fresh[300];
  snprintf(fresh, sizeof fresh, "%s.new", name);
  if (unlinkat(dir, fresh, 0) && errno != ENOENT) return false;
  AUTO_FD fd = openat(dir, fresh, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd >= 0 && write_whole(fd, p, n) && !fchmod(fd, mode) && !fsync(fd) && !renameat(dir, fresh, dir, name) && !fsync(dir);
}
