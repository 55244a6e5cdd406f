/*
 * reeve-unit: one piece of work on units of systemd, for one connection of the agent. See README.md.
 *
 * usage: reeve-unit [--state DIR] [--systemctl FILE] [--journalctl FILE] [--caller-uid UID]      (the connection is standard input)
 *
 * exit codes: 0 done, and the agent knows; 1 not done, and it knows why; 2 there was no ticket, or the caller was somebody else.
 */
#include "unit_work.h"
#include <signal.h>

struct job_config job = {.state = "/var/lib/reeve-privd"};
struct unit_programs programs = {.systemctl = SYSTEMCTL, .journalctl = JOURNALCTL};

static const struct { const char *name; int (*run)(const struct fields *t); } works[] = {{"status", unit_status}, {"restart", unit_restart}, {"log", unit_log}, {NULL, NULL}};

static bool parse_options(int argc, char **argv) {
  for (int i = 1; i < argc; i += 2) {
    char *end;
    if (i + 1 == argc) return false;
    if (!strcmp(argv[i], "--state")) job.state = argv[i + 1];
    else if (!strcmp(argv[i], "--systemctl")) programs.systemctl = argv[i + 1];
    else if (!strcmp(argv[i], "--journalctl")) programs.journalctl = argv[i + 1];
    else if (!strcmp(argv[i], "--caller-uid")) {
      job.caller = (uid_t)strtoul(argv[i + 1], &end, 10);
      if (!*argv[i + 1] || *end) return false;
    } else return false;
  }
  return true;
}

int main(int argc, char **argv) {
  struct fields t = {0};
  gid_t caller_gid;
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  job.caller = (uid_t)-1;
  (void)account_ids("reeve-agent", &job.caller, &caller_gid);
  if (!parse_options(argc, argv) || job.caller == (uid_t)-1 || !job_ticket("unit-job", &t)) return 2;
  const char *work = field(&t, "work");
  for (size_t i = 0; work && works[i].name; i++) if (!strcmp(works[i].name, work)) return job_leave(works[i].run(&t));
  return 2;
}
