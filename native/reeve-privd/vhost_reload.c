/* nginx as it runs: which one it is, its master process, and a reload whose end is known. */
#include "vhost_set.h"
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define RELOAD_MS 15000
#define LOOK_MS 5
#define WORKERS_MAX 512

/* From the text that the program prints as its version: it is not started for that. */
bool nginx_version(char out[32]) {
  static const char mark[] = "nginx version: nginx/";
  struct stat st;
  AUTO_FD fd = open(NGINX, O_RDONLY | O_CLOEXEC);
  out[0] = 0;
  if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof mark) return false;
  void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED) return false;
  const char *at = memmem(map, (size_t)st.st_size, mark, sizeof mark - 1);
  const char *from = at ? at + sizeof mark - 1 : NULL, *end = (const char *)map + st.st_size;
  size_t n = 0;
  while (from && n < 31 && from + n < end && ((from[n] >= '0' && from[n] <= '9') || from[n] == '.')) n++;
  snprintf(out, 32, "%.*s", (int)n, from ? from : "");
  munmap(map, (size_t)st.st_size);
  return true;
}

static bool small_text(const char *path, char *out, size_t room) {
  AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);
  out[n > 0 ? n : 0] = 0;
  return n > 0;
}

/* The process that the file names, if it is nginx's master, of root, in the unit of nginx. */
pid_t nginx_master(void) {
  char text[2048], path[64];
  uint64_t pid;
  if (!small_text(NGINX_PID, text, sizeof text) || !parse_number(text, strcspn(text, "\n"), INT32_MAX, &pid) || pid < 2) return 0;
  snprintf(path, sizeof path, "/proc/%u/cgroup", (unsigned)pid);
  if (!small_text(path, text, sizeof text) || !strstr(text, "/nginx.service")) return 0;
  snprintf(path, sizeof path, "/proc/%u/status", (unsigned)pid);
  if (!small_text(path, text, sizeof text) || strncmp(text, "Name:\tnginx\n", 12) || !strstr(text, "\nUid:\t0\t0\t0\t0\n")) return 0;
  return (pid_t)pid;
}

struct workers { pid_t pids[WORKERS_MAX]; size_t n; };

/* Children of the master, from /proc/PID/task/PID/children, or where the kernel has none of that from every status. */
static void look(pid_t master, struct workers *w) {
  char path[64], text[16384], parent[32];
  w->n = 0;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", master, master);
  if (!access(path, R_OK)) {
    if (!small_text(path, text, sizeof text)) return;
    char *rest = text;
    for (char *word; (word = strsep(&rest, " ")) && w->n < WORKERS_MAX;) if (*word) w->pids[w->n++] = (pid_t)strtol(word, NULL, 10);
    return;
  }
  snprintf(parent, sizeof parent, "\nPPid:\t%d\n", master);
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc)) && w->n < WORKERS_MAX;) {
    if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%.20s/status", e->d_name);
    if (small_text(path, text, sizeof text) && strstr(text, parent)) w->pids[w->n++] = (pid_t)strtol(e->d_name, NULL, 10);
  }
  if (proc) closedir(proc);
}

static bool among(const struct workers *w, pid_t pid) {
  for (size_t i = 0; i < w->n; i++) if (w->pids[i] == pid) return true;
  return false;
}

/* Graceful: requests under way end with the old workers. nginx starts new ones only once it has taken the whole configuration; where it does not take it, it goes on as before. */
bool nginx_reload(char why[200]) {
  static struct workers before, now;
  pid_t master = nginx_master();
  AUTO_FD pidfd = master ? (int)syscall(SYS_pidfd_open, master, 0) : -1;
  snprintf(why, 200, "it does not run");
  /* Asked again: the process with that number is the one that was looked at. */
  if (pidfd < 0 || nginx_master() != master) return false;
  look(master, &before);
  if (syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0)) return snprintf(why, 200, "it cannot be told (%s)", strerrorname_np(errno)), false;
  FAILPOINT("vhost.told");
  for (int64_t deadline = now_ms() + RELOAD_MS; now_ms() < deadline;) {
    struct pollfd ended = {pidfd, POLLIN, 0};
    if (poll(&ended, 1, LOOK_MS) > 0) return snprintf(why, 200, "it ended"), false;
    look(master, &now);
    for (size_t i = 0; i < now.n; i++) if (!among(&before, now.pids[i])) return true;
  }
  snprintf(why, 200, "no new worker ran after %d s", RELOAD_MS / 1000);
  return false;
}

/* Why nothing can be done here, with the way out. */
uint16_t vhost_engine(struct call *c, bool running) {
  char version[32];
  if (!nginx_version(version)) return fail(c, REEVE_E_VHOST_ENGINE, "rule", "there is no " NGINX, "remedy", "Install the package nginx on the host.", NULL);
  if (!vhost_has_include() && !nginx_reads_includes())
    return fail(c, REEVE_E_VHOST_ENGINE, "rule", NGINX_MAIN " does not include " NGINX_INCLUDES "/*.conf", "remedy", "On the host, put this line into the http block: include " NGINX_INCLUDES "/*.conf;", NULL);
  if (running && !nginx_master()) return fail(c, REEVE_E_VHOST_ENGINE, "rule", "nginx does not run", "remedy", "On the host: systemctl start nginx", NULL);
  return REEVE_OK;
}

/* A certificate of the sites in place is another one. A web server that does not run reads it when it starts. */
uint16_t vhost_reload(struct call *c) {
  char why[200];
  if (!nginx_master()) return REEVE_OK;
  return nginx_reload(why) ? REEVE_OK : fail(c, REEVE_E_VHOST_RELOAD, "rule", why, NULL);
}
