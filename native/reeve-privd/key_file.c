/* Managed key files: /etc/ssh/reeve-keys.d/NAME, and below the state folder which of them are ours. */
#include "reeve.h"

#define TEMPORARY ".new"

static uint16_t unsafe(struct call *c, const char *path, const char *rule) { return fail(c, REEVE_E_PATH_UNSAFE, "value", path, "rule", rule, NULL); }

static uint16_t file_unsafe(struct call *c, const char *name, const char *rule) {
  char path[sizeof KEY_FOLDER + NAME_MAX_LEN + 2];
  snprintf(path, sizeof path, KEY_FOLDER "/%s", name);
  return unsafe(c, path, rule);
}

uint16_t key_foreign(struct call *c, const char *name) {
  char path[sizeof KEY_FOLDER + NAME_MAX_LEN + 2];
  snprintf(path, sizeof path, KEY_FOLDER "/%s", name);
  return fail(c, REEVE_E_KEY_FILE_FOREIGN, "value", path, NULL);
}

static uint16_t check_folder(struct call *c, int fd, const char *path) {
  struct stat st;
  if (fstat(fd, &st)) return io_failed(c, "a folder of sshd cannot be read");
  return st.st_uid != 0 || st.st_mode & 022 ? unsafe(c, path, "others than root can write it") : REEVE_OK;
}

/* The folder, which only root writes; made where that is wanted, else -1 when there is none. */
uint16_t key_folder(struct call *c, bool make, int *dir) {
  const char *base = strrchr(KEY_FOLDER, '/') + 1;
  AUTO_FD ssh = open_under("/", "etc/ssh", O_RDONLY | O_DIRECTORY);
  *dir = -1;
  if (ssh < 0 && errno == ENOENT) return make ? fail(c, REEVE_E_SSHD_ABSENT, "rule", "there is no folder /etc/ssh", NULL) : REEVE_OK;
  if (ssh < 0) return unsafe(c, "/etc/ssh", "it is not a plain folder");
  uint16_t status = check_folder(c, ssh, "/etc/ssh");
  if (status) return status;
  bool made = make && !mkdirat(ssh, base, 0700);
  *dir = open_beneath(ssh, base, O_RDONLY | O_DIRECTORY, 0);
  if (*dir < 0 && errno == ENOENT && !make) return REEVE_OK;
  if (*dir < 0) return unsafe(c, KEY_FOLDER, "it is not a plain folder");
  if (made && (fchmod(*dir, 0755) || fsync(ssh))) return io_failed(c, "the folder of key files cannot be made");
  FAILPOINT("key.folder");
  return check_folder(c, *dir, KEY_FOLDER);
}

static uint16_t no_store(struct call *c) { return io_failed(c, "the marker store cannot be opened"); }

uint16_t key_marked(struct call *c, const char *name, bool *marked) {
  struct stat st;
  AUTO_FD dir = state_folder("owned/key");
  if (dir < 0) return no_store(c);
  *marked = !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
  return *marked || errno == ENOENT ? REEVE_OK : io_failed(c, "a marker cannot be read");
}

uint16_t key_mark(struct call *c, const char *name) {
  AUTO_FD dir = state_folder("owned/key");
  if (dir < 0) return no_store(c);
  AUTO_FD fd = open_beneath(dir, name, O_WRONLY | O_CREAT, 0);
  return fd >= 0 && !fsync(fd) && !fsync(dir) ? REEVE_OK : io_failed(c, "a marker cannot be written");
}

uint16_t key_unmark(struct call *c, const char *name) {
  AUTO_FD dir = state_folder("owned/key");
  if (dir < 0) return no_store(c);
  bool ok = (!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir);
  return ok ? REEVE_OK : io_failed(c, "a marker cannot be removed");
}

/* A key file; `text` becomes NULL when there is none, or it is in no folder. */
uint16_t key_read(struct call *c, int dir, const char *name, char **text, size_t *n) {
  struct stat st;
  *text = NULL;
  *n = 0;
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 && (dir < 0 || errno == ENOENT)) return REEVE_OK;
  if (fd < 0 && errno == ELOOP) return file_unsafe(c, name, "it is a symbolic link");
  if (fd < 0 || fstat(fd, &st)) return io_failed(c, "a key file cannot be read");
  if (!S_ISREG(st.st_mode) || st.st_nlink != 1) return file_unsafe(c, name, "it is not a regular file with one name");
  *text = read_open(fd, KEY_FILE_MAX, n);
  return *text ? REEVE_OK : io_failed(c, "a key file cannot be read");
}

static bool is_written(int dir, const char *name, const char *text, size_t n) {
  struct stat st;
  size_t now;
  AUTO_FD fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_gid != 0 || (st.st_mode & 07777) != 0644) return false;
  AUTO_TEXT is = read_open(fd, KEY_FILE_MAX, &now);
  return is && now == n && !memcmp(is, text, n);
}

/* Temporary file, fsync, rename, fsync of the folder; nothing of that when the file is so already. */
uint16_t key_write(struct call *c, int dir, const char *name, const char *text, size_t n) {
  if (is_written(dir, name, text, n)) return REEVE_OK;
  (void)unlinkat(dir, TEMPORARY, 0);
  AUTO_FD fd = open_beneath(dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0);
  bool ok = fd >= 0 && write_whole(fd, text, n) && !fchmod(fd, 0644) && !fsync(fd);
  FAILPOINT("key.written");
  ok = ok && !renameat(dir, TEMPORARY, dir, name);
  FAILPOINT("key.renamed");
  if (ok && !fsync(dir)) return REEVE_OK;
  uint16_t status = io_failed(c, "a key file cannot be written");
  (void)unlinkat(dir, TEMPORARY, 0);
  return status;
}
