/* nginx as it runs: which one it is, its master process, and a reload whose end is known. */
#include "vhost_set.h"
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define RELOAD_MS 45000  /* as long as the master is seen to work on it */
#define LOOK_MS 5
#define CLOSING_MS 2000  /* a worker that is busy hears later that it is to end */
#define WORKERS_MAX 1024
#define PATH_MAX_LEN 512

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

static size_t small_text(const char *path, char *out, size_t room) {
  AUTO_FD fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  size_t n = 0;
  for (ssize_t got = 1; fd >= 0 && n < room - 1 && got > 0; n += got > 0 ? (size_t)got : 0) got = read(fd, out + n, room - 1 - n);
  out[n] = 0;
  return n;
}

static bool proc_text(pid_t pid, const char *name, char *out, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return small_text(path, out, room) > 0;
}

static void meet(void *data, const struct nginx_at *at) {
  if (at->kind == NGINX_SIMPLE && at->depth == 0 && at->nwords == 2 && !strcmp(at->words[0], "pid") && at->words[1][0] == '/') snprintf(data, PATH_MAX_LEN, "%s", at->words[1]);
}

/* Only root can write a file of root's in a folder of root's. */
static bool read_pid(pid_t *pid) {
  static char path[PATH_MAX_LEN];
  char text[32];
  struct stat st;
  struct nginx_walk w = {.meet = meet, .data = path, .others = true};
  uint64_t number;
  if (!*path) {
    snprintf(path, sizeof path, "%s", NGINX_PID);
    nginx_walk(&w);
  }
  if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & 022 || !small_text(path, text, sizeof text)) return false;
  bool ok = parse_number(text, strcspn(text, "\n"), INT32_MAX, &number) && number > 1;
  *pid = ok ? (pid_t)number : 0;
  return ok;
}

/* A master of nginx, and root's. */
static bool is_master(pid_t pid) {
  static const char title[] = "nginx: master process";
  char text[4096];
  return proc_text(pid, "cmdline", text, sizeof text) && !strncmp(text, title, sizeof title - 1)
    && proc_text(pid, "status", text, sizeof text) && !strncmp(text, "Name:\tnginx\n", 12) && strstr(text, "\nUid:\t0\t0\t0\t0\n");
}

/* The process that nginx's own file names. */
pid_t nginx_master(void) {
  pid_t pid;
  return read_pid(&pid) && is_master(pid) ? pid : 0;
}

struct workers { pid_t pids[WORKERS_MAX]; size_t n; };

/* Children of the master, from /proc/PID/task/PID/children, or where the kernel has none of that from every status. */
static void look(pid_t master, struct workers *w) {
  char path[64], text[16384], parent[32];
  w->n = 0;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", master, master);
  if (!access(path, R_OK)) {
    (void)small_text(path, text, sizeof text);
    char *rest = text;
    for (char *word; (word = strsep(&rest, " ")) && w->n < WORKERS_MAX;) if (*word) w->pids[w->n++] = (pid_t)strtol(word, NULL, 10);
    return;
  }
  snprintf(parent, sizeof parent, "\nPPid:\t%d\n", master);
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc)) && w->n < WORKERS_MAX;) {
    if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
    pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
    if (proc_text(pid, "status", text, sizeof text) && strstr(text, parent)) w->pids[w->n++] = pid;
  }
  if (proc) closedir(proc);
}

/* A child that was not there before: nginx makes all of them anew when it has taken a configuration, and none when it has not. */
static bool new_worker(pid_t master, const struct workers *before) {
  static struct workers now;
  look(master, &now);
  for (size_t i = 0; i < now.n; i++) {
    bool old = false;
    for (size_t k = 0; k < before->n && !old; k++) old = before->pids[k] == now.pids[i];
    if (!old) return true;
  }
  return false;
}

/* It still takes connections: nginx changes the title of a worker that ends and closes its ports. */
static bool accepts(pid_t pid) {
  static const char worker[] = "nginx: worker process";
  char text[4096];
  return proc_text(pid, "cmdline", text, sizeof text) && !strncmp(text, worker, sizeof worker - 1) && !strstr(text, "shutting down");
}

