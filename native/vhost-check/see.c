/* What the test sees: the sets of files as they would be, nothing that it writes to, and no rights but to read. */
#include "check.h"
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FOLDERS_MAX 64u
#define NOBODY 65534u

/* Folders that the configuration writes to. */
struct folders { char *paths[FOLDERS_MAX]; size_t n; };

static bool never(const char *path) {
  static const char *const kept[] = {"/", "/etc", NGINX_DIR, VHOST_DIR, NGINX_INCLUDES, "/usr", "/usr/sbin", "/usr/lib", "/usr/share", "/var", "/var/lib", "/proc", "/dev", "/etc/ssl", CERT_DIR, NULL};
  return is_listed(kept, path);
}

/* The folder of a path, if it is there and not below one that is known. */
static void add(struct folders *f, const char *path) {
  char folder[512];
  struct stat st;
  const char *slash = strrchr(path, '/');
  size_t n = strcspn(path, "$");
  if (path[0] != '/' || n >= sizeof folder || !slash) return;
  snprintf(folder, sizeof folder, "%.*s", (int)n, path);
  slash = strrchr(folder, '/');
  folder[slash == folder ? 1 : slash - folder] = 0;
  if (never(folder) || stat(folder, &st) || !S_ISDIR(st.st_mode) || f->n == FOLDERS_MAX) return;
  for (size_t i = 0; i < f->n; i++) {
    size_t known = strlen(f->paths[i]);
    if (!strncmp(folder, f->paths[i], known) && (folder[known] == 0 || folder[known] == '/')) return;
  }
  char *copy = strdup(folder);
  if (copy) f->paths[f->n++] = copy;
}

static void meet(void *data, const struct nginx_at *at) {
  static const char *const writing[] = {"error_log", "access_log", "pid", "lock_file", "client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path", "proxy_cache_path",
    "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path", "proxy_store", NULL};
  if (at->kind == NGINX_SIMPLE && at->nwords > 1 && is_listed(writing, at->words[0])) add(data, at->words[1]);
}

static bool failed(char why[200], const char *what) {
  snprintf(why, 200, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return false;
}

static bool empty_folder(const char *path) { return !mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=16m"); }

static bool bind_fd(int fd, const char *path) {
  char source[32];
  snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
  return !mount(source, path, NULL, MS_BIND, NULL);
}

/* The folder of sites holds only what is to be tested, under the name that it will have. */
static bool show_set(const char *set) {
  char path[128];
  if (!*set) return true;
  snprintf(path, sizeof path, VHOST_DIR "/%s", set);
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  return fd >= 0 && empty_folder(VHOST_DIR) && !mkdir(VHOST_CURRENT, 0755) && bind_fd(fd, VHOST_CURRENT);
}

/* The include line, where it is not there yet: the folder that it will be in, with the files that are there. */
static bool show_include(const char *set) {
  static const char line[] = "include " VHOST_CURRENT "/*.conf;\n";
  if (!*set || !access(NGINX_INCLUDES "/" VHOST_INCLUDE, F_OK)) return true;
  int old = open(NGINX_INCLUDES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct dirent **names = NULL;
  int n = old < 0 ? -1 : scandirat(old, ".", &names, NULL, alphasort);
  if (n < 0 || !empty_folder(NGINX_INCLUDES)) return false;
  for (int i = 0; i < n; i++) {
    char path[512];
    if (names[i]->d_name[0] == '.') continue;
    snprintf(path, sizeof path, NGINX_INCLUDES "/%s", names[i]->d_name);
    int file = openat(old, names[i]->d_name, O_PATH | O_CLOEXEC), made = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || made < 0 || !bind_fd(file, path)) return false;
    close(file);
    close(made);
  }
  int fd = open(NGINX_INCLUDES "/" VHOST_INCLUDE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  return fd >= 0 && write(fd, line, sizeof line - 1) == (ssize_t)(sizeof line - 1);
}

static void set_number(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) (void)!write(fd, text, strlen(text));
  if (fd >= 0) close(fd);
}

/* In this network only: ports below 1024, and addresses that the host has and this network does not. */
static void allow_places(void) {
  set_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  set_number("/proc/sys/net/ipv4/ip_nonlocal_bind", "1");
  set_number("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
}

/* Somebody who owns nothing, and reads everything. */
static bool become_reader(void) {
  uint32_t keep = 1u << CAP_DAC_READ_SEARCH | 1u << CAP_NET_BIND_SERVICE;
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct caps[2] = {{keep, keep, keep}, {0, 0, 0}};
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setgroups, 0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) return false;
  if (syscall(SYS_capset, &head, caps)) return false;
  return !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) && !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

bool see_less(const struct test *t, char why[200]) {
  struct folders folders = {0};
  struct nginx_walk walk = {.meet = meet, .data = &folders};
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return failed(why, "this machine gives the test no mounts of its own");
  if (!show_set(t->set) || !show_include(t->set)) return failed(why, "the set cannot be shown to the test");
  for (size_t i = 0; i < t->nmasked; i++) if (mount("/dev/null", t->masked[i], NULL, MS_BIND, NULL) && errno != ENOENT) return failed(why, "a file cannot be hidden from the test");
  add(&folders, "/run/nginx.pid");
  add(&folders, "/var/log/nginx/error.log");
  add(&folders, "/var/lib/nginx/body");
  nginx_walk(&walk);
  for (size_t i = 0; i < folders.n; i++) if (!empty_folder(folders.paths[i])) return failed(why, "a folder cannot be kept from the test");
  allow_places();
  return become_reader() || failed(why, "the test cannot give its rights up");
}
