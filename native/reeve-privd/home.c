/* Homes: /home/NAME only, reached without following a link, moved to a root-only folder on the same file system, never deleted. */
#include "reeve.h"
#include <linux/openat2.h>
#include <sys/syscall.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1u
#endif

static uint16_t unsafe(struct call *c, const char *name, const char *rule) {
  char path[64];
  snprintf(path, sizeof path, "/home%s%s", *name ? "/" : "", name);
  return fail(c, REEVE_E_PATH_UNSAFE, "value", path, "rule", rule, NULL);
}

/* /home as a folder that only root writes. */
static uint16_t open_base(struct call *c, int *base) {
  struct stat st;
  *base = open_under("/", "home", O_RDONLY | O_DIRECTORY);
  if (*base < 0) return unsafe(c, "", "it is not a plain folder");
  if (fstat(*base, &st) || st.st_uid != 0 || st.st_mode & 022) return unsafe(c, "", "others than root can write it");
  return REEVE_OK;
}

/* OK when nothing of that name is in /home. */
uint16_t home_free(struct call *c, const char *name) {
  struct stat st;
  char path[64];
  AUTO_FD base = -1;
  uint16_t status = open_base(c, &base);
  if (status || (fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)) return status;
  snprintf(path, sizeof path, "/home/%s", name);
  return fail(c, REEVE_E_HOME_TAKEN, "value", path, NULL);
}

static uint16_t open_trash(struct call *c, int base, const struct stat *home, int *trash) {
  struct stat st;
  if (mkdirat(base, ".reeve-trash", 0700) && errno != EEXIST) return io_failed(c, "the trash folder cannot be made");
  *trash = open_beneath(base, ".reeve-trash", O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
  if (*trash < 0) return unsafe(c, ".reeve-trash", "it is not a plain folder");
  if (!fstat(*trash, &st) && st.st_uid == 0 && (st.st_mode & 07777) == 0700 && st.st_dev == home->st_dev) return REEVE_OK;
  return unsafe(c, ".reeve-trash", "it must be root's, of mode 0700, on the file system of the homes");
}

/* Moves what was verified, and proves that it was that. `entry` is NAME.<operation id>, and gets a number when that is taken. */
static uint16_t move(struct call *c, int base, int trash, const char *name, const struct stat *home, char *entry, size_t room) {
  struct stat st;
  size_t n = strlen(entry);
  int moved = -1;
  for (int i = 0; i < 10 && moved < 0; i++) {
    if (i > 0) snprintf(entry + n, room - n, ".%d", i);
    moved = (int)syscall(SYS_renameat2, base, name, trash, entry, RENAME_NOREPLACE);
    if (moved < 0 && errno != EEXIST) break;
  }
  if (moved < 0) return io_failed(c, "a home cannot be moved to the trash");
  if (!fstatat(trash, entry, &st, AT_SYMLINK_NOFOLLOW) && st.st_ino == home->st_ino && st.st_dev == home->st_dev && S_ISDIR(st.st_mode))
    return fsync(trash) || fsync(base) ? io_failed(c, "the move of a home cannot be made durable") : REEVE_OK;
  (void)syscall(SYS_renameat2, trash, entry, base, name, RENAME_NOREPLACE);
  return unsafe(c, name, "it was exchanged while it was moved");
}

/* /home/NAME into /home/.reeve-trash as NAME.<operation id>; `entry` becomes empty when there is no home. A half-made one may
 * still belong to root. */
uint16_t home_to_trash(struct call *c, const char *name, uint32_t uid, bool half_made, char *entry, size_t room) {
  struct stat st;
  char op[2 * OP_BYTES + 1];
  AUTO_FD base = -1;
  AUTO_FD trash = -1;
  hex(op, c->op, OP_BYTES);
  snprintf(entry, room, "%s.%s", name, op);
  uint16_t status = open_base(c, &base);
  if (status) return status;
  AUTO_FD fd = open_beneath(base, name, O_PATH | O_NOFOLLOW, RESOLVE_NO_XDEV);
  if (fd < 0 && errno != ENOENT) return unsafe(c, name, errno == EXDEV ? "it is a mount point" : "it cannot be opened");
  if (fd < 0) {  /* nothing there, unless an interrupted call with this operation id has already moved it */
    trash = open_beneath(base, ".reeve-trash", O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
    if (trash < 0 || fstatat(trash, entry, &st, AT_SYMLINK_NOFOLLOW)) entry[0] = 0;
    return REEVE_OK;
  }
  if (fstat(fd, &st)) return io_failed(c, "a home cannot be read");
  if (S_ISLNK(st.st_mode)) return unsafe(c, name, "it is a symbolic link");
  if (!S_ISDIR(st.st_mode)) return unsafe(c, name, "it is not a folder");
  if (st.st_uid != uid && !(half_made && st.st_uid == 0)) return unsafe(c, name, "it does not belong to the user");
  status = open_trash(c, base, &st, &trash);
  return status ? status : move(c, base, trash, name, &st, entry, room);
}
