/* Whether a dump of a snapshot loads: into a server of its own that sees nothing but programs and a folder to write in, and is thrown away. The dump is what some
 * source says it is, and a superuser of that server can run programs, so all of it has the rights of nobody and no way out. */
#include "load.h"
#include "rsync.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MOST_MS (30 * 60 * 1000)
#define TEXT_MOST (8u << 20)

int load_failed(const struct program *p, enum program_end end) {
  char ended[40];
  const char *name = strrchr(p->argv[0], '/') + 1;
  if (end == PROGRAM_GONE || !program_tell(p)) return 1;
  if (end == PROGRAM_LATE) return job_failed("%s did not come to its end within 30 minutes", name);
  return job_failed("%s failed: %s", name, program_ended(p, ended));
}

int load_input(const char *text, size_t n) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd >= 0 && write_whole(fd, text, n) && lseek(fd, 0, SEEK_SET) == 0) return fd;
  end_fd(&fd);
  return -1;
}

static bool read_all(int fd, struct buf *text) {
  char part[16384];
  ssize_t n;
  off_t at = 0;
  for (; (n = pread(fd, part, sizeof part, at)) > 0; at += n) buf_put(text, part, (size_t)n);
  buf_put(text, "", 1);
  return n == 0 && !text->full;
}

int load_step(struct load *l, const char *const *argv, int in, struct buf *text) {
  AUTO_FD out = text ? memfd_create("output", MFD_CLOEXEC) : -1;
  struct program p = {.argv = argv, .in = in, .out = out, .uid = SAME_ACCOUNT, .deadline_ms = l->deadline_ms, .pace = &l->pace, .grows = -1};
  enum program_end end = program_run(&p);
  if (end != PROGRAM_OK) return load_failed(&p, end);
  return !text || (out >= 0 && read_all(out, text)) ? 0 : job_failed("%s printed too much", argv[0]);
}

int load_wait(struct load *l, struct program *server, const char *const *argv) {
  int64_t until = job_now_ms() + READY_MS;
  for (;;) {
    struct program p = {.argv = argv, .in = -1, .out = -1, .uid = SAME_ACCOUNT, .deadline_ms = l->deadline_ms, .pace = &l->pace, .grows = -1};
    enum program_end end = program_watch(server, 300);
    if (end != PROGRAM_OK) return load_failed(server, end);
    end = program_run(&p);
    if (end == PROGRAM_OK) return 0;
    if (end != PROGRAM_FAILED || job_now_ms() > until) return load_failed(end == PROGRAM_FAILED ? server : &p, end == PROGRAM_FAILED ? PROGRAM_LATE : end);
  }
}

void load_count(struct load *l, const char *text) {
  while (*text) {
    size_t n = strcspn(text, "\n");
    uint64_t rows;
    if (parse_number(text, n, INT64_MAX, &rows)) {
      l->tables++;
      l->rows += rows;
    }
    text += n;
    text += *text == '\n';
  }
}

static int result(const struct load *l) {
  struct buf more;
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "count", l->tables);
  say_number(&more, "rows", l->rows);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

/* In the folder of the job, as reeve-backup: away with what is there, and an empty one when `data` says so. */
static int clear_scratch(const struct fields *t, void *data) {
  struct pace pace;
  const bool *make = data;
  (void)t;
  pace_begin(&pace);
  AUTO_FD store = open_plain("/", O_RDONLY | O_DIRECTORY);
  AUTO_FD old = store < 0 ? -1 : open_in(store, "scratch", O_RDONLY | O_DIRECTORY);
  if (old < 0 && errno != ENOENT) return 1;
  if (old >= 0 && (!remove_all(old, &pace) || unlinkat(store, "scratch", AT_REMOVEDIR))) return 1;
  return *make && mkdirat(store, "scratch", 0700) ? 1 : 0;
}

/* Programs of servers want to know who they are. */
static bool name_account(struct view *v) {
  char text[120];
  int n = snprintf(text, sizeof text, STORE_USER ":x:%u:%u::" SCRATCH ":/bin/sh\n", (unsigned)job.store_uid, (unsigned)job.store_gid);
  return view_file(v, "/etc/passwd", text, (size_t)n);
}

