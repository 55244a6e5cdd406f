/* Digests of files of a source. The process is root only until the folders are open; then it is an account that owns nothing, with the one right to read, and
 * sees nothing but what is below those descriptors. What a file is, is decided before it is opened: a fifo, or a device that begins to wind, never is. */
#include "tree.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FOLDERS_MOST 64u
#define PATHS_MOST 20000u
#define INPUT_MOST (1u << 20)
#define LAST_CAP 63

struct base { char path[PATH_ROOM]; size_t n; int fd; };         /* fd -1: it is missing */
struct bases { struct base at[FOLDERS_MOST]; size_t n; };

static bool base_add(struct bases *all, const char *path) {
  if (all->n == FOLDERS_MOST || *path != '/' || strlen(path) >= PATH_ROOM) return false;
  struct base *b = &all->at[all->n];
  strcpy(b->path, path);
  b->n = strlen(path);
  while (b->n > 0 && b->path[b->n - 1] == '/') b->path[--b->n] = 0;
  b->fd = open_plain(path, O_RDONLY | O_DIRECTORY);
  all->n++;
  return b->fd >= 0 || errno == ENOENT;
}

/* Only the right to read. For good: nothing that is started from here has more, and nothing is. */
static bool become_reader(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{1u << CAP_DAC_READ_SEARCH, 1u << CAP_DAC_READ_SEARCH, 0}, {0, 0, 0}};
  for (int cap = 0; cap <= LAST_CAP; cap++) if (cap != CAP_DAC_READ_SEARCH) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  bool ok = !prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) && !syscall(SYS_setgroups, 0, NULL) && !setresgid(job.store_gid, job.store_gid, job.store_gid);
  ok = ok && !setresuid(job.store_uid, job.store_uid, job.store_uid) && !syscall(SYS_capset, &head, data);
  return ok && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && setresuid(0, 0, 0);
}

/* All paths, before the first answer: else both sides could wait for each other. 1; 0 the agent has gone; -1 malformed. */
static int read_paths(struct buf *paths) {
  static uint8_t payload[PAYLOAD_MAX];
  enum frame kind;
  size_t n, count = 0;
  for (;;) {
    int got = get_frame(&kind, payload, &n);
    if (got <= 0) return got;
    if (kind != F_INPUT) return -1;
    if (n == 0) break;
    buf_put(paths, payload, n);
    if (paths->full) return -1;
  }
  for (size_t i = 0; i < paths->n; i++) if (!paths->p[i] && ++count > PATHS_MOST) return -1;
  return paths->n == 0 || !paths->p[paths->n - 1] ? 1 : -1;
}

/* The longest folder that it is below; `rest` from there. */
static const struct base *base_of(const struct bases *all, const char *path, const char **rest) {
  const struct base *best = NULL;
  for (size_t i = 0; i < all->n; i++) {
    const struct base *b = &all->at[i];
    if (strncmp(path, b->path, b->n) || (path[b->n] && path[b->n] != '/') || (best && best->n >= b->n)) continue;
    best = b;
    *rest = path + b->n;
  }
  if (!best) return NULL;
  *rest += strspn(*rest, "/");
  if (!**rest) *rest = ".";
  return best;
}

/* By the descriptor that says what it is: it is this very file, whatever is at its path now. */
static int open_again(int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool same_time(const struct timespec *a, const struct timespec *b) { return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec; }

/* Once more when it changed meanwhile. NULL: `digest` is that of `st`. `gone`: the agent has. */
static const char *digest_stable(int fd, struct stat *st, uint8_t digest[32], struct pace *p, bool *gone) {
  for (int try = 0; try < 2; try++) {
    struct stat after;
    if (fstat(fd, st) || lseek(fd, 0, SEEK_SET) < 0) return error_word();
    int problem = digest_file(fd, digest, p);
    *gone = problem < 0;
    if (problem < 0) return "";
    errno = problem;
    if (problem || fstat(fd, &after)) return error_word();
    if (after.st_size == st->st_size && same_time(&after.st_mtim, &st->st_mtim) && same_time(&after.st_ctim, &st->st_ctim)) return NULL;
  }
  return "it changed while it was read";
}

static bool tell_absent(const char *path, const char *problem) {
  struct buf b;
  row_begin(&b, NULL, path);
  say(&b, "kind", "missing");
  if (problem) say(&b, "problem", problem);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

static bool tell_file(const struct base *base, const char *path, const char *rest, struct pace *p) {
  struct stat st;
  struct entry e;
  struct buf b;
  uint8_t digest[32];
  char target[PATH_ROOM];
  bool gone = false;
  if (base->fd < 0) return tell_absent(path, NULL);
  AUTO_FD fd = open_in(base->fd, rest, O_PATH | O_NOFOLLOW);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return tell_absent(path, NULL);
  if (fd < 0 || fstat(fd, &st)) return tell_absent(path, errno == ELOOP ? "a part of its path is a symbolic link" : error_word());
  AUTO_FD file = S_ISREG(st.st_mode) ? open_again(fd) : -1;
  const char *problem = NULL;
  if (S_ISREG(st.st_mode)) problem = file < 0 ? error_word() : digest_stable(file, &st, digest, p, &gone);
  if (gone) return false;
  ssize_t n = S_ISLNK(st.st_mode) ? readlinkat(fd, "", target, sizeof target) : 0;
  entry_of(&st, &e);
  row_begin(&b, NULL, path);
  row_entry(&b, &e);
  if (n > 0) say_bytes(&b, "target", target, (size_t)n);
  if (S_ISREG(st.st_mode) && !problem) row_digest(&b, digest);
  if (problem) say(&b, "problem", problem);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

static int tell_files(const struct bases *all, const struct buf *paths) {
  struct pace pace;
  struct buf more;
  uint64_t count = 0;
  pace_begin(&pace);
  for (size_t i = 0; i < paths->n; i++) if (!paths->p[i]) pace.files_total++;
  for (size_t at = 0; at < paths->n; at += strlen((const char *)paths->p + at) + 1) {
    const char *path = (const char *)paths->p + at, *rest = NULL;
    const struct base *base = strlen(path) < PATH_ROOM ? base_of(all, path, &rest) : NULL;
    if (!(base ? tell_file(base, path, rest, &pace) : tell_absent(path, "it is below none of the folders"))) return 1;
    pace.files = ++count;
    if (!pace_step(&pace)) return 1;
  }
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "count", count);
  say_number(&more, "bytes", pace.bytes);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static bool open_bases(const struct fields *t, struct bases *all) {
  const char *id = field(t, "job");
  char dump[sizeof DUMP_DIR + 40];
  for (const char *folder = NULL; (folder = field_after(t, "folder", folder));) if (!base_add(all, folder)) return false;
  if (!id || !backup_id(id)) return true;
  snprintf(dump, sizeof dump, DUMP_DIR "/%s", id);
  return base_add(all, dump);
}

int work_hash(const struct fields *t) {
  static struct bases all;
  struct buf b, paths;
  if (!open_bases(t, &all)) return job_failed("a folder of the source cannot be opened (%s)", error_word());
  if (!become_reader()) return job_failed("the rights of root cannot be given up (%s)", error_word());
  buf_init(&b, PAYLOAD_MAX);
  say(&b, "sandbox", "full");
  bool there = put_fields(F_READY, &b);
  buf_free(&b);
  buf_init(&paths, INPUT_MOST);
  int got = there ? read_paths(&paths) : 0;
  int code = got > 0 ? tell_files(&all, &paths) : got == 0 ? 1 : job_failed("the list of paths is malformed or too long");
  buf_free(&paths);
  return code;
}
