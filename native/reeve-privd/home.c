/* Homes: /home/NAME only, reached without following a link, moved to a root-only folder on the same file system, never deleted. */
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  *base = root < 0 ? -1 : open_beneath(root, "home", O_RDONLY | O_DIRECTORY, 0);
  if (root >= 0) close(root);
  if (*base < 0) return unsafe(c, "", "it is not a plain folder");
  if (!fstat(*base, &st) && st.st_uid == 0 && !(st.st_mode & 022)) return REEVE_OK;
  close(*base);
  return unsafe(c, "", "others than root can write it");
}

/* OK when nothing of that name is in /home. */
uint16_t home_free(struct call *c, const char *name) {
  struct stat st;
  int base;
  uint16_t status = open_base(c, &base);
  if (status) return status;
  bool taken = !fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW);
  int problem = errno;
  close(base);
  if (!taken && problem == ENOENT) return REEVE_OK;
  char path[64];
  snprintf(path, sizeof path, "/home/%s", name);
  return fail(c, REEVE_E_HOME_TAKEN, "value", path, NULL);
}

static uint16_t open_trash(struct call *c, int base, const struct stat *home, int *trash) {
  struct stat st;
  if (mkdirat(base, ".reeve-trash", 0700) && errno != EEXIST) return io_failed(c, "the trash folder cannot be made");
  *trash = open_beneath(base, ".reeve-trash", O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
  if (*trash < 0) return unsafe(c, ".reeve-trash", "it is not a plain folder");
  if (!fstat(*trash, &st) && st.st_uid == 0 && (st.st_mode & 07777) == 0700 && st.st_dev == home->st_dev) return REEVE_OK;
  close(*trash);
  return unsafe(c, ".reeve-trash", "it must be root's, of mode 0700, on the file system of the homes");
}

/* Moves what was verified, and proves that it was that. */
static uint16_t move(struct call *c, int base, int trash, const char *name, const struct stat *home, char *entry, size_t room) {
  char op[2 * OP_BYTES + 1];
  struct stat st;
  hex(op, c->op, OP_BYTES);
  for (int i = 0; i < 10; i++) {
    if (i == 0) snprintf(entry, room, "%s.%s", name, op);
    else snprintf(entry, room, "%s.%s.%d", name, op, i);
    if (!syscall(SYS_renameat2, base, name, trash, entry, RENAME_NOREPLACE)) {
      if (!fstatat(trash, entry, &st, AT_SYMLINK_NOFOLLOW) && st.st_ino == home->st_ino && st.st_dev == home->st_dev && S_ISDIR(st.st_mode)) {
        return fsync(trash) || fsync(base) ? io_failed(c, "the move of a home cannot be made durable") : REEVE_OK;
      }
      (void)syscall(SYS_renameat2, trash, entry, base, name, RENAME_NOREPLACE);
      entry[0] = 0;
      return unsafe(c, name, "it was exchanged while it was moved");
    }
    if (errno != EEXIST) break;
  }
  entry[0] = 0;
  return io_failed(c, "a home cannot be moved to the trash");
}

/* Nothing there: looks for what an interrupted call with this operation id has already moved. */
static void moved_before(struct call *c, int base, const char *name, char *entry, size_t room) {
  char op[2 * OP_BYTES + 1];
  struct stat st;
  int trash = open_beneath(base, ".reeve-trash", O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
  hex(op, c->op, OP_BYTES);
  snprintf(entry, room, "%s.%s", name, op);
  if (trash < 0 || fstatat(trash, entry, &st, AT_SYMLINK_NOFOLLOW)) entry[0] = 0;
  if (trash >= 0) close(trash);
}

/* /home/NAME into /home/.reeve-trash as NAME.<operation id>; `entry` stays empty when there is no home. A half-made one may
 * still belong to root. */
uint16_t home_to_trash(struct call *c, const char *name, uint32_t uid, bool half_made, char *entry, size_t room) {
  struct stat st;
  int base, trash = -1;
  entry[0] = 0;
  uint16_t status = open_base(c, &base);
  if (status) return status;
  int fd = open_beneath(base, name, O_PATH | O_NOFOLLOW, RESOLVE_NO_XDEV);
  if (fd < 0) {
    if (errno == ENOENT) moved_before(c, base, name, entry, room);
    else status = unsafe(c, name, errno == EXDEV ? "it is a mount point" : "it cannot be opened");
    close(base);
    return status;
  }
  if (fstat(fd, &st)) status = io_failed(c, "a home cannot be read");
  else if (S_ISLNK(st.st_mode)) status = unsafe(c, name, "it is a symbolic link");
  else if (!S_ISDIR(st.st_mode)) status = unsafe(c, name, "it is not a folder");
  else if (st.st_uid != uid && !(half_made && st.st_uid == 0)) status = unsafe(c, name, "it does not belong to the user");
  else status = open_trash(c, base, &st, &trash);
  if (!status) {
    status = move(c, base, trash, name, &st, entry, room);
    close(trash);
  }
  close(fd);
  close(base);
  return status;
}
