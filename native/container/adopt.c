/* adopt: a container of somebody else is under management from now on, as its record says. lxc and pct: it keeps running as it is. podman: it is kept beside under another name, and its place is taken. */
#include "container.h"

#define ASIDE "-before-reeve"

static bool podman(const char *verb, const char *option, const char *a, const char *b, int seconds, struct tool *t) {
  const char *argv[10] = {PODMAN, "--events-backend=none", verb};
  size_t n = 3;
  if (option) argv[n++] = option;
  argv[n++] = "--";
  argv[n++] = a;
  if (b) argv[n++] = b;
  argv[n] = NULL;
  *t = (struct tool){.argv = argv, .in = -1, .seconds = seconds};
  return tool_run(t);
}

/* By systemd: what this process starts would end with it, and have no more rights than it. */
static bool start_again(const char *name) {
  const char *argv[] = {"/usr/bin/systemd-run", "--quiet", "--collect", "--service-type=oneshot", "--remain-after-exit", "--property=KillMode=process", "--", PODMAN, "start", "--", name, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  return tool_run(&t);
}

/* As it was: under its name, and running if it ran. */
static bool put_back(const struct record *r, const char *aside, bool ran) {
  struct tool t;
  char why[WHY];
  return container_down(r, why) && podman("rename", NULL, aside, r->name, SHORT_S, &t) && (!ran || start_again(r->name));
}

static bool runs(const char *name) {
  const char *argv[] = {PODMAN, "--events-backend=none", "container", "inspect", "--format", "{{.State.Running}}", "--", name, NULL};
  struct buf out;
  buf_init(&out, 65536);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &out};
  bool yes = tool_run(&t) && !strncmp((char *)out.p, "true", 4);
  buf_free(&out);
  return yes;
}

static bool exists(const char *name) {
  struct tool t;
  const char *argv[] = {PODMAN, "--events-backend=none", "container", "exists", "--", name, NULL};
  t = (struct tool){.argv = argv, .in = -1, .seconds = SHORT_S};
  return tool_run(&t);
}

static int adopt_podman(const struct record *r) {
  char aside[100], stop[32], said[400], why[WHY] = "";
  struct tool t;
  snprintf(aside, sizeof aside, "%s" ASIDE, r->name);
  snprintf(stop, sizeof stop, "--time=%u", r->spec.stop);
  /* Cut off before: what ran is what its record says of it. */
  bool again = exists(aside), ran = again ? r->spec.running : runs(r->name);
  if (!again) {
    if (!podman("stop", stop, r->name, NULL, (int)r->spec.stop + SHORT_S, &t)) return tool_failed(&t, "podman cannot stop it");
    if (!podman("rename", NULL, r->name, aside, SHORT_S, &t)) {
      (void)tool_said(&t, said);
      if (ran) (void)start_again(r->name);
      return job_failed("podman cannot put it aside: %s", said);
    }
  }
  if (!r->spec.running || container_up(r, why)) return job_done(NULL);
  return job_failed("what was to take its place did not start: %s; %s", why, put_back(r, aside, ran) ? "it is as it was before" : "it could not be put back, and is called " ASIDE " now");
}

static int adopt_lxc(const struct record *r) {
  AUTO_FD dir = lxc_folder(r);
  return dir < 0 || faccessat(dir, "config", R_OK, 0) ? job_failed("there is no container of lxc with a config in %s/%s", places.lxc, r->name) : job_done(NULL);
}

int container_adopt(const struct fields *t) {
  struct record r;
  if (!record_take(t, &r)) return 1;
  int code = r.spec.engine == SPEC_PODMAN ? adopt_podman(&r) : r.spec.engine == SPEC_LXC ? adopt_lxc(&r) : pct_adopt(&r);
  record_close(&r);
  return code;
}
