/* Each file once, however many names it has: what it is goes into its attribute, then it is given away. A link or device cannot be given away, so a file takes its
 * place. In between a crash may come anywhere: an attribute is written before what it says is lost, and what is already ours is left as it is. */
#include "convert.h"
#include "convert_attr.h"
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define FRESH "new"
#define NAMED "named"

int convert_open(int dir, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static bool failed(struct convert *c, const char *path, const char *what) {
  const char *word = error_word();
  snprintf(c->problem, sizeof c->problem, "%s: \"%.200s\" (%s)", what, path, word);
  return false;
}

/* By the descriptor that says what it is, so that it is this very file. */
static int open_again(int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_ours(const struct stat *st) { return st->st_uid == job.store_uid && st->st_gid == job.store_gid; }

/* As rsync keeps a file that is not its own. */
static mode_t stored_mode(mode_t mode) { return (mode & 0777) | (S_ISDIR(mode) ? 0700 : 0600); }

static bool convert_inode(int fd, const struct stat *st) {
  struct entry e;
  entry_of(st, &e);
  bool told = fgetxattr(fd, STAT_ATTR, NULL, 0) > 0;
  if (!is_ours(st) || !told) {
    bool same = is_ours(st) && stored_mode(st->st_mode) == (st->st_mode & 07777);
    if (!attributes_keep(fd) || (!same && !attribute_stat(fd, &e)) || fchown(fd, job.store_uid, job.store_gid)) return false;
  } else if (!entry_read(fd, NULL, st, &e)) return false;
  struct stat now;
  if (S_ISDIR(st->st_mode) && !time_give_back(fd)) return false;
  return !fstat(fd, &now) && ((now.st_mode & 07777) == stored_mode(e.mode) || !fchmod(fd, stored_mode(e.mode)));
}

/* The file that takes the place of a link or device, in the stash. */
static bool make_file(struct convert *c, int old, const struct stat *st) {
  char target[PATH_ROOM];
  struct entry e;
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(old, "", target, sizeof target) : 0;
  entry_of(st, &e);
  if (n < 0 || (unlinkat(c->stash, FRESH, 0) && errno != ENOENT)) return false;
  AUTO_FD fd = openat(c->stash, FRESH, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 || !write_whole(fd, target, (size_t)n) || !attribute_stat(fd, &e)) return false;
  return !fchown(fd, job.store_uid, job.store_gid) && !fchmod(fd, stored_mode(st->st_mode)) && !futimens(fd, times);
}

/* Under the number of the old one: other names of it find it there. */
static bool place_linked(struct convert *c, int dir, const char *name, int old, const struct stat *st, const char *number) {
  if (unlinkat(c->stash, NAMED, 0) && errno != ENOENT) return false;
  bool linked = !linkat(c->stash, number, c->stash, NAMED, 0);
  /* None yet, or it has as many names as the file system allows. */
  if (!linked && (errno == ENOENT || errno == EMLINK)) linked = make_file(c, old, st) && !renameat(c->stash, FRESH, c->stash, number) && !linkat(c->stash, number, c->stash, NAMED, 0);
  return linked && !renameat(c->stash, NAMED, dir, name);
}

static bool place(struct convert *c, int dir, const char *name, int old, const struct stat *st) {
  char number[24];
  snprintf(number, sizeof number, "%llx", (unsigned long long)st->st_ino);
  if (st->st_nlink > 1) return place_linked(c, dir, name, old, st, number);
  if (!renameat(c->stash, number, dir, name)) return true;
  return errno == ENOENT && make_file(c, old, st) && !renameat(c->stash, FRESH, dir, name);
}

static bool convert_one(const struct place *at, void *data) {
  struct convert *c = data;
  struct stat st;
  c->pace.files++;
  if (!pace_step(&c->pace)) return false;
  AUTO_FD fd = convert_open(at->dir, at->name, O_PATH | O_NOFOLLOW);
  if (fd < 0 && errno == EXDEV) return failed(c, at->path, "another file system is mounted in it");
  if (fd < 0 || fstat(fd, &st)) return failed(c, at->path, "it cannot be opened");
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return (time_keep(at->dir) && place(c, at->dir, at->name, fd, &st)) || failed(c, at->path, "a file cannot take its place");
  AUTO_FD file = open_again(fd);
  return (file >= 0 && convert_inode(file, &st)) || failed(c, at->path, "it cannot be given to " STORE_USER);
}

bool convert_tree(struct convert *c, int root) {
  struct stat st;
  pace_begin(&c->pace);
  *c->problem = 0;
  uint64_t unread = walk_unread;
  if (!walk(root, convert_one, c)) return false;
  errno = EIO;
  if (unread != walk_unread) return failed(c, "", "a folder in it cannot be read");
  return (!fstat(root, &st) && convert_inode(root, &st)) || failed(c, "", "it cannot be given to " STORE_USER);
}

static bool count_one(const struct place *at, void *data) {
  struct convert *c = data;
  struct stat st;
  struct entry e;
  if (!pace_step(&c->pace)) return false;
  if (fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW)) return failed(c, at->path, "it went away");
  errno = EBUSY;
  if (!is_ours(&st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) return failed(c, at->path, "somebody else works on it");
  if (!entry_read(at->dir, at->name, &st, &e)) return failed(c, at->path, "it was not converted");
  c->files++;
  if (S_ISREG(e.mode)) c->bytes += e.size;
  if (!at->folder) return true;
  AUTO_FD folder = convert_open(at->dir, at->name, O_RDONLY | O_DIRECTORY);
  return (folder >= 0 && time_give_back(folder)) || failed(c, at->path, "its time cannot be given back");
}

bool convert_count(struct convert *c, int root) {
  c->files = c->bytes = 0;
  return walk(root, count_one, c);
}
