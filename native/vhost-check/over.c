/* What is laid over files and folders in the sandbox, so that nginx sees the new set and writes nothing that stays. */
#include "check.h"
#include <sys/mount.h>

#define NAMES SCRATCH "/hosts"
#define FILE_MOST (1u << 20)

static bool write_file(const char *path, const void *p, size_t n, int flags) {
  AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  return fd >= 0 && !fchmod(fd, 0644) && write_whole(fd, p, n);
}

static bool bind(const char *from, const char *to) { return !mount(from, to, NULL, MS_BIND, NULL); }

/* A copy of the folder of includes that has ours as well. Names of others stay, also of links: what they lead to is copied. */
static bool include_set(void) {
  static const char line[] = "include " VHOST_CURRENT "/*.conf;\n", copies[] = SCRATCH "/conf.d";
  char from[512], to[512];
  struct dirent **names = NULL;
  bool ok = !mkdir(copies, 0755);
  int n = scandir(NGINX_INCLUDES, &names, NULL, NULL);
  for (int i = 0; i < n && ok; i++) {
    size_t bytes = 0;
    snprintf(from, sizeof from, NGINX_INCLUDES "/%s", names[i]->d_name);
    snprintf(to, sizeof to, "%s/%s", copies, names[i]->d_name);
    AUTO_TEXT text = read_whole(from, FILE_MOST, &bytes);
    ok = !text || write_file(to, text, bytes, O_EXCL);
  }
  end_names(names, n < 0 ? 0 : n);
  return ok && n >= 0 && write_file(SCRATCH "/conf.d/" VHOST_INCLUDE, line, sizeof line - 1, O_TRUNC) && bind(copies, NGINX_INCLUDES);
}

static bool is_included(void) {
  AUTO_TEXT text = read_whole(NGINX_INCLUDES "/" VHOST_INCLUDE, FILE_MOST, NULL);
  return text && strstr(text, "\ninclude " VHOST_CURRENT "/*.conf;");
}

/* The set in this folder becomes the one in place. Opened first: it is in the folder that something is laid over. */
bool over_stage(const char *folder) {
  char from[64];
  AUTO_FD staged = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  snprintf(from, sizeof from, "/proc/self/fd/%d", staged);
  if (staged < 0 || mount("reeve-vhost-check", VHOST_DIR, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") || mkdir(VHOST_CURRENT, 0755) || !bind(from, VHOST_CURRENT)) return false;
  return is_included() || include_set();
}

/* As though the file were not there. */
bool over_nothing(const char *path) { return write_file(SCRATCH "/nothing", "", 0, 0) && bind(SCRATCH "/nothing", path); }

/* There is no network, so no name of others is resolved: those that are wanted lead to this machine. */
bool over_names(const char *name) {
  static const char order[] = "passwd: files\ngroup: files\nhosts: files\n";
  char line[300];
  if (name) {
    int n = snprintf(line, sizeof line, "127.0.0.1 %s\n", name);
    return n > 0 && (size_t)n < sizeof line && write_file(NAMES, line, (size_t)n, O_APPEND);
  }
  size_t n = 0;
  AUTO_TEXT text = read_whole("/etc/hosts", FILE_MOST, &n);
  if (!text || access("/etc/nsswitch.conf", F_OK)) return errno == ENOENT;
  bool ok = write_file(NAMES, text, n, O_EXCL) && write_file(NAMES, "\n", 1, O_APPEND) && bind(NAMES, "/etc/hosts");
  return ok && write_file(SCRATCH "/nsswitch.conf", order, sizeof order - 1, O_EXCL) && bind(SCRATCH "/nsswitch.conf", "/etc/nsswitch.conf");
}

/* What is there is seen, what is written stays in the scratch. */
static bool lay_copy(int number, const char *folder) {
  char up[64], work[64], options[PATH_MOST * 2 + 200];
  snprintf(up, sizeof up, SCRATCH "/up%d", number);
  snprintf(work, sizeof work, SCRATCH "/work%d", number);
  if (strpbrk(folder, ",:\\\"") || mkdir(up, 0755) || mkdir(work, 0755)) return false;
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", folder, up, work);
  return !mount("overlay", folder, "overlay", MS_NOSUID | MS_NODEV, options);
}

/* A folder that nginx may write into, without these files of it. nested: it is below one that has been laid over. */
bool over_folder(struct sandbox *s, const char *folder, bool nested, char *const *gone, size_t ngone) {
  char path[PATH_MOST * 2];
  bool ok = nested ? !mkdir(folder, 0755) || errno == EEXIST
    : lay_copy(s->nfolders++, folder) || !mount("reeve-vhost-check", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m");
  for (size_t i = 0; i < ngone && ok; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, gone[i]);
    ok = !unlink(path) || errno == ENOENT;
  }
  return ok && !chown(folder, s->uid, s->gid);
}
