/* Logins that sshd has open. Each has a process of root that serves it: "sshd: ada [priv]" with a child that runs as ada, or for root "sshd: root@pts/0". */
#include "reeve.h"
#include <time.h>

#define PROCESSES_MAX 4096
#define TITLE_MAX 128

struct process { uint32_t pid, parent, uid; uint64_t started; char title[TITLE_MAX]; };

static size_t read_small(int proc, const char *pid, const char *file, char *out, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", pid, file);
  AUTO_FD fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, room - 1);
  out[n > 0 ? n : 0] = 0;
  return n > 0 ? (size_t)n : 0;
}

/* What sshd calls itself, without its own name; NULL: not sshd. Since OpenSSH 9.8 a program of its own serves sessions. */
static const char *sshd_title(const char *cmdline) {
  static const char *const names[] = {"sshd: ", "sshd-session: ", NULL};
  for (const char *const *name = names; *name; name++) if (!strncmp(cmdline, *name, strlen(*name))) return cmdline + strlen(*name);
  return NULL;
}

/* proc(5): stat's fields after the name are state, parent, ...; the 22nd of all is the start in ticks since boot. */
static bool look_at(int proc, const char *pid, struct process *p) {
  char cmdline[512], stat[1024], status[2048];
  if (!read_small(proc, pid, "cmdline", cmdline, sizeof cmdline)) return false;
  const char *title = sshd_title(cmdline);
  if (!title || !read_small(proc, pid, "stat", stat, sizeof stat) || !read_small(proc, pid, "status", status, sizeof status)) return false;
  const char *end = strrchr(stat, ')'), *name = strchr(stat, '('), *uids = strstr(status, "\nUid:\t");
  if (!end || !name || !uids || strncmp(name, "(sshd", 5) || !parse_u32(pid, &p->pid)) return false;
  char state;
  int parent;
  if (sscanf(end + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X') return false;
  unsigned int real, effective, saved;
  if (sscanf(uids + 6, "%u %u %u", &real, &effective, &saved) != 3 || real != effective || real != saved) return false;
  for (int field = 2; end && field < 22; field++) end = strchr(end + 1, ' ');
  p->started = end ? strtoull(end + 1, NULL, 10) : 0;
  p->parent = (uint32_t)parent;
  p->uid = real;
  snprintf(p->title, sizeof p->title, "%.*s", (int)strcspn(title, "\n"), title);
  return true;
}

static size_t processes(struct process *list, size_t most) {
  size_t n = 0;
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = proc < 0 ? NULL : fdopendir(proc);
  for (struct dirent *entry; dir && n < most && (entry = readdir(dir));)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && look_at(proc, entry->d_name, &list[n])) n++;
  if (dir) closedir(dir);
  else if (proc >= 0) close(proc);
  return n;
}

static bool has_child_of(const struct process *list, size_t n, const struct process *parent, uint32_t uid) {
  for (size_t i = 0; i < n; i++) if (list[i].parent == parent->pid && list[i].uid == uid) return true;
  return false;
}

/* The name in a title "ada [priv]", "root@pts/0" or "root"; empty: not a session's. */
static void name_in(const struct process *p, char name[NAME_MAX_LEN + 1], bool *monitor) {
  size_t n = strcspn(p->title, " @");
  const char *rest = p->title + n;
  *monitor = !strcmp(rest, " [priv]");
  bool single = *rest == 0 || *rest == '@';
  snprintf(name, NAME_MAX_LEN + 1, "%.*s", n <= NAME_MAX_LEN && (*monitor || single) ? (int)n : 0, p->title);
}

/* A session's process belongs to root. Before the login is allowed its child runs as sshd's own user; after it, as the account. */
size_t sessions_list(const struct accounts *a, struct session *list, size_t most) {
  size_t found = 0;
  struct process *all = calloc(PROCESSES_MAX, sizeof *all);
  size_t n = all ? processes(all, PROCESSES_MAX) : 0;
  int64_t booted = wall_ms() - now_ms(), ticks = sysconf(_SC_CLK_TCK);
  for (size_t i = 0; i < n && found < most; i++) {
    struct session s = {.pid = all[i].pid};
    bool monitor;
    if (all[i].uid != 0) continue;
    name_in(&all[i], s.user, &monitor);
    const struct user *u = s.user[0] ? user_by_name(a, s.user) : NULL;
    if (!u || (monitor ? u->uid == 0 || !has_child_of(all, n, &all[i], u->uid) : u->uid != 0)) continue;
    s.since_ms = (uint64_t)(booted + (int64_t)all[i].started * 1000 / ticks);
    list[found++] = s;
  }
  free(all);
  return found;
}
