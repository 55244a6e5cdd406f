/* What is in the folder of a job: its snapshots, a folder of one, files by a pattern. In all of it names are what some source called its files. */
#include "tree.h"
#include <dirent.h>
#include <fnmatch.h>

#define FOUND_MOST 10000u
#define PATTERN_MOST 1024u

/* Opens the folder of the job and does it there. */
static int in_store(const struct fields *t, int (*work)(const struct fields *t, void *data)) {
  char why[300];
  AUTO_FD store = store_open(t, why);
  if (store < 0) return job_failed("%s", why);
  int code = store_work(store, work, t, NULL);
  return code < 0 ? job_failed("the work in the folder did not come to its end") : code;
}

static int tell_snapshots(const struct fields *t, void *data) {
  (void)t;
  (void)data;
  struct dirent **names = NULL;
  struct buf b;
  AUTO_FD store = open_plain("/", O_RDONLY | O_DIRECTORY);
  int n = store < 0 ? -1 : snapshot_names(store, &names);
  bool there = true;
  if (n < 0) return job_failed("the snapshots cannot be read (%s)", error_word());
  for (int i = 0; i < n && there; i++) {
    struct snapshot_info info;
    snapshot_info(store, names[i]->d_name, &info);
    buf_init(&b, PAYLOAD_MAX);
    say(&b, "snapshot", names[i]->d_name);
    say(&b, "complete", info.complete ? "1" : "0");
    say_number(&b, "files", info.files);
    say_number(&b, "bytes", info.bytes);
    say_number(&b, "sent-bytes", info.sent_bytes);
    there = put_fields(F_ROW, &b);
    buf_free(&b);
  }
  end_names(names, n);
  return there ? job_done(NULL) : 1;
}

int work_snapshots(const struct fields *t) { return in_store(t, tell_snapshots); }

/* What a stored link points at. */
static void say_target(struct buf *b, int fd) {
  char target[PATH_ROOM];
  ssize_t n = pread(fd, target, sizeof target, 0);
  if (n > 0 && !memchr(target, 0, (size_t)n)) say_bytes(b, "target", target, (size_t)n);
}

static bool tell_entry(const char *snapshot, int dir, const char *name, const char *path) {
  struct stat st;
  struct entry e = {0};
  struct buf b;
  AUTO_FD fd = entry_open(dir, name, &st, &e);
  if (fd < 0 && errno == ENOENT) return true;
  const char *problem = fd < 0 ? error_word() : NULL;
  row_begin(&b, snapshot, path);
  if (e.mode) row_entry(&b, &e);
  else say(&b, "kind", "missing");
  if (fd >= 0 && S_ISLNK(e.mode)) say_target(&b, fd);
  if (problem) say(&b, "problem", problem);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

static int no_dots(const struct dirent *e) { return strcmp(e->d_name, ".") && strcmp(e->d_name, ".."); }
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static bool tell_folder(const char *snapshot, int dir, const char *path) {
  char whole[2 * PATH_ROOM];
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, no_dots, by_name);
  bool there = n >= 0 || put_problem(path, "the folder cannot be read");
  for (int i = 0; i < n && there; i++) {
    snprintf(whole, sizeof whole, "%s%s%s", path, *path ? "/" : "", names[i]->d_name);
    there = tell_entry(snapshot, dir, names[i]->d_name, whole);
  }
  end_names(names, n);
  return there;
}

/* "/a/b/" is "a/b". False: too long, or with a component that is no name. */
static bool plain_path(const char *text, char out[PATH_ROOM]) {
  text += strspn(text, "/");
  size_t n = strlen(text);
  if (n >= PATH_ROOM) return false;
  while (n > 0 && text[n - 1] == '/') n--;
  memcpy(out, text, n);
  out[n] = 0;
  for (const char *at = out; n > 0; at++) {
    size_t part = strcspn(at, "/");
    if (part == 0 || part > 255 || (part == 1 && *at == '.') || (part == 2 && at[0] == '.' && at[1] == '.')) return false;
    at += part;
    if (!*at) break;
  }
  return true;
}

/* The folder that something is in, and its name there. */
static int open_above(int root, char path[PATH_ROOM], const char **name) {
  char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!slash) return openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *slash = 0;
  int dir = open_in(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *slash = '/';
  return dir;
}

static bool is_absent(void) { return errno == ENOENT || errno == ENOTDIR || errno == ELOOP; }

static int tell_list(const struct fields *t, void *data) {
  (void)data;
  const char *snapshot = field(t, "snapshot"), *wanted = field(t, "path"), *name = "";
  char path[PATH_ROOM];
  struct stat st;
  if (!snapshot || !plain_path(wanted ? wanted : "", path)) return job_failed("the path is no path in a snapshot");
  AUTO_FD root = snapshot_open(snapshot);
  if (root < 0) return job_failed("there is no snapshot \"%s\" (%s)", snapshot, error_word());
  if (!*path) return tell_folder(snapshot, root, "") ? job_done(NULL) : 1;
  AUTO_FD above = open_above(root, path, &name);
  bool there = true;
  if (above < 0 || fstatat(above, name, &st, AT_SYMLINK_NOFOLLOW)) {
    if (!is_absent()) return job_failed("the path cannot be opened (%s)", error_word());
    there = row_missing(snapshot, path);
  } else if (S_ISDIR(st.st_mode)) {
    AUTO_FD dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return job_failed("the folder cannot be opened (%s)", error_word());
    there = tell_folder(snapshot, dir, path);
  } else there = tell_entry(snapshot, above, name, path);
  return there ? job_done(NULL) : 1;
}

int work_list(const struct fields *t) { return in_store(t, tell_list); }

struct search { const char *pattern, *snapshot; bool whole, truncated; uint32_t found; struct pace pace; };

static bool find_step(const struct place *at, void *data) {
  struct search *s = data;
  s->pace.files++;
  if (!pace_step(&s->pace)) return false;
  if (fnmatch(s->pattern, s->whole ? at->path : at->name, s->whole ? FNM_PATHNAME : 0)) return true;
  if (s->found == FOUND_MOST) {
    s->truncated = true;
    return false;
  }
  s->found++;
  return tell_entry(s->snapshot, at->dir, at->name, at->path);
}

static int tell_found(const struct fields *t, void *data) {
  (void)data;
  struct search s = {.pattern = field(t, "pattern")};
  struct dirent **names = NULL;
  struct buf more;
  if (!s.pattern || !*s.pattern || strlen(s.pattern) > PATTERN_MOST) return job_failed("the pattern is empty or too long");
  s.whole = strchr(s.pattern, '/') != NULL;
  s.pattern += strspn(s.pattern, "/");
  AUTO_FD store = open_plain("/", O_RDONLY | O_DIRECTORY);
  int n = store < 0 ? -1 : snapshot_names(store, &names);
  bool on = true;
  if (n < 0) return job_failed("the snapshots cannot be read (%s)", error_word());
  pace_begin(&s.pace);
  for (int i = n - 1; i >= 0 && on; i--) {
    AUTO_FD root = snapshot_open(names[i]->d_name);
    s.snapshot = names[i]->d_name;
    on = root < 0 || walk(root, find_step, &s);
  }
  end_names(names, n);
  if (!on && !s.truncated) return 1;
  buf_init(&more, PAYLOAD_MAX);
  say(&more, "truncated", s.truncated ? "1" : "0");
  say_number(&more, "count", s.found);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

int work_find(const struct fields *t) { return in_store(t, tell_found); }
