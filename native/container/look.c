/* log, health. */
#include "container.h"

#define LINES_MOST 100000u
#define HEALTH_S 30

int container_log(const struct fields *t) {
  struct record r;
  char why[WHY] = "", unit[CONTAINER_UNIT_ROOM], match[CONTAINER_UNIT_ROOM + 20], lines[32];
  uint64_t n;
  if (!record_open(t, &r, why)) return job_failed("%s", why);
  if (!field_number(t, "lines", LINES_MOST, &n)) return job_failed("the ticket does not say how many lines");
  if (r.there && r.spec.engine == SPEC_PCT) return job_failed("what a container of Proxmox VE logs stays inside of it");
  container_unit_name(unit, r.name);
  snprintf(match, sizeof match, "_SYSTEMD_UNIT=%s", unit);
  snprintf(lines, sizeof lines, "--lines=%llu", (unsigned long long)n);
  const char *argv[] = {JOURNALCTL, "--quiet", "--no-pager", "--all", "--output=cat", lines, match, field_flag(t, "follow") ? "--follow" : NULL, NULL};
  /* What podman(1) says when it ended one. */
  struct tool tool = {.argv = argv, .in = -1, .skip = r.name};
  return tool_pass(&tool) ? job_done(NULL) : tool_failed(&tool, "the journal cannot be read");
}

/* The words of the record in the container, without a shell. */
int container_health(const struct fields *t) {
  struct record r;
  char why[WHY] = "", said[400];
  const char *argv[80] = {PODMAN, "--events-backend=none", "exec", "--"};
  size_t n = 4;
  if (!record_open(t, &r, why) || !r.there) return job_failed("%s", *why ? why : "there is no such container");
  if (r.spec.health != SPEC_HEALTH_COMMAND) return job_failed("its record has no command that asks for its health");
  argv[n++] = r.name;
  for (size_t i = 0; i < r.spec.health_args.n && n < 79; i++) argv[n++] = r.spec.health_args.items[i];
  struct tool tool = {.argv = argv, .in = -1, .seconds = HEALTH_S};
  if (tool_run(&tool)) return job_done(NULL);
  return tool.end == PROGRAM_GONE ? 1 : job_failed("%s", tool_said(&tool, said));
}
