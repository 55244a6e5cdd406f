/* A dump of a database, where the next run of its job takes it: complete, or as it was before. */
#include "program.h"
#include <sys/file.h>

struct dump { const char *engine, *database; char name[96], fresh[112]; int folder, out; };

/* A folder that only root reads; made if it is missing. */
static int private_folder(int above, const char *name) {
  struct stat st;
  if (mkdirat(above, name, 0700) && errno != EEXIST) return -1;
  int dir = open_in(above, name, O_RDONLY | O_DIRECTORY);
  if (dir >= 0 && !fstat(dir, &st) && st.st_uid == 0 && !(st.st_mode & 077)) return dir;
  if (dir >= 0) {
    close(dir);
    errno = EPERM;
  }
  return -1;
}

/* DUMP_DIR/JOB. */
static int dump_folder(const char *id) {
  AUTO_FD lib = open_plain("/var/lib", O_RDONLY | O_DIRECTORY);
  if (lib < 0 || (mkdirat(lib, "reeve-backup", 0755) && errno != EEXIST)) return -1;
  AUTO_FD home = open_in(lib, "reeve-backup", O_RDONLY | O_DIRECTORY);
  AUTO_FD all = home < 0 ? -1 : private_folder(home, strrchr(DUMP_DIR, '/') + 1);
  return all < 0 ? -1 : private_folder(all, id);
}

static bool open_dump(struct dump *d) {
  snprintf(d->name, sizeof d->name, "%s-%s.dump", d->engine, d->database);
  snprintf(d->fresh, sizeof d->fresh, "%s.new", d->name);
  if (unlinkat(d->folder, d->fresh, 0) && errno != ENOENT) return false;
  d->out = openat(d->folder, d->fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return d->out >= 0;
}

/* The program, and the account that the server knows as its own. NULL: `program` is ready; else why it is not there. */
static const char *prepare(const struct dump *d, struct program *program, const char *argv[12], char path[96]) {
  static const char *const mysql[] = {"--single-transaction", "--quick", "--routines", "--events", "--triggers", "--protocol=socket", "--user=root", "--", NULL};
  char folder[64];
  size_t n = 0;
  *program = (struct program){.argv = argv, .in = -1, .out = d->out, .grows = d->out, .deadline_ms = INT64_MAX};
  argv[n++] = path;
  if (!strcmp(d->engine, "postgresql")) {
    if (!newest_postgres("pg_dump", folder)) return "there is no pg_dump: postgresql is not installed here";
    if (!account_ids("postgres", &program->uid, &program->gid)) return "there is no account \"postgres\": postgresql is not installed here";
    snprintf(path, 96, "%s/pg_dump", folder);
    argv[n++] = "-Fc";
    argv[n++] = "--no-password";
    argv[n++] = "-d";
  } else {
    const char *tool = !access("/usr/bin/mariadb-dump", X_OK) ? "/usr/bin/mariadb-dump" : "/usr/bin/mysqldump";
    if (access(tool, X_OK)) return "there is no mariadb-dump and no mysqldump: mysql is not installed here";
    snprintf(path, 96, "%s", tool);
    for (const char *const *option = mysql; *option; option++) argv[n++] = *option;
  }
  argv[n++] = d->database;
  argv[n] = NULL;
  return NULL;
}

static int publish(const struct dump *d) {
  struct stat st;
  struct buf more;
  if (fstat(d->out, &st) || fsync(d->out)) return job_failed("the dump cannot be brought to the disk (%s)", error_word());
  if (st.st_size == 0) return job_failed("the dump is empty");
  if (renameat(d->folder, d->fresh, d->folder, d->name) || fsync(d->folder)) return job_failed("the dump cannot be put in its place (%s)", error_word());
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "bytes", (uint64_t)st.st_size);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static int run(const struct dump *d) {
  struct program program;
  struct pace pace;
  const char *argv[12];
  char path[96], ended[40];
  const char *absent = prepare(d, &program, argv, path);
  if (absent) return job_failed("%s", absent);
  pace_begin(&pace);
  program.pace = &pace;
  enum program_end end = program_run(&program);
  if (end == PROGRAM_GONE || !program_tell(&program)) return 1;
  if (end != PROGRAM_OK) return job_failed("%s of \"%s\" failed: %s", strrchr(path, '/') + 1, d->database, program_ended(&program, ended));
  return publish(d);
}

int work_dump(const struct fields *t) {
  const char *id = field(t, "job");
  struct dump d = {.engine = field(t, "engine"), .database = field(t, "database"), .out = -1};
  const char *refused = dump_refused(d.engine, d.database);
  if (refused || !id || !backup_id(id)) return job_failed("%s", refused ? refused : "the ticket has no job");
  AUTO_FD folder = dump_folder(id);
  if (folder < 0) return job_failed(DUMP_DIR "/%s cannot be used: it has to be root's alone (%s)", id, error_word());
  if (flock(folder, LOCK_EX | LOCK_NB)) return job_failed("another dump of this job is under way");
  d.folder = folder;
  int code = open_dump(&d) ? run(&d) : job_failed("a file cannot be made in " DUMP_DIR "/%s (%s)", id, error_word());
  if (d.out >= 0) close(d.out);
  /* What is there under this name is not complete. */
  if (*d.fresh) (void)unlinkat(folder, d.fresh, 0);
  return code;
}