/* The first process of its own: when it ends, everything in there does. */
static _Noreturn void inside(const struct view *v, const struct fields *t, int dump, uint64_t bytes) {
  struct load l = {.dump = dump, .deadline_ms = job_now_ms() + MOST_MS};
  signal(SIGPIPE, SIG_IGN);
  if (setsid() < 0 || !view_enter(v, job.store_uid, job.store_gid, 0, SCRATCH, false)) _exit(126);
  pace_begin(&l.pace);
  l.pace.bytes_total = bytes;
  int code = strcmp(field(t, "engine"), "mysql") ? load_postgres(&l) : load_mysql(&l);
  _exit(code ? code : result(&l));
}

/* Once more, because only what was opened in a namespace can be mounted there; the folder is the one that is locked. */
static int open_scratch(const struct fields *t, int store) {
  struct stat a, b;
  AUTO_FD again = open_plain(field(t, "folder"), O_RDONLY | O_DIRECTORY);
  if (again < 0 || fstat(again, &a) || fstat(store, &b)) return -1;
  if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) return open_in(again, "scratch", O_PATH | O_DIRECTORY);
  errno = ESTALE;
  return -1;
}

/* In a process of its own: what works in these namespaces does not come back from them. */
static int run_there(const struct fields *t, int store, int dump, uint64_t bytes) {
  static struct view v;
  char why[300];
  int status = 0;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL)) return 1;
  /* The folders of the root are for the account, too. */
  umask(022);
  if (!view_begin(&v, why)) return job_failed("%s", why);
  AUTO_FD scratch = open_scratch(t, store);
  if (scratch < 0) return job_failed("there is no place to load it into (%s)", error_word());
  if (!view_bind(&v, scratch, SCRATCH, true, why) || !view_build(&v, why)) return job_failed("%s", why);
  if (!name_account(&v)) return job_failed("the account cannot be named there (%s)", error_word());
  /* Where this is not given, the unit's end is theirs. */
  (void)unshare(CLONE_NEWPID);
  pid_t pid = fork();
  if (pid == 0) inside(&v, t, dump, bytes);
  while (pid > 0 && waitpid(pid, &status, 0) < 0) if (errno != EINTR) break;
  if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 126) return job_failed("the sandbox for the server cannot be entered");
  return WEXITSTATUS(status);
}

static int run(const struct fields *t, int store, int dump, uint64_t bytes) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(run_there(t, store, dump, bytes));
  while (pid > 0 && waitpid(pid, &status, 0) < 0) if (errno != EINTR) break;
  if (pid < 0 || !WIFEXITED(status)) return job_failed("the proof did not come to its end");
  return WEXITSTATUS(status);
}

static int open_dump(const struct fields *t, int store, uint64_t *bytes) {
  const char *snapshot = field(t, "snapshot");
  char path[400];
  struct stat st;
  snprintf(path, sizeof path, "snapshots/%s" DUMP_DIR "/%s/%s-%s.dump", snapshot, field(t, "job"), field(t, "engine"), field(t, "database"));
  int fd = open_in(store, path, READ_FLAGS);
  if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == job.store_uid) {
    *bytes = (uint64_t)st.st_size;
    return fd;
  }
  end_fd(&fd);
  return -1;
}

int work_load(const struct fields *t) {
  const char *engine = field(t, "engine"), *database = field(t, "database"), *snapshot = field(t, "snapshot"), *refused = dump_refused(engine, database);
  bool make = true;
  uint64_t bytes = 0;
  char why[300];
  if (refused) return job_failed("%s", refused);
  if (!snapshot || !backup_snapshot(snapshot)) return job_failed("there is no such snapshot");
  const char *missing = strcmp(engine, "mysql") ? postgres_missing() : mysql_missing();
  if (missing) return job_failed("%s", missing);
  AUTO_FD store = store_open(t, why);
  if (store < 0) return job_failed("%s", why);
  AUTO_FD dump = open_dump(t, store, &bytes);
  if (dump < 0) return job_failed("the snapshot \"%s\" has no dump of \"%s\"", snapshot, database);
  if (!store_lock(store)) return job_failed("another piece of work writes in the folder");
  if (store_work(store, clear_scratch, t, &make)) return job_failed("what an earlier proof left cannot be removed");
  int code = run(t, store, dump, bytes);
  make = false;
  (void)store_work(store, clear_scratch, t, &make);
  return code;
}
