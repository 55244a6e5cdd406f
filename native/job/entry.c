/* How a file is, as rsync --fake-super writes it: the attribute says owner, mode, type and device where the file itself cannot. Symbolic links are files with
 * what they point at as content; devices, fifos and sockets are empty files. */
#include "tree.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

void entry_of(const struct stat *st, struct entry *out) {
  bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
  *out = (struct entry){.mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
    .major = device ? major(st->st_rdev) : 0, .minor = device ? minor(st->st_rdev) : 0,
    .size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (uint64_t)st->st_size : 0,
    .modified_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000};
}

static bool next_number(const char **at, unsigned base, char end, uint32_t *out) {
  const char *s = *at;
  uint64_t v = 0;
  if (*s == end) return false;
  for (; *s != end; s++) {
    unsigned digit = (unsigned)(unsigned char)*s - '0';
    if (digit >= base || (v = v * base + digit) > UINT32_MAX) return false;
  }
  *at = end ? s + 1 : s;
  *out = (uint32_t)v;
  return true;
}

/* "MODE MAJOR,MINOR UID:GID". */
static bool parse(const char *text, struct entry *e) {
  return next_number(&text, 8, ' ', &e->mode) && next_number(&text, 10, ',', &e->major) && next_number(&text, 10, ' ', &e->minor)
    && next_number(&text, 10, ':', &e->uid) && next_number(&text, 10, 0, &e->gid);
}

/* A folder is a folder and everything else is a file; anything else was not written by rsync. */
static bool fits(uint32_t mode, const struct stat *st) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return S_ISDIR(st->st_mode);
    case S_IFREG: case S_IFLNK: case S_IFIFO: case S_IFSOCK: case S_IFCHR: case S_IFBLK: return S_ISREG(st->st_mode);
    default: return false;
  }
}

static bool read_stat(int fd, const struct stat *st, struct entry *out) {
  char text[80];
  ssize_t n = fgetxattr(fd, STAT_ATTR, text, sizeof text - 1);
  if (n < 0) return errno == ENODATA || errno == EOPNOTSUPP;
  struct entry e = *out;
  text[n] = 0;
  if (strlen(text) != (size_t)n || !parse(text, &e) || !fits(e.mode, st)) {
    errno = EINVAL;
    return false;
  }
  if (!S_ISREG(e.mode) && !S_ISLNK(e.mode)) e.size = 0;
  *out = e;
  return true;
}

/* `name` NULL: `dir` is it, opened for reading. */
bool entry_read(int dir, const char *name, const struct stat *st, struct entry *out) {
  entry_of(st, out);
  if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) return true;
  if (!name) return read_stat(dir, st, out);
  AUTO_FD fd = openat(dir, name, READ_FLAGS);
  return fd >= 0 && read_stat(fd, st, out);
}

/* Opens what is in a folder of a snapshot, which has files and folders only; -1 and errno. A link or a device that is there all the same is not opened. */
int entry_open(int dir, const char *name, struct stat *st, struct entry *out) {
  if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW)) return -1;
  entry_of(st, out);
  if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
    errno = EINVAL;
    return -1;
  }
  int fd = openat(dir, name, READ_FLAGS);
  if (fd < 0) return -1;
  if (!fstat(fd, st) && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
    entry_of(st, out);
    if (read_stat(fd, st, out)) return fd;
  } else errno = EINVAL;
  end_fd(&fd);
  return -1;
}

const char *entry_kind(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "char";
    case S_IFBLK: return "block";
    default: return "unknown";
  }
}
