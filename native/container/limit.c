/* limit: the limits of the record are in force without a restart, as far as the kernel keeps them. */
#include "container.h"

#define TOLD_MOST 16

struct limits { const char *argv[16]; char text[4][64]; size_t n; };

static void set(struct limits *l, const char *property, bool given, uint64_t value, const char *unit, const char *none) {
  size_t at = l->n - 5;
  if (given) snprintf(l->text[at], sizeof l->text[at], "%s=%llu%s", property, (unsigned long long)value, unit);
  else snprintf(l->text[at], sizeof l->text[at], "%s=%s", property, none);
  l->argv[l->n++] = l->text[at];
}

/* The first number in a file of the unit's control group, and the second; false: there is no such file. */
static bool kernel_has(const char *group, const char *file, uint64_t out[2]) {
  char path[400];
  snprintf(path, sizeof path, CGROUP "%s/%s", group, file);
  AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
  char text[100] = "";
  unsigned long long first = 0, second = 0;
  /* Files of the kernel have no size. */
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return false;
  int n = sscanf(text, "%llu %llu", &first, &second);
  out[0] = first;
  out[1] = n > 1 ? second : 1;
  return n >= 1;
}

/* A unit that does not run has no group: what the host's own has is what it will have. */
static bool host_has(const char *controller) {
  char text[200] = "";
  AUTO_FD fd = open(CGROUP "/cgroup.controllers", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  char *rest = n > 0 ? text : NULL;
  for (char *word; (word = strsep(&rest, " \n"));) if (!strcmp(word, controller)) return true;
  return false;
}

static bool is_close(uint64_t a, uint64_t b) { return a / 4096 == b / 4096; }

static void tell(struct buf *b, const char *name, bool enforced) { say(b, enforced ? "enforced" : "ignored", name); }

static void judge(struct buf *b, const struct record *r, const char *group) {
  const struct spec *s = &r->spec;
  uint64_t got[2] = {0, 0};
  bool runs = *group != 0;
  if (s->has_memory) tell(b, "memory", runs ? kernel_has(group, "memory.max", got) && is_close(got[0], s->memory) : host_has("memory"));
  if (s->has_swap) tell(b, "swap", runs ? kernel_has(group, "memory.swap.max", got) && is_close(got[0], s->swap) : host_has("memory"));
  if (s->cpu) tell(b, "cpu", runs ? kernel_has(group, "cpu.max", got) && got[1] > 0 && got[0] * 100 / got[1] == s->cpu : host_has("cpu"));
  if (s->tasks) tell(b, "tasks", runs ? kernel_has(group, "pids.max", got) && got[0] == s->tasks : host_has("pids"));
}

static int limit_unit(const struct record *r) {
  char unit[CONTAINER_UNIT_ROOM];
  struct unit_state state;
  struct limits l = {.argv = {SYSTEMCTL, "set-property", "--runtime", "--"}, .n = 4};
  container_unit_name(unit, r->name);
  l.argv[l.n++] = unit;
  set(&l, "MemoryMax", r->spec.has_memory, r->spec.memory, "", "infinity");
  set(&l, "MemorySwapMax", r->spec.has_swap, r->spec.swap, "", "infinity");
  set(&l, "CPUQuota", r->spec.cpu > 0, r->spec.cpu, "%", "");
  set(&l, "TasksMax", r->spec.tasks > 0, r->spec.tasks, "", "infinity");
  struct tool t = {.argv = l.argv, .in = -1, .seconds = SHORT_S};
  if (!tool_run(&t)) return tool_failed(&t, "systemd does not take the limits");
  if (!unit_show(unit, &state)) return job_failed("systemd does not say how %s is", unit);
  struct buf b;
  buf_init(&b, 4096);
  judge(&b, r, strcmp(state.active, "active") ? "" : state.group);
  int code = job_done(&b);
  buf_free(&b);
  return code;
}

int container_limit(const struct fields *t) {
  struct record r;
  if (!record_take(t, &r)) return 1;
  int code = r.spec.engine == SPEC_PCT ? pct_limit(&r) : limit_unit(&r);
  record_close(&r);
  return code;
}