/* nginx tells its old workers 100 ms after the new ones were started. From the end of this on what is new holds for every new connection. */
static void wait_closed(const struct workers *before) {
  int64_t until = now_ms() + CLOSING_MS;
  for (size_t i = 0; i < before->n;) {
    if (!accepts(before->pids[i])) i++;
    else if (now_ms() >= until) return;
    else poll(NULL, 0, LOOK_MS);
  }
}

static bool has_hangup(const char *status, const char *key) {
  const char *at = strstr(status, key);
  return at && strtoull(at + strlen(key), NULL, 16) & 1;
}

/* The master takes signals only where it waits for them: while it reads its configuration SIGHUP is blocked, or still to come. */
static bool is_busy(pid_t master) {
  char text[4096];
  return proc_text(master, "status", text, sizeof text) && (has_hangup(text, "\nSigPnd:\t") || has_hangup(text, "\nShdPnd:\t") || has_hangup(text, "\nSigBlk:\t"));
}

/* Graceful: requests under way end with the old workers. nginx starts new ones once it has taken the whole configuration; where it does not take it, it goes on as before. */
enum nginx_end nginx_reload(char why[200]) {
  static struct workers before;
  pid_t master = nginx_master();
  AUTO_FD pidfd = master ? (int)syscall(SYS_pidfd_open, master, 0) : -1;
  snprintf(why, 200, "it does not run");
  /* Looked at again: the process of that number is the one that is held now. */
  if (pidfd < 0 || !is_master(master)) return NGINX_REFUSED;
  /* What it was told before, it has done: the workers of that are not taken for those of this. */
  for (int64_t began = now_ms(); is_busy(master) && now_ms() < began + RELOAD_MS;) poll(NULL, 0, LOOK_MS);
  look(master, &before);
  if (syscall(SYS_pidfd_send_signal, pidfd, SIGHUP, NULL, 0)) return snprintf(why, 200, "it cannot be told (%s)", strerrorname_np(errno)), NGINX_REFUSED;
  FAILPOINT("vhost.told");
  for (int64_t told = now_ms(); now_ms() < told + RELOAD_MS;) {
    struct pollfd ended = {pidfd, POLLIN, 0};
    if (poll(&ended, 1, LOOK_MS) > 0) return snprintf(why, 200, "it ended"), NGINX_REFUSED;
    bool busy = is_busy(master);
    if (new_worker(master, &before)) return wait_closed(&before), NGINX_TAKEN;
    if (!busy) return snprintf(why, 200, "it read the new configuration, and went on with the old one"), NGINX_REFUSED;
  }
  snprintf(why, 200, "it was still reading its configuration after %d s", RELOAD_MS / 1000);
  return NGINX_LATE;
}

/* Why nothing can be done here, with the way out. */
uint16_t vhost_engine(struct call *c, bool running) {
  char version[32], placed[SET_NAME];
  struct stat st;
  if (!nginx_version(version)) return fail(c, REEVE_E_VHOST_ENGINE, "rule", "there is no " NGINX, "remedy", "Install the package nginx on the host.", NULL);
  if (!vhost_has_include() && !nginx_reads_includes())
    return fail(c, REEVE_E_VHOST_ENGINE, "rule", NGINX_MAIN " does not include " NGINX_INCLUDES "/*.conf", "remedy", "On the host, put this line into the http block: include " NGINX_INCLUDES "/*.conf;", NULL);
  if (!vhost_placed(placed) && !lstat(VHOST_CURRENT, &st))
    return fail(c, REEVE_E_VHOST_ENGINE, "rule", VHOST_CURRENT " is there, and not a link that Reeve made", "remedy", "On the host, move it away.", NULL);
  if (running && !nginx_master()) return fail(c, REEVE_E_VHOST_ENGINE, "rule", "nginx does not run", "remedy", "On the host: systemctl start nginx", NULL);
  return REEVE_OK;
}

/* Once more, as it is. A web server that does not run reads it when it starts. */
uint16_t vhost_reload(struct call *c) {
  char why[200];
  if (!nginx_master()) return REEVE_OK;
  return nginx_reload(why) == NGINX_TAKEN ? REEVE_OK : fail(c, REEVE_E_VHOST_RELOAD, "rule", why, NULL);
}
