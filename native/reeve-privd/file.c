/* Files and folders: opened without following links, read whole and bounded, closed at the end of their block. */
#include "reeve.h"

uint16_t io_failed(struct call *c, const char *what) {
  char text[160];
  snprintf(text, sizeof text, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return fail(c, REEVE_E_IO_FAILED, "rule", text, NULL);
}

int open_under(const char *base, const char *path, int flags) {
  AUTO_FD dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return dir < 0 ? -1 : open_beneath(dir, path, flags, 0);
}

/* A folder below the state folder; the state folder itself was checked at start. */
int state_folder(const char *path) { return open_under(config.state, path, O_RDONLY | O_DIRECTORY); }

static bool private_folder(const char *path) {
  struct stat st;
  if (mkdir(path, 0700) && errno != EEXIST) return false;
  return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

/* Makes the folders; false (and a line in the log) when one of them is not ours alone. */
bool state_prepare(void) {
  static const char *const folders[] = {"", "/owned", "/owned/user", "/owned/key", "/owned/cert", "/cert", "/undo", "/pending", "/nat", "/vhost", "/sshd-check", "/vhost-check", "/cert-reload", "/job", "/container", "/container-job", "/unit-job", "/audit", NULL};
  for (const char *const *f = folders; *f; f++) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", config.state, *f);
    if (private_folder(path)) continue;
    log_line("state folder \"%s\" cannot be used: it must be a folder that only root writes", *f);
    return false;
  }
  return true;
}
