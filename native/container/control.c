/* Starting and ending containers, by systemd: the answer tells what came of it, not that it was asked for. */
#include "container.h"
#include <poll.h>
#include <time.h>

#define STAYS_MS 1000
#define LOOK_MS 100
#define START_S 150                       /* more than TimeoutStartSec of the units */
#define BESIDE_STOP_S 30                  /* what an orderly end takes beside the time that the container has for it */

static int64_t wall_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec;
}

/* `verb` of systemctl with the units of the container; of one that sleeps those of its ports, and itself only when it is to end. */
static bool systemctl(const struct record *r, const char *verb, bool itself, int seconds, struct tool *t) {
  static char units[130][CONTAINER_UNIT_ROOM];
  static const char *argv[136];
  size_t n = 0, at = 0;
  argv[n++] = SYSTEMCTL;
  argv[n++] = verb;
  argv[n++] = "--";
  for (size_t i = 0; r->spec.idle && i < r->spec.ports.n; i++) {
    container_port_unit(units[at], r->name, r->spec.ports.items[i].port, "socket");
    argv[n++] = units[at++];
    if (!itself) continue;
    container_port_unit(units[at], r->name, r->spec.ports.items[i].port, "service");
    argv[n++] = units[at++];
  }
  if (itself || !r->spec.idle) {
    container_unit_name(units[at], r->name);
    argv[n++] = units[at];
  }
  argv[n] = NULL;
  *t = (struct tool){.argv = argv, .in = -1, .seconds = seconds};
  return tool_run(t);
}

/* Files of units that were written since systemd read them. */
static bool reload(const struct record *r) {
  static const char *const argv[] = {SYSTEMCTL, "daemon-reload", NULL};
  char unit[CONTAINER_UNIT_ROOM];
  struct unit_state s;
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  container_unit_name(unit, r->name);
  return (unit_show(unit, &s) && !s.stale) || tool_run(&t);
}

static bool not_started(const struct record *r, const struct unit_state *s, int64_t since, char why[WHY]) {
  char reason[WHY];
  unit_reason(r, s, since, reason);
  bool again = r->spec.restart != SPEC_RESTART_NO && strcmp(s->active, "inactive") && strcmp(s->active, "failed");
  snprintf(why, WHY, "%s%s", reason, again ? "; systemd starts it again every 2 s" : "");
  return false;
}

static bool not_shown(const char *unit, char why[WHY]) {
  snprintf(why, WHY, "systemd does not say how %s is", unit);
  return false;
}

/* Until it has stayed for a second: what ends at once was never there. */
static bool stays(const struct record *r, int64_t since, char why[WHY]) {
  char unit[CONTAINER_UNIT_ROOM];
  struct unit_state first, s;
  container_unit_name(unit, r->name);
  if (!unit_show(unit, &first)) return not_shown(unit, why);
  s = first;
  for (int64_t until = job_now_ms() + STAYS_MS; !strcmp(s.active, "active") && !strcmp(s.invocation, first.invocation);) {
    if (job_now_ms() > until) return true;
    (void)poll(NULL, 0, LOOK_MS);
    if (!unit_show(unit, &s)) return not_shown(unit, why);
  }
  return not_started(r, &s, since, why);
}

/* Taken over while it ran: it is no child of its unit until it is started the next time. */
static bool runs_outside(const struct record *r) {
  char state[24], unit[CONTAINER_UNIT_ROOM];
  struct unit_state s;
  if (r->spec.engine != SPEC_LXC || !r->spec.adopted) return false;
  lxc_state(r->name, state);
  container_unit_name(unit, r->name);
  return !strcmp(state, "running") && unit_show(unit, &s) && strcmp(s.active, "active");
}

