/* What systemd knows of a unit. */
#include "unit_work.h"
#include <time.h>

#define PROPERTIES "--property=Id,Names,Type,LoadState,ActiveState,SubState,Result,InvocationID,MainPID,NRestarts,MemoryCurrent,ExecMainCode,ExecMainStatus," \
  "ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic,InactiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic"

/* What a number that is not known is told as: "[not set]" or all bits. */
static uint64_t number(const char *text) {
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  return *end || value == UINT64_MAX ? 0 : value;
}

const char *unit_of(const struct fields *t) {
  const char *unit = field(t, "unit");
  if (unit && unit_name(unit)) return unit;
  (void)job_failed("the ticket names no unit");
  return NULL;
}

struct times { uint64_t active_enter, active_exit, inactive_enter, inactive_exit; };  /* us since the boot */

/* As systemctl(1) has it: since when it is in that state. */
static uint64_t since(const struct unit_seen *s, const struct times *at) {
  struct timespec mono, wall;
  uint64_t us = !strcmp(s->active, "active") || !strcmp(s->active, "reloading") ? at->active_enter : !strcmp(s->active, "inactive") || !strcmp(s->active, "failed") ? at->inactive_enter : !strcmp(s->active, "activating") ? at->inactive_exit : at->active_exit;
  if (us == 0) return 0;
  clock_gettime(CLOCK_MONOTONIC, &mono);
  clock_gettime(CLOCK_REALTIME, &wall);
  uint64_t boot_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000 - (uint64_t)mono.tv_sec * 1000 - (uint64_t)mono.tv_nsec / 1000000;
  return boot_ms + us / 1000;
}

/* Each name that a unit goes by is one that it would be restarted by: "ssh.service" is "sshd.service", too. */
static void names(struct unit_seen *s, char *list) {
  for (char *word; (word = strsep(&list, " "));) if (*word && !*s->protected_name && unit_floor(word)) snprintf(s->protected_name, sizeof s->protected_name, "%s", word);
}

static void take(struct unit_seen *s, struct times *at, const char *key, char *value) {
  const struct { const char *key; char *out; size_t room; } texts[] = {
    {"Id", s->id, sizeof s->id}, {"LoadState", s->load, sizeof s->load}, {"ActiveState", s->active, sizeof s->active}, {"SubState", s->sub, sizeof s->sub}, {"Result", s->result, sizeof s->result},
    {"InvocationID", s->invocation, sizeof s->invocation}, {"Type", s->type, sizeof s->type},
  };
  const struct { const char *key; uint64_t *out; } numbers[] = {
    {"MainPID", &s->pid}, {"NRestarts", &s->restarts}, {"MemoryCurrent", &s->memory}, {"ActiveEnterTimestampMonotonic", &at->active_enter}, {"ActiveExitTimestampMonotonic", &at->active_exit},
    {"InactiveEnterTimestampMonotonic", &at->inactive_enter}, {"InactiveExitTimestampMonotonic", &at->inactive_exit},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) if (!strcmp(key, texts[i].key)) plain(texts[i].out, texts[i].room, value, strlen(value));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) if (!strcmp(key, numbers[i].key)) *numbers[i].out = number(value);
  if (!strcmp(key, "ExecMainCode")) s->code = (int)number(value);
  if (!strcmp(key, "ExecMainStatus")) s->status = (int)number(value);
  if (!strcmp(key, "Names")) names(s, value);
}

bool unit_look(const char *unit, struct unit_seen *s, char why[WHY]) {
  const char *argv[] = {programs.systemctl, "--no-pager", "--no-ask-password", "show", PROPERTIES, "--", unit, NULL};
  struct times at = {0};
  struct buf out;
  char said[400];
  memset(s, 0, sizeof *s);
  buf_init(&out, 65536);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &out};
  bool ok = tool_run(&t);
  char *rest = ok ? (char *)out.p : NULL;
  for (char *line; (line = strsep(&rest, "\n"));) {
    char *value = strchr(line, '=');
    if (!value) continue;
    *value = 0;
    take(s, &at, line, value + 1);
  }
  s->since_ms = since(s, &at);
  if (!ok) snprintf(why, WHY, "systemd does not say how it is: %s", tool_said(&t, said));
  else if (!*s->active || !*s->load) snprintf(why, WHY, "systemd does not say how it is");
  buf_free(&out);
  return ok && *s->active && *s->load;
}

int unit_tell(const struct unit_seen *s) {
  struct buf b;
  buf_init(&b, 8192);
  say(&b, "unit", s->id);
  say(&b, "load", s->load);
  say(&b, "active", s->active);
  say(&b, "sub", s->sub);
  say(&b, "result", s->result);
  say_number(&b, "pid", s->pid);
  say_number(&b, "restarts", s->restarts);
  say_number(&b, "memory", s->memory);
  say_number(&b, "since-ms", s->since_ms);
  say_number(&b, "code", (uint64_t)s->code);
  say_number(&b, "status", (uint64_t)s->status);
  int code = job_done(&b);
  buf_free(&b);
  return code;
}

int unit_status(const struct fields *t) {
  struct unit_seen s;
  char why[WHY];
  const char *unit = unit_of(t);
  if (!unit) return 1;
  return unit_look(unit, &s, why) ? unit_tell(&s) : agent_gone() ? 1 : job_failed("%s", why);
}
