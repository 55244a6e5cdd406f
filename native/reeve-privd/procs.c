/* Ending all processes of an account: found by uid in /proc, addressed by pidfd so that a re-used process id is never hit. */
#include "reeve.h"
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define TERM_WAIT_MS 10000
#define KILL_WAIT_MS 5000
#define SUBUID_FLOOR 65536u
#define RANGES_MAX 17
#define BATCH 512

struct range { uint64_t low, high; };
struct target { struct range ranges[RANGES_MAX]; size_t n; };

/* The uid itself and the ranges of subuid(5), which root-less containers of the account run under. */
static void target_of(struct target *t, const char *name, uint32_t uid) {
  AUTO_TEXT text = read_whole("/etc/subuid", 1u << 20, NULL);
  char *rest = text;
  t->ranges[0] = (struct range){uid, uid};
  t->n = 1;
  for (char *line; rest && (line = strsep(&rest, "\n")) && t->n < RANGES_MAX;) {
    char *owner = strsep(&line, ":"), *start = strsep(&line, ":"), *count = line;
    uint32_t from, many;
    if (!start || !count || strcmp(owner, name)) continue;
    if (!parse_u32(start, &from) || !parse_u32(count, &many)) continue;
    if (from < SUBUID_FLOOR || many < 1 || many > UINT32_MAX - from) continue;
    t->ranges[t->n++] = (struct range){from, from + many - 1};
  }
}

static bool hit(const struct target *t, uint64_t uid) {
  for (size_t i = 0; i < t->n; i++) if (uid >= t->ranges[i].low && uid <= t->ranges[i].high) return true;
  return false;
}

/* Alive (not a zombie) with one of its four uids (proc(5): real, effective, saved, file system) among the target's. */
static bool belongs(int proc, const char *pid, const struct target *t) {
  char path[32], text[2048];
  snprintf(path, sizeof path, "%s/status", pid);
  AUTO_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (n <= 0) return false;
  text[n] = 0;
  const char *state = strstr(text, "\nState:\t"), *uids = strstr(text, "\nUid:\t");
  if (!state || !uids || state[8] == 'Z' || state[8] == 'X') return false;
  uids += 6;
  for (int i = 0; i < 4; i++) {
    char *end;
    if (hit(t, strtoul(uids, &end, 10))) return true;
    uids = end;
  }
  return false;
}

/* Sends `signum` to every process of the target and collects a pidfd of each. */
static size_t signal_all(const struct target *t, int signum, struct pollfd *fds) {
  size_t n = 0;
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = proc < 0 ? NULL : fdopendir(proc);
  for (struct dirent *entry; dir && n < BATCH && (entry = readdir(dir));) {
    uint64_t pid;
    if (!parse_number(entry->d_name, strlen(entry->d_name), 1u << 30, &pid) || pid < 2 || !belongs(proc, entry->d_name, t)) continue;
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0) continue;
    /* Looked at again through the same number: only now the pidfd is known to be the process that was seen. */
    if (!belongs(proc, entry->d_name, t)) {
      close(fd);
      continue;
    }
    (void)syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0);
    fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  if (dir) closedir(dir);
  else if (proc >= 0) close(proc);
  return n;
}

/* Waits until all have ended or the time is over; closes the pidfds and counts those that ended. */
static uint32_t await_all(struct pollfd *fds, size_t n, int64_t deadline) {
  uint32_t ended = 0;
  size_t alive = n;
  while (alive > 0) {
    int64_t left = deadline - now_ms();
    if (left < 0) left = 0;
    if (poll(fds, n, (int)left) < 0 && errno != EINTR) break;
    for (size_t i = 0; i < n; i++) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      close(fds[i].fd);
      fds[i].fd = -1;
      alive--;
      ended++;
    }
    if (left == 0) break;
  }
  for (size_t i = 0; i < n; i++) if (fds[i].fd >= 0) close(fds[i].fd);
  return ended;
}

/* TERM, 10 s, KILL, 5 s; new processes that appear meanwhile get the same. USER_PROCESSES_REMAIN when some are left. */
uint16_t end_processes(struct call *c, const char *name, uint32_t uid, uint32_t *ended) {
  struct target t;
  struct pollfd *fds = calloc(BATCH, sizeof *fds);
  if (!fds) return io_failed(c, "out of memory");
  struct rlimit before;
  (void)getrlimit(RLIMIT_NOFILE, &before);
  (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){before.rlim_max, before.rlim_max});  /* room for a batch of pidfds */
  target_of(&t, name, uid);
  int64_t start = now_ms(), term_end = start + TERM_WAIT_MS, kill_end = term_end + KILL_WAIT_MS;
  bool clean = false;
  *ended = 0;
  while (!clean) {
    int64_t at = now_ms();
    if (at > kill_end) break;
    bool killing = at >= term_end;
    size_t n = signal_all(&t, killing ? SIGKILL : SIGTERM, fds);
    if (n == 0) clean = true;
    else *ended += await_all(fds, n, killing ? kill_end : term_end);
    if (!killing && n > 0 && now_ms() < term_end && now_ms() - start > 2000 && *ended > 4 * BATCH) term_end = now_ms();  /* a fork bomb */
    if (term_end < start + TERM_WAIT_MS && kill_end > term_end + KILL_WAIT_MS) kill_end = term_end + KILL_WAIT_MS;
  }
  (void)setrlimit(RLIMIT_NOFILE, &before);
  free(fds);
  return clean ? REEVE_OK : fail(c, REEVE_E_USER_PROCESSES_REMAIN, "value", name, NULL);
}