/* `verb` "start", or "restart", which systemd goes on with when this process or the agent ends meanwhile. */
static bool bring_up(const struct record *r, const char *verb, char why[WHY]) {
  struct tool t;
  struct unit_state s;
  char unit[CONTAINER_UNIT_ROOM], said[400];
  int64_t since = wall_s();
  container_unit_name(unit, r->name);
  if (!reload(r)) snprintf(why, WHY, "systemd cannot read its units again");
  else if (systemctl(r, verb, false, START_S + (int)r->spec.stop, &t)) return r->spec.idle || stays(r, since, why);
  else if (r->spec.idle) snprintf(why, WHY, "the sockets of the container cannot be opened: %s", tool_said(&t, said));
  else if (t.end == PROGRAM_FAILED && unit_show(unit, &s)) return not_started(r, &s, since, why);
  else snprintf(why, WHY, "systemd cannot start it: %s", tool_said(&t, said));
  return false;
}

bool container_up(const struct record *r, char why[WHY]) { return runs_outside(r) || bring_up(r, "start", why); }

/* Without a unit: pct(1) starts and ends it itself. */
static bool is_bare(const struct record *r) { return r->spec.engine == SPEC_PCT && !r->spec.idle; }

static int ended(bool ok, const char *why) { return ok ? job_done(NULL) : agent_gone() ? 1 : job_failed("%s", why); }

int container_start(const struct fields *t) {
  struct record r;
  char why[WHY] = "";
  if (!record_take(t, &r)) return 1;
  int code = is_bare(&r) ? pct_start(&r) : ended(container_up(&r, why), why);
  record_close(&r);
  return code;
}

/* One that was taken over, and does not run in its unit yet. */
static bool end_outside(const struct record *r) {
  char state[24], seconds[32];
  lxc_state(r->name, state);
  if (strcmp(state, "running")) return true;
  snprintf(seconds, sizeof seconds, "--timeout=%u", r->spec.stop);
  const char *argv[] = {LXC_STOP, "--name", r->name, "--lxcpath", places.lxc, seconds, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = (int)r->spec.stop + BESIDE_STOP_S};
  return tool_run(&t);
}

/* What podman keeps of one whose end it did not see. */
static bool forget(const struct record *r) {
  const char *argv[] = {PODMAN, "--events-backend=none", "rm", "--force", "--ignore", "--", r->name, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  return tool_run(&t);
}

bool container_down(const struct record *r, char why[WHY]) {
  struct tool t;
  char said[400];
  int most = (int)r->spec.stop + BESIDE_STOP_S;
  char unit[CONTAINER_UNIT_ROOM];
  struct unit_state s;
  container_unit_name(unit, r->name);
  /* Of a unit that there is not, systemctl(1) says that it cannot be stopped. */
  if (!systemctl(r, "stop", true, most, &t) && !(t.end == PROGRAM_FAILED && unit_show(unit, &s) && (!strcmp(s.active, "inactive") || !strcmp(s.active, "failed")))) {
    snprintf(why, WHY, "systemd cannot end it: %s", tool_said(&t, said));
    return false;
  }
  /* That it had to be ended by force is no failure of it. */
  (void)systemctl(r, "reset-failed", true, SHORT_S, &t);
  if (r->spec.engine == SPEC_PCT || (r->spec.engine == SPEC_PODMAN ? forget(r) : end_outside(r))) return true;
  snprintf(why, WHY, "it still runs outside of its unit");
  return false;
}

int container_stop(const struct fields *t) {
  struct record r;
  char why[WHY] = "";
  if (!record_take(t, &r)) return 1;
  bool down = is_bare(&r) || container_down(&r, why);
  int code = down && r.spec.engine == SPEC_PCT ? pct_stop(&r) : ended(down, why);
  record_close(&r);
  return code;
}

int container_restart(const struct fields *t) {
  struct record r;
  char why[WHY] = "";
  if (!record_take(t, &r)) return 1;
  int code;
  if (is_bare(&r)) code = pct_restart(&r);
  /* One that was taken over is started in its unit for the first time; one that sleeps is only ended. */
  else if (r.spec.idle || runs_outside(&r)) code = ended(container_down(&r, why) && container_up(&r, why), why);
  else code = ended(bring_up(&r, "restart", why), why);
  record_close(&r);
  return code;
}
