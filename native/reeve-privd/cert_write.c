/* Putting a certificate in place, in one step, and taking one away. */
#include "cert.h"
#include <sys/random.h>

static bool put_file(int folder, const char *name, const void *p, size_t n, gid_t gid, mode_t mode) {
  AUTO_FD fd = open_beneath(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0);
  return fd >= 0 && write_whole(fd, p, n) && !fchown(fd, 0, gid) && !fchmod(fd, mode) && !fsync(fd);
}

static bool take_folder(int dir, const char *folder) {
  static const char *const files[] = {"key.pem", "cert.pem", ".reeve"};
  AUTO_FD fd = open_beneath(dir, folder, O_RDONLY | O_DIRECTORY, 0);
  for (size_t i = 0; fd >= 0 && i < sizeof files / sizeof *files; i++) (void)unlinkat(fd, files[i], 0);
  return !unlinkat(dir, folder, AT_REMOVEDIR);
}

/* A folder of a new generation with all its files, on the disk, to which nothing leads yet. */
uint16_t cert_write(struct call *c, int dir, const char *name, const struct cert_files *f, char folder[CERT_FOLDER_ROOM]) {
  uint8_t random[CERT_GENERATION / 2];
  char generation[CERT_GENERATION + 1], record[4096];
  size_t n = cert_record_format(f->record, record, sizeof record);
  if (n == 0 || getrandom(random, sizeof random, 0) != sizeof random) return io_failed(c, "a certificate cannot be written");
  hex(generation, random, sizeof random);
  snprintf(folder, CERT_FOLDER_ROOM, ".%s.%s", name, generation);
  bool ok = !mkdirat(dir, folder, 0700);
  AUTO_FD fd = ok ? open_beneath(dir, folder, O_RDONLY | O_DIRECTORY, 0) : -1;
  ok = fd >= 0 && put_file(fd, "cert.pem", f->pem, f->npem, 0, 0644) && put_file(fd, ".reeve", record, n, 0, 0600);
  ok = ok && put_file(fd, "key.pem", f->key, f->nkey, f->record->gid, f->record->gid == 0 ? 0600 : 0640);
  ok = ok && !fchmod(fd, 0755) && !fsync(fd) && !fsync(dir);
  FAILPOINT("cert.written");
  if (ok) return REEVE_OK;
  uint16_t status = io_failed(c, "a certificate cannot be written");
  (void)take_folder(dir, folder);
  return status;
}

/* From now on NAME leads to this folder. */
bool cert_point(int dir, const char *name, const char *folder) {
  char temporary[CERT_NAME_MAX + 8];
  snprintf(temporary, sizeof temporary, ".%s.new", name);
  (void)unlinkat(dir, temporary, 0);
  bool ok = !symlinkat(folder, dir, temporary) && !renameat(dir, temporary, dir, name) && !fsync(dir);
  FAILPOINT("cert.swapped");
  int problem = errno;
  if (!ok) (void)unlinkat(dir, temporary, 0);
  errno = problem;
  return ok;
}

uint16_t cert_swap(struct call *c, int dir, const char *name, const char *folder) {
  return cert_point(dir, name, folder) ? REEVE_OK : io_failed(c, "a certificate cannot be put in place");
}

/* Takes away all generations of a certificate but one; NULL: all. What somebody put beside them stays. */
void cert_sweep(int dir, const char *name, const char *keep) {
  struct dirent **entries = NULL;
  int n = scandirat(dir, ".", &entries, NULL, NULL);
  for (int i = 0; i < n; i++) {
    const char *entry = entries[i]->d_name;
    if (!cert_is_folder(entry, name) || (keep && !strcmp(entry, keep))) continue;
    if (!take_folder(dir, entry)) log_line("a folder of certificate %s could not be removed", name);
  }
  end_names(entries, n);
  FAILPOINT("cert.swept");
}

/* Nothing leads to it any more. */
uint16_t cert_unlink(struct call *c, int dir, const char *name) {
  bool ok = dir < 0 || ((!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir));
  FAILPOINT("cert.unlinked");
  return ok ? REEVE_OK : io_failed(c, "a certificate cannot be removed");
}

/* Its folder is like one that anybody made. */
bool cert_leave(int dir, const char *folder) {
  AUTO_FD fd = open_beneath(dir, folder, O_RDONLY | O_DIRECTORY, 0);
  return fd < 0 ? errno == ENOENT : (!unlinkat(fd, ".reeve", 0) || errno == ENOENT) && !fsync(fd);
}
