/* Figures of a control group: what it holds, and what that has used. */
#include "container_look.h"

#define DEEPEST 8
#define GROUPS_MOST 512u
#define PROCESSES_MOST 4096u

struct process { uint32_t pid, parent, threads; uint64_t rss_pages, start; bool keeper; };
struct walk { struct process *list; size_t n, groups; };

/* Version 2, alone or beside version 1; else systemd's own hierarchy, which counts nothing. */
static const char *root(void) {
  static const char *found;
  static const char *const roots[] = {"/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers", NULL}, *const folders[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  for (size_t i = 0; !found && roots[i]; i++) if (!access(roots[i], F_OK)) found = folders[i];
  if (!found) found = "/sys/fs/cgroup/systemd";
  return found;
}

/* A file of the kernel's, which have no size; NULL: it is not there. */
static char *kernel_text(int dir, const char *name, size_t most) {
  size_t n = 0;
  AUTO_FD fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  char *text = fd < 0 ? NULL : malloc(most + 1);
  for (ssize_t r = 1; text && r > 0 && n < most;) {
    r = read(fd, text + n, most - n);
    if (r > 0) n += (size_t)r;
    else if (r < 0) n = 0;
  }
  if (text) text[n] = 0;
  return text;
}

static bool kernel_number(int dir, const char *name, uint64_t *out) {
  AUTO_TEXT text = kernel_text(dir, name, 32);
  size_t n = text ? strcspn(text, "\n") : 0;
  return n > 0 && parse_number(text, n, INT64_MAX, out);
}

size_t figures_controllers(char out[512]) {
  AUTO_FD dir = open(root(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_TEXT text = dir < 0 ? NULL : kernel_text(dir, "cgroup.controllers", 500);
  size_t n = 0;
  for (char *rest = text, *word; rest && (word = strsep(&rest, " \n"));) {
    if (!*word || n + strlen(word) + 1 > 512) continue;
    memcpy(out + n, word, strlen(word) + 1);
    n += strlen(word) + 1;
  }
  return n;
}

/* proc(5): what stands behind the name, which may hold anything, is behind its last parenthesis. */
static void take_process(struct walk *w, uint32_t pid) {
  char path[32];
  unsigned long long rss, start;
  unsigned parent, threads;
  if (w->n == PROCESSES_MOST) return;
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  AUTO_TEXT text = kernel_text(AT_FDCWD, path, 1023);
  const char *open = text ? strchr(text, '(') : NULL, *close = text ? strrchr(text, ')') : NULL;
  if (!open || !close || close[1] != ' ' || close[2] == 'Z' || close[2] == 'X') return;
  if (sscanf(close + 2, "%*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u %*d %llu %*u %llu", &parent, &threads, &start, &rss) != 4) return;
  size_t length = (size_t)(close - open - 1);
  bool keeper = (length == 6 && !memcmp(open + 1, "conmon", 6)) || (length >= 3 && !memcmp(open + 1, "lxc", 3)) || (length >= 4 && !memcmp(open + 1, "[lxc", 4));
  w->list[w->n++] = (struct process){pid, parent, threads, rss, start, keeper};
}

static void take_group(struct walk *w, int dir, int depth) {
  struct dirent **names = NULL;
  if (depth > DEEPEST || ++w->groups > GROUPS_MOST) return;
  AUTO_TEXT text = kernel_text(dir, "cgroup.procs", 64u << 10);
  for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
    uint32_t pid;
    if (parse_u32(line, &pid) && pid > 0) take_process(w, pid);
  }
  int n = scandirat(dir, ".", &names, NULL, NULL);
  for (int i = 0; i < n; i++) {
    if (names[i]->d_type != DT_DIR || names[i]->d_name[0] == '.') continue;
    AUTO_FD below = open_beneath(dir, names[i]->d_name, O_RDONLY | O_DIRECTORY, 0);
    if (below >= 0) take_group(w, below, depth + 1);
  }
  end_names(names, n);
}

static const struct process *of_pid(const struct walk *w, uint32_t pid) {
  for (size_t i = 0; i < w->n; i++) if (w->list[i].pid == pid) return &w->list[i];
  return NULL;
}

/* The first process of the container is a child of what keeps it (conmon, lxc-start); else the oldest one. */
static const struct process *first(const struct walk *w, bool *init) {
  const struct process *oldest = &w->list[0];
  for (size_t i = 0; i < w->n; i++) {
    const struct process *p = &w->list[i], *parent = p->keeper ? NULL : of_pid(w, p->parent);
    if (parent && parent->keeper) {
      *init = true;
      return p;
    }
    if (p->start < oldest->start) oldest = p;
  }
  *init = false;
  return oldest;
}

static void count(int dir, const struct walk *w, struct figures *f) {
  uint64_t number, tasks = 0, pages = 0;
  AUTO_TEXT cpu = kernel_text(dir, "cpu.stat", 1023);
  if (cpu && !strncmp(cpu, "usage_usec ", 11)) (void)parse_number(cpu + 11, strcspn(cpu + 11, "\n"), INT64_MAX, &f->cpu_us);
  for (size_t i = 0; i < w->n; i++) {
    tasks += w->list[i].threads;
    pages += w->list[i].rss_pages;
  }
  f->tasks = (uint32_t)(kernel_number(dir, "pids.current", &number) ? number : tasks);
  f->counted = kernel_number(dir, "memory.current", &number);
  f->memory = f->counted ? number : pages * (uint64_t)sysconf(_SC_PAGESIZE);
  f->memory_max = kernel_number(dir, "memory.max", &number) ? number : 0;
}

static void tell(const struct walk *w, struct figures *f) {
  const struct process *p = first(w, &f->has_init);
  int64_t began = (int64_t)(p->start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
  f->pid = p->pid;
  f->processes = (uint32_t)w->n;
  f->since_ms = (uint64_t)(wall_ms() - (now_ms() - began));
}

void figures_of_process(uint32_t pid, struct figures *f) {
  struct process one;
  struct walk w = {.list = &one};
  *f = (struct figures){0};
  take_process(&w, pid);
  if (w.n == 0) return;
  tell(&w, f);
  f->tasks = one.threads;
  f->memory = one.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool figures_of(const char *group, struct figures *f) {
  char path[640];
  *f = (struct figures){0};
  snprintf(path, sizeof path, "%s/%s", root(), group);
  AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (dir < 0) return false;
  struct walk w = {.list = malloc(PROCESSES_MOST * sizeof *w.list)};
  if (w.list) take_group(&w, dir, 0);
  if (w.n > 0) {
    tell(&w, f);
    count(dir, &w, f);
  }
  free(w.list);
  return f->pid != 0;
}
