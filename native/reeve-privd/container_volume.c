/* Folders of the host that a container gets: reached without following a link, and so that nobody but root can put something else in their place later. */
#include "container.h"
#include "vhost.h"

static uint16_t refused(struct call *c, const char *path, const char *rule, const char *remedy) { return fail(c, REEVE_E_CONTAINER_PLACE, "value", path, "rule", rule, "remedy", remedy, NULL); }

/* Folders that no policy opens: those of the system, of its programs and of Reeve itself. */
static bool closed(const char *path) {
  static const char *const more[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/cache", "/var/tmp", "/tmp", "/home/.reeve-trash", NULL};
  if (vhost_folder_closed(path)) return true;
  for (const char *const *at = more; *at; at++) if (paths_meet(path, *at)) return true;
  return false;
}

/* The container looks the path up again at every start: whoever could rename a part of it could lead it elsewhere. */
static bool only_root_alters(int fd) {
  struct stat st;
  return !fstat(fd, &st) && S_ISDIR(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 022);
}

static int make_folder(int at, const char *part, bool last, uint32_t owner) {
  if (mkdirat(at, part, 0700)) return -1;
  int fd = open_beneath(at, part, O_RDONLY | O_DIRECTORY, 0);
  if (fd >= 0 && !fchown(fd, last ? owner : 0, last ? owner : 0) && !fchmod(fd, last ? 0750 : 0755) && !fsync(fd) && !fsync(at)) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static uint16_t check_folder(struct call *c, const char *path, uint32_t owner, bool make) {
  char copy[1100], *rest = copy + 1;
  if (closed(path)) return refused(c, path, "no folder in or around those of the system, of its programs and of Reeve is given", "Choose one below /srv.");
  snprintf(copy, sizeof copy, "%s", path);
  int at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  uint16_t status = at < 0 ? io_failed(c, "a folder cannot be opened") : REEVE_OK;
  for (char *part; !status && (part = strsep(&rest, "/"));) {
    AUTO_FD above = at;
    at = -1;
    if (!only_root_alters(above)) return refused(c, path, "others than root can put something else into its place", "Choose a folder whose parents belong to root and are writable by nobody else.");
    int fd = open_beneath(above, part, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && !make) return REEVE_OK;
    if (fd < 0 && errno == ENOENT) fd = make_folder(above, part, !rest, owner);
    at = fd;
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) status = refused(c, path, "a part of it is no folder, or a link", "Name the folder itself.");
    else if (fd < 0) status = io_failed(c, "a folder of a volume cannot be made");
  }
  if (at >= 0) close(at);
  return status;
}

/* As for a folder: its parents are root's. */
static uint16_t check_socket(struct call *c, const char *path) {
  static const char *const never[] = {"/run/reeve/", "/run/reeved/", "/run/systemd/", "/run/dbus/", "/var/run/", "/proc/", "/dev/", "/sys/", NULL};
  char copy[1100], *rest = copy + 1;
  if (has_listed_prefix(never, path)) return refused(c, path, "sockets of Reeve, systemd and D-Bus are never given", "Leave it out.");
  snprintf(copy, sizeof copy, "%s", path);
  int at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (char *part; at >= 0 && (part = strsep(&rest, "/"));) {
    AUTO_FD above = at;
    if (!only_root_alters(above)) return refused(c, path, "others than root can put something else into its place", "Choose a socket in a folder that belongs to root and is writable by nobody else.");
    at = rest ? open_beneath(above, part, O_RDONLY | O_DIRECTORY, 0) : -1;
    if (!rest) return REEVE_OK;
  }
  return io_failed(c, "the folder of a socket cannot be opened");
}

uint16_t container_volumes(struct call *c, const struct container *k, bool make) {
  uint16_t status = REEVE_OK;
  for (size_t i = 0; !status && i < k->spec.volumes.n; i++) {
    const char *folder = k->spec.volumes.items[i].folder;
    status = container_is_socket(folder) ? check_socket(c, folder) : check_folder(c, folder, container_root(k), make);
  }
  return status;
}
