/* observe.container: records, files and control groups; of containers that should run and do not, systemd is asked once. */
#include "container_look.h"
#include <stdarg.h>

#define F(c, field) (&(c)->f[REEVE_F_OBSERVE_CONTAINER_##field])
#define TAG(field) REEVE_R_OBSERVE_CONTAINER_CONTAINER_##field
#define REPLY_MOST (REEVE_CONTENT_BYTES - (256u << 10))
#define FOREIGN_MOST 1000u

struct seen {
  struct container k;
  struct figures f;
  char unit[128], edited[256], reason[256];
  const char *state;
  bool boot, asked;                        /* asked: only systemd knows why it does not run */
};

struct all {
  struct call *c;
  struct seen *seen;
  size_t n, foreign;
  bool truncated;
  const char *only;
  struct listening *listening;             /* NULL: not looked at yet */
};

static bool is_full(struct all *a) {
  a->truncated = a->truncated || a->c->reply.n > REPLY_MOST;
  return a->truncated;
}

static void say(struct seen *s, const char *state, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(struct seen *s, const char *state, const char *format, ...) {
  va_list list;
  s->state = state;
  va_start(list, format);
  vsnprintf(s->reason, sizeof s->reason, format, list);
  va_end(list);
}

/* The group that a container of ours runs in. */
static bool runs(struct seen *s) {
  char group[512];
  const struct spec *spec = &s->k.spec;
  if (spec->engine == SPEC_PCT) {
    snprintf(group, sizeof group, "lxc/%u", spec->id);
    return figures_of(group, &s->f);
  }
  snprintf(group, sizeof group, "system.slice/%s", s->unit);
  if (figures_of(group, &s->f)) return true;
  /* One that was adopted runs where it was started until it is started again. */
  return spec->adopted && lxc_group(s->k.name, group, &s->f);
}

static const char *needs(const struct container *k, char path[256]) {
  if (k->spec.engine == SPEC_PODMAN) return NULL;
  if (k->spec.engine == SPEC_PCT) snprintf(path, 256, "/etc/pve/lxc/%u.conf", k->spec.id);
  else snprintf(path, 256, CONTAINER_LXC "/%s/%s", k->name, k->spec.adopted ? "config" : "rootfs");
  return access(path, F_OK) ? path : NULL;
}

static void look_links(struct seen *s) {
  const struct spec *spec = &s->k.spec;
  char unit[128];
  if (spec->engine == SPEC_PCT && !spec->idle) {
    s->boot = spec->boot;
    return;
  }
  s->boot = spec->idle ? spec->ports.n > 0 : container_has_link(&s->k, s->unit);
  for (size_t i = 0; s->boot && spec->idle && i < spec->ports.n; i++) {
    container_port_unit(unit, s->k.name, spec->ports.items[i].port, "socket");
    s->boot = container_has_link(&s->k, unit);
  }
}

/* The kernel looks through all connections for it: only where one sleeps. */
static bool wakes(struct all *a, uint32_t port) {
  if (!a->listening && (a->listening = malloc(sizeof *a->listening))) listening_read(a->listening);
  return a->listening && a->listening->ports[port];
}

static void look_state(struct all *a, struct seen *s) {
  const struct spec *spec = &s->k.spec;
  char path[256];
  bool gone, running = runs(s);
  const char *edited = container_edited(&s->k, &gone, path);
  if (edited && !gone) snprintf(s->edited, sizeof s->edited, "%s", edited);
  if (edited && gone) {
    say(s, running ? "running" : "missing", "%s is not there", edited);
    return;
  }
  if (!running && needs(&s->k, path)) {
    say(s, "missing", "%s is not there", path);
    return;
  }
  if (running) {
    s->state = spec->engine == SPEC_PODMAN && !s->f.has_init ? "starting" : "running";
    return;
  }
  s->state = "stopped";
  s->asked = spec->running && !spec->idle && spec->engine != SPEC_PCT;
  if (!spec->running || !spec->idle) return;
  s->state = "sleeping";
  for (size_t i = 0; i < spec->ports.n; i++) if (!wakes(a, spec->ports.items[i].port)) say(s, "stopped", "nothing listens on port %u, which would wake it", spec->ports.items[i].port);
}

static void look(struct all *a, const char *name) {
  struct seen *s = &a->seen[a->n];
  *s = (struct seen){.state = "missing"};
  if (!container_read(name, &s->k) || (!s->k.there && !s->k.damaged)) {
    container_free(&s->k);
    return;
  }
  a->n++;
  if (s->k.damaged) {
    snprintf(s->edited, sizeof s->edited, "%s/" CONTAINER_DIR "/%s/spec", config.state, name);
    say(s, "missing", "its record cannot be read");
    return;
  }
  if (s->k.spec.engine != SPEC_PCT || s->k.spec.idle) container_unit_name(s->unit, name);
  look_links(s);
  look_state(a, s);
}

/* sd_bus properties of a service, in words. CLD_EXITED is 1, CLD_KILLED 2, CLD_DUMPED 3. */
static void tell_why(struct seen *s, const struct unit_state *u) {
  if (!strcmp(u->active, "deactivating")) say(s, "stopping", "%s", "");
  else if (!strcmp(u->active, "activating") && strcmp(u->sub, "auto-restart")) say(s, "starting", "%s", "");
  else if (!strcmp(u->active, "inactive") && !strcmp(u->result, "success")) say(s, "stopped", "%s", "");
  else if (!strcmp(u->active, "active") || !u->active[0]) return;
  else if (!strcmp(u->result, "oom-kill")) say(s, "failed", "it had used all of its memory");
  else if (!strcmp(u->result, "timeout")) say(s, "failed", "it took too long to start or to end");
  else if (u->code == 1) say(s, "failed", "it ended with exit code %u", u->status);
  else if (u->code == 2 || u->code == 3) say(s, "failed", "it was ended by signal %u", u->status);
  else say(s, "failed", "systemd says: %s", u->result);
}

static void ask(struct all *a) {
  struct unit_state *units = calloc(a->n ? a->n : 1, sizeof *units);
  size_t n = 0;
  for (size_t i = 0; units && i < a->n; i++) if (a->seen[i].asked) snprintf(units[n++].unit, sizeof units->unit, "%s", a->seen[i].unit);
  (void)unit_states(a->c, units, n);
  a->c->errors.n = 0;
  for (size_t i = 0, at = 0; units && i < a->n; i++) if (a->seen[i].asked) tell_why(&a->seen[i], &units[at++]);
  free(units);
}

static void put_figures(struct buf *b, const struct figures *f) {
  reply_u64(b, TAG(SINCE_MS), f->since_ms);
  reply_u32(b, TAG(PID), f->pid);
  reply_u64(b, TAG(CPU_US), f->cpu_us);
  reply_u64(b, TAG(MEMORY), f->memory);
  reply_u64(b, TAG(MEMORY_MAX), f->memory_max);
  reply_bool(b, TAG(MEMORY_COUNTED), f->counted);
  reply_u32(b, TAG(TASKS), f->tasks);
  reply_u64(b, TAG(DISK), 0);
}

static void put_text(struct buf *b, uint16_t tag, const char *text) { reply_text(b, tag, text ? text : "", text ? strlen(text) : 0); }

static void put_seen(struct buf *b, const struct seen *s) {
  const struct spec *spec = &s->k.spec;
  size_t at = reply_begin(b, REEVE_R_OBSERVE_CONTAINER_CONTAINER);
  put_text(b, TAG(NAME), s->k.name);
  put_text(b, TAG(ENGINE), spec_engine_name(spec->engine));
  reply_bool(b, TAG(MANAGED), true);
  reply_bool(b, TAG(ADOPTED), spec->adopted);
  reply_bytes(b, TAG(SPEC), s->k.text ? s->k.text : "", s->k.n);
  reply_bool(b, TAG(PENDING), s->k.pending);
  put_text(b, TAG(STATE), s->state);
  put_text(b, TAG(REASON), s->reason);
  reply_bool(b, TAG(BOOT), s->boot);
  put_text(b, TAG(EDITED), s->edited);
  put_figures(b, &s->f);
  put_text(b, TAG(IMAGE), "");
  put_text(b, TAG(ADDRESS), spec->address);
  put_text(b, TAG(BRIDGE), spec->bridge);
  reply_u32(b, TAG(ID), spec->id);
  put_text(b, TAG(UNIT), s->unit);
  reply_bool(b, TAG(FRESH), s->k.fresh);
  reply_end(b, at);
}

static bool is_ours(const struct all *a, const struct foreign *found) {
  for (size_t i = 0; i < a->n; i++) {
    const struct container *k = &a->seen[i].k;
    if (!k->there || k->spec.engine != found->engine) continue;
    if (found->engine == SPEC_PCT ? k->spec.id == found->id : !strcmp(k->name, found->name)) return true;
  }
  return false;
}

static bool put_foreign(const struct foreign *found, void *data) {
  struct all *a = data;
  struct figures f = found->f;
  struct buf *b = &a->c->reply;
  if ((a->only && strcmp(a->only, found->name)) || is_ours(a, found)) return true;
  if (++a->foreign > FOREIGN_MOST) a->truncated = true;
  if (is_full(a)) return false;
  if (!found->stopped && !found->looked && found->group[0]) (void)figures_of(found->group, &f);
  else if (!found->stopped && !found->looked) figures_of_process(found->pid, &f);
  size_t at = reply_begin(b, REEVE_R_OBSERVE_CONTAINER_CONTAINER);
  put_text(b, TAG(NAME), found->name);
  put_text(b, TAG(ENGINE), spec_engine_name(found->engine));
  reply_bool(b, TAG(MANAGED), false);
  reply_bool(b, TAG(ADOPTED), false);
  reply_bytes(b, TAG(SPEC), "", 0);
  reply_bool(b, TAG(PENDING), false);
  put_text(b, TAG(STATE), found->stopped ? "stopped" : "running");
  put_text(b, TAG(REASON), "");
  reply_bool(b, TAG(BOOT), found->boot);
  put_text(b, TAG(EDITED), "");
  put_figures(b, &f);
  put_text(b, TAG(IMAGE), found->image);
  put_text(b, TAG(ADDRESS), found->address);
  put_text(b, TAG(BRIDGE), found->bridge);
  reply_u32(b, TAG(ID), found->id);
  put_text(b, TAG(UNIT), "");
  reply_bool(b, TAG(FRESH), false);
  reply_end(b, at);
  return true;
}

static void put_host(struct buf *b) {
  char controllers[512];
  size_t n = figures_controllers(controllers);
  reply_bool(b, REEVE_R_OBSERVE_CONTAINER_PODMAN, !access("/usr/bin/podman", X_OK));
  reply_bool(b, REEVE_R_OBSERVE_CONTAINER_LXC, !access("/usr/bin/lxc-start", X_OK));
  reply_bool(b, REEVE_R_OBSERVE_CONTAINER_PCT, container_is_proxmox());
  for (size_t at = 0; at < n; at += strlen(controllers + at) + 1) put_text(b, REEVE_R_OBSERVE_CONTAINER_LIMIT, controllers + at);
}

static void look_all(struct all *a, struct dirent **names, int n) {
  for (int i = 0; i < n; i++) if (!a->only || !strcmp(a->only, names[i]->d_name)) look(a, names[i]->d_name);
  free(a->listening);
  ask(a);
}

uint16_t op_observe_container(struct call *c) {
  struct dirent **names;
  int n = container_names(&names);
  struct all a = {.c = c, .seen = calloc(n ? (size_t)n : 1, sizeof *a.seen), .only = F(c, NAME)->text};
  if (a.seen) look_all(&a, names, n);
  end_names(names, n);
  for (size_t i = 0; i < a.n && !is_full(&a); i++) put_seen(&c->reply, &a.seen[i]);
  if (!strcmp(F(c, SCOPE)->text, "all") && a.seen) {
    foreign_podman(put_foreign, &a);
    foreign_lxc(put_foreign, &a);
    foreign_pct(put_foreign, &a);
  }
  put_host(&c->reply);
  reply_bool(&c->reply, REEVE_R_OBSERVE_CONTAINER_TRUNCATED, a.truncated);
  for (size_t i = 0; i < a.n; i++) container_free(&a.seen[i].k);
  uint16_t status = a.seen ? REEVE_OK : io_failed(c, "out of memory");
  free(a.seen);
  return status;
}
