/*
 * reeve-container: one piece of work on containers, for one connection of the agent. See README.md.
 *
 * usage: reeve-container [--state DIR] [--lxc DIR] [--pct FILE] [--caller-uid UID] [--no-landlock]      (the connection is standard input)
 *        reeve-container wait ADDRESS PORT SECONDS      (until something takes connections there; for the units of containers that sleep)
 *
 * exit codes: 0 done, and the agent knows; 1 not done, and it knows why; 2 there was no ticket, or the caller was somebody else.
 */
#include "container.h"
#include <signal.h>

struct job_config job = {.state = "/var/lib/reeve-privd", .landlock = true};
struct container_places places = {.lxc = "/var/lib/lxc", .pct = "/usr/sbin/pct"};

static const struct { const char *name; int (*run)(const struct fields *t); } works[] = {
  {"build", container_build}, {"start", container_start}, {"stop", container_stop}, {"restart", container_restart}, {"health", container_health}, {"limit", container_limit},
  {"remove", container_remove}, {"snapshot", container_snapshot_make}, {"rollback", container_rollback}, {"drop", container_drop}, {"images", container_images}, {"snapshots", container_snapshots},
  {"inspect", container_inspect}, {"pull", container_pull}, {"import", container_import}, {"prune", container_prune}, {"log", container_log}, {"adopt", container_adopt}, {NULL, NULL},
};

#ifdef REEVE_TEST
/* Armed by the file <state>/failpoint.<name>, for the next one. */
void failpoint(const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/failpoint.%s", job.state, name);
  if (!unlink(path)) kill(getpid(), SIGKILL);
}
#endif

static bool parse_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *end;
    if (!strcmp(argv[i], "--no-landlock")) {
      job.landlock = false;
      continue;
    }
    if (++i == argc) return false;
    if (!strcmp(argv[i - 1], "--state")) job.state = argv[i];
    else if (!strcmp(argv[i - 1], "--lxc")) places.lxc = argv[i];
    else if (!strcmp(argv[i - 1], "--pct")) places.pct = argv[i];
    else if (!strcmp(argv[i - 1], "--caller-uid")) {
      job.caller = (uid_t)strtoul(argv[i], &end, 10);
      if (!*argv[i] || *end) return false;
    } else return false;
  }
  return true;
}

int main(int argc, char **argv) {
  struct fields t = {0};
  gid_t caller_gid;
  signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && !strcmp(argv[1], "wait")) return wait_main(argc, argv);
  umask(077);
  job.caller = (uid_t)-1;
  (void)account_ids("reeve-agent", &job.caller, &caller_gid);
  if (!parse_options(argc, argv) || job.caller == (uid_t)-1 || !job_ticket("container-job", &t)) return 2;
  const char *work = field(&t, "work");
  for (size_t i = 0; work && works[i].name; i++) if (!strcmp(works[i].name, work)) return job_leave(works[i].run(&t));
  return 2;
}
