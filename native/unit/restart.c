/* Starting a unit anew, and seeing that it stays. */
#include "unit_work.h"
#include <poll.h>

#define RESTART_S 300                    /* units have their own limits, of 90 s mostly, once to stop and once to start */
#define STAYS_MS 1000                    /* what ends at once was never there */
#define LOOK_MS 100

/* How its main process ended, or what systemd calls it. */
static void reason(const struct unit_seen *s, char why[WHY]) {
  bool again = !strcmp(s->sub, "auto-restart");
  const char *more = again ? "; systemd starts it again" : "";
  if (!strcmp(s->load, "masked")) snprintf(why, WHY, "it is masked");
  else if (!strcmp(s->result, "exit-code")) snprintf(why, WHY, "exit-code: its process ended with exit code %d%s", s->status, more);
  else if (!strcmp(s->result, "signal") || !strcmp(s->result, "core-dump")) snprintf(why, WHY, "%s: its process was ended by signal %d%s", s->result, s->status, more);
  else if (!strcmp(s->result, "timeout")) snprintf(why, WHY, "timeout: it did not start, or stop, in the time that its unit gives it%s", more);
  else if (!strcmp(s->result, "start-limit-hit")) snprintf(why, WHY, "start-limit-hit: it was started too often in a short time; on the host: systemctl reset-failed");
  else if (!strcmp(s->result, "success")) snprintf(why, WHY, "it is %s (%s)", s->active, s->sub);
  else snprintf(why, WHY, "%s%s", *s->result ? s->result : s->active, more);
}

static bool is_up(const struct unit_seen *s) { return !strcmp(s->active, "active"); }

/* A service that does one thing and ends is done when it went well: systemctl(1) has waited for it, and systemd has forgotten it meanwhile. */
static bool is_done(const struct unit_seen *s) { return !strcmp(s->active, "inactive") && !strcmp(s->result, "success") && !strcmp(s->type, "oneshot"); }

/* Until it has stayed for a second. */
static bool stays(const char *unit, struct unit_seen *s, char why[WHY]) {
  struct unit_seen first;
  if (!unit_look(unit, s, why)) return false;
  first = *s;
  for (int64_t until = job_now_ms() + STAYS_MS; is_up(s) && !strcmp(s->invocation, first.invocation);) {
    if (job_now_ms() > until) return true;
    (void)poll(NULL, 0, LOOK_MS);
    if (!unit_look(unit, s, why)) return false;
  }
  if (is_done(s)) return true;
  reason(s, why);
  return false;
}

static bool restart(const char *unit, struct unit_seen *s, char why[WHY]) {
  const char *argv[] = {programs.systemctl, "--quiet", "--no-pager", "--no-ask-password", "restart", "--", unit, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = RESTART_S};
  char said[400];
  if (tool_run(&t)) return stays(unit, s, why);
  if (t.end == PROGRAM_FAILED && unit_look(unit, s, why) && strcmp(s->result, "success")) reason(s, why);
  else snprintf(why, WHY, "systemctl: %s", tool_said(&t, said));
  return false;
}

/* systemd goes on with it when this process or the agent ends meanwhile. */
int unit_restart(const struct fields *t) {
  struct unit_seen s;
  char why[WHY] = "";
  const char *unit = unit_of(t);
  if (!unit) return 1;
  if (!unit_look(unit, &s, why)) return agent_gone() ? 1 : job_failed("%s", why);
  const char *name = unit_floor(unit) ? unit : s.protected_name;
  if (*name) return job_failed("it is \"%s\", which Reeve never restarts: %s", name, unit_floor(name));
  if (!strcmp(s.load, "not-found")) return job_failed("there is no such unit");
  if (field_flag(t, "plan")) return unit_tell(&s);
  bool up = restart(unit, &s, why);
  /* By that id it is found in the journal, beside what the agent and the coordinator say of it. */
  const char *operation = field(t, "operation");
  fprintf(stderr, "reeve-unit: operation %s: restart of %s: %s\n", operation ? operation : "?", unit, up ? "done" : why);
  if (up) return unit_tell(&s);
  return agent_gone() ? 1 : job_failed("%s", why);
}
