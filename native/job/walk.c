/* Trees of any size: walked with one open folder at a time, and removed with a few. */
#include "tree.h"
#include <dirent.h>

#define PENDING_MOST (1u << 30)          /* paths of folders that are still to be read */
#define DEEP 24                          /* descriptors that a removal has open at a time */

uint64_t walk_unread;

static bool unread(const char *path, const char *text) {
  walk_unread++;
  return put_problem(path, text);
}

static bool is_dot(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

static bool is_folder(int dir, const struct dirent *e) {
  struct stat st;
  if (e->d_type != DT_UNKNOWN) return e->d_type == DT_DIR;
  return !fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

static DIR *open_folder(int root, const char *path) {
  int fd = *path ? open_in(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (!d) end_fd(&fd);
  return d;
}

/* One folder; `path` has its path, n bytes. */
static bool walk_folder(DIR *d, char path[PATH_ROOM], size_t n, struct buf *pending, walk_fn *each, void *data) {
  const struct dirent *e;
  size_t base = n;
  if (n) path[base++] = '/';
  while ((errno = 0, e = readdir(d))) {
    size_t room = strlen(e->d_name) + 1;
    if (is_dot(e->d_name)) continue;
    if (base + room > PATH_ROOM) {
      path[n] = 0;
      if (!unread(path, "a path below it is too long")) return false;
      continue;
    }
    memcpy(path + base, e->d_name, room);
    struct place at = {.dir = dirfd(d), .name = path + base, .path = path, .folder = is_folder(dirfd(d), e)};
    if (!each(&at, data)) return false;
    if (at.folder) buf_put(pending, path, base + room);
  }
  path[n] = 0;
  return !errno || unread(path, "the folder cannot be read to its end");
}

/* Takes the last path. */
static size_t take(struct buf *pending, char path[PATH_ROOM]) {
  size_t from = pending->n - 1;
  while (from > 0 && pending->p[from - 1]) from--;
  size_t n = pending->n - from;
  memcpy(path, pending->p + from, n);
  pending->n = from;
  return n - 1;
}

bool walk(int root, walk_fn *each, void *data) {
  char path[PATH_ROOM];
  struct buf pending;
  bool on = true;
  buf_init(&pending, PENDING_MOST);
  buf_put(&pending, "", 1);
  while (on && pending.n && !pending.full) {
    size_t n = take(&pending, path);
    DIR *d = open_folder(root, path);
    if (d) {
      on = walk_folder(d, path, n, &pending, each, data);
      closedir(d);
    } else on = unread(path, "the folder cannot be read");
  }
  if (pending.full) on = unread("", "there are too many folders");
  buf_free(&pending);
  return on;
}

static bool gone(void) {
  errno = EPIPE;
  return false;
}

/* Moves a folder up to where the removal began: it comes to that by and by, and no depth is too much. */
static bool lift(int dir, const char *name, int top) {
  static uint64_t number;
  for (;;) {
    char up[32];
    snprintf(up, sizeof up, "deep-%llu", (unsigned long long)number++);
    if (!renameat2(dir, name, top, up, RENAME_NOREPLACE)) return true;
    if (errno != EEXIST) return false;
  }
}

static int open_owned(int dir, const char *name) {
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  if (fd < 0 && errno == EACCES && !fchmodat(dir, name, 0700, 0)) fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && !fstat(fd, &st) && (st.st_mode & 0700) != 0700) (void)fchmod(fd, 0700);
  return fd;
}

static bool remove_folder(int folder, int top, int depth, struct pace *p);

static bool remove_entry(int dir, const struct dirent *e, int top, int depth, struct pace *p) {
  p->files++;
  if (!pace_step(p)) return gone();
  if (!is_folder(dir, e)) return !unlinkat(dir, e->d_name, 0) || errno == ENOENT;
  if (!unlinkat(dir, e->d_name, AT_REMOVEDIR)) return true;
  AUTO_FD fd = open_owned(dir, e->d_name);
  if (fd < 0) return errno == ENOENT;
  if (depth == DEEP) return lift(dir, e->d_name, top);
  return remove_folder(fd, top, depth + 1, p) && !unlinkat(dir, e->d_name, AT_REMOVEDIR);
}

/* Until a look at it finds nothing: what was removed or lifted meanwhile moves the rest about on some file systems. */
static bool remove_folder(int folder, int top, int depth, struct pace *p) {
  DIR *d = open_folder(folder, "");
  bool found = true, ok = d != NULL;
  while (ok && found) {
    const struct dirent *e;
    found = false;
    rewinddir(d);
    while (ok && (errno = 0, e = readdir(d))) {
      if (is_dot(e->d_name)) continue;
      found = true;
      ok = remove_entry(dirfd(d), e, top, depth, p);
    }
    ok = ok && !errno;
  }
  int problem = errno;
  if (d) closedir(d);
  errno = problem;
  return ok;
}

bool remove_all(int folder, struct pace *p) { return remove_folder(folder, folder, 0, p); }
