/* adopt: a container of somebody else is under management from now on, as its record says. lxc and pct: it keeps running as it is. podman: it is kept beside under another name, and its place is taken. */
#include "container.h"

#define ASIDE "-before-reeve"
#define CONFIG_MOST (1u << 20)

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
  if (put_back(r, aside, ran)) return job_failed("what was to take its place did not start: %s; it is as it was before", why);
  return job_failed("what was to take its place did not start: %s; it could not be put back, and is called %s now", why, aside);
}

/* Whether a line of a config of lxc has lxc start it with the host. */
static bool starts_itself(const char *line) {
  static const char key[] = "lxc.start.auto";
  line += strspn(line, " \t");
  if (strncmp(line, key, strlen(key))) return false;
  line += strlen(key);
  line += strspn(line, " \t");
  return *line == '=' && line[1 + strspn(line + 1, " \t")] == '1';
}

/* The rest of its config stays as it is. */
static bool not_by_lxc(int dir) {
  struct stat st;
  AUTO_FD fd = openat(dir, "config", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  AUTO_TEXT text = fd < 0 || fstat(fd, &st) ? NULL : read_open(fd, CONFIG_MOST, NULL);
  bool found = false;
  struct buf out;
  if (!text) return false;
  buf_init(&out, CONFIG_MOST + 65536);
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, "\n");
    bool it = starts_itself(at);
    if (it) buf_put(&out, "lxc.start.auto = 0", 18);
    else buf_put(&out, at, n);
    if (at[n]) buf_put(&out, "\n", 1);
    found = found || it;
    at += n + (at[n] == '\n');
  }
  bool ok = !found || (!out.full && put_file(dir, "config", out.p, out.n, st.st_mode & 0777));
  buf_free(&out);
  return ok;
}

static bool not_by_debian(const char *name) {
  char unit[LXC_UNIT_ROOM];
  const char *argv[] = {SYSTEMCTL, "disable", "--quiet", "--", unit, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  return !lxc_unit(name, unit) || tool_run(&t);
}

/* Two that start it with the host would be in each other's way: from now on its unit does. */
static int adopt_lxc(const struct record *r) {
  AUTO_FD dir = lxc_folder(r);
  if (dir < 0 || faccessat(dir, "config", R_OK, 0)) return job_failed("there is no container of lxc with a config in %s/%s", places.lxc, r->name);
  if (!not_by_debian(r->name)) return job_failed("lxc@%s.service cannot be disabled, so that it would be started twice with the host", r->name);
  return not_by_lxc(dir) ? job_done(NULL) : job_failed("lxc.start.auto of its config cannot be altered, so that it would be started twice with the host");
}

int container_adopt(const struct fields *t) {
  struct record r;
  if (!record_take(t, &r)) return 1;
  int code = r.spec.engine == SPEC_PODMAN ? adopt_podman(&r) : r.spec.engine == SPEC_LXC ? adopt_lxc(&r) : pct_adopt(&r);
  record_close(&r);
  return code;
}
