/*
 * reeve-job: one piece of long work, for one connection of the agent. See README.md.
 *
 * usage: reeve-job [--state DIR] [--caller-uid UID] [--store-uid UID] [--no-landlock]      (the connection is standard input)
 *        pipe                  (the same program by another name: the remote shell that rsync is given; it hands rsync's pipes to the process that started rsync)
 *
 * exit codes: 0 done, and the agent knows; 1 not done, and it knows why; 2 there was no ticket, or the caller was somebody else.
 */
#include "program.h"
#include "rsync.h"
#include <libgen.h>
#include <signal.h>


struct job_config job = {.state = "/var/lib/reeve-privd", .landlock = true};

static const struct { const char *name; int (*run)(const struct fields *t); } works[] = {
  {"inspect", work_inspect}, {"send", work_send}, {"receive", work_receive}, {"restore-send", work_restore_send}, {"restore-receive", work_restore_receive}, {"discard", work_discard},
  {"dump", work_dump}, {"load", work_load}, {"snapshots", work_snapshots}, {"list", work_list}, {"find", work_find}, {"sample", work_sample},
  {"hash", work_hash}, {"prune", work_prune}, {"adopt", work_adopt}, {NULL, NULL},
};

static bool parse_options(int argc, char **argv) {
  uint32_t uid;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--no-landlock")) job.landlock = false;
    else if (!strcmp(argv[i], "--state")) job.state = value, i++;
    else if (!strcmp(argv[i], "--caller-uid") || !strcmp(argv[i], "--store-uid")) {
      char *end;
      uid = (uint32_t)strtoul(value, &end, 10);
      if (!*value || *end) return false;
      if (argv[i][2] == 'c') job.caller = uid;
      else job.store_uid = job.store_gid = uid;
      i++;
    } else return false;
  }
  return true;
}

int main(int argc, char **argv) {
  struct fields t = {0};
  gid_t caller_gid;
  if (argc > 0 && !strcmp(basename(argv[0]), PIPE_NAME)) return pipe_main();
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  job.caller = job.store_uid = (uid_t)-1;
  (void)account_ids("reeve-agent", &job.caller, &caller_gid);
  (void)account_ids(STORE_USER, &job.store_uid, &job.store_gid);
  if (!parse_options(argc, argv) || job.caller == (uid_t)-1 || job.store_uid == (uid_t)-1 || job.store_uid == 0) return 2;
  if (!job_ticket("job", &t)) return 2;
  const char *work = field(&t, "work");
  for (size_t i = 0; work && works[i].name; i++) if (!strcmp(works[i].name, work)) return job_leave(works[i].run(&t));
  return 2;
}
