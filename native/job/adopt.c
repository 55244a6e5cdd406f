/* What rsnapshot has made becomes snapshots: nothing is copied. Each level's folder is converted, noted, and moved, the oldest first; whatever stops it, the next
 * one goes on where it was. */
#include "convert.h"
#include "store.h"
#include <dirent.h>
#include <time.h>

#define LEVELS_MOST 1000
#define STASH ".reeve-adopt"

struct level { char name[256], path[PATH_ROOM + 256]; uint64_t number; int64_t time_s; char snapshot[SNAPSHOT_LEN + 2]; };
struct adoption { const char *point; int from, store; struct level *levels; size_t n; };

/* LEVEL.N */
static int is_level(const struct dirent *e) {
  const char *dot = strrchr(e->d_name, '.');
  uint64_t number;
  return dot && dot != e->d_name && parse_number(dot + 1, strlen(dot + 1), 999999, &number);
}

static bool is_point(const char *s) {
  if (!*s || strlen(s) > 1024) return false;
  for (;; s++) {
    size_t n = strcspn(s, "/");
    if (n == 0 || n > 255 || (n == 1 && *s == '.') || (n == 2 && s[0] == '.' && s[1] == '.')) return false;
    s += n;
    if (!*s) return true;
  }
}

/* Older ones first; of two of the same time the one with the higher number. */
static int by_age(const void *a, const void *b) {
  const struct level *x = a, *y = b;
  if (x->time_s != y->time_s) return x->time_s < y->time_s ? -1 : 1;
  if (x->number != y->number) return x->number > y->number ? -1 : 1;
  return strcmp(x->name, y->name);
}

static void add_level(struct adoption *a, const char *name) {
  struct level *l = &a->levels[a->n];
  struct stat st;
  AUTO_FD level = convert_open(a->from, name, O_PATH | O_DIRECTORY);
  AUTO_FD point = level < 0 ? -1 : convert_open(level, a->point, O_PATH | O_DIRECTORY);
  if (point < 0 || fstat(level, &st) || strlen(name) >= sizeof l->name) return;
  strcpy(l->name, name);
  snprintf(l->path, sizeof l->path, "%s/%s", name, a->point);
  l->number = strtoull(strrchr(name, '.') + 1, NULL, 10);
  l->time_s = st.st_mtim.tv_sec;
  a->n++;
}

static bool is_taken(const struct adoption *a, size_t before, const char *snapshot) {
  char path[40];
  struct stat st;
  for (size_t i = 0; i < before; i++) if (!strcmp(a->levels[i].snapshot, snapshot)) return true;
  snprintf(path, sizeof path, "snapshots/%s", snapshot);
  return a->store >= 0 && !fstatat(a->store, path, &st, AT_SYMLINK_NOFOLLOW);
}

static bool name_level(const struct adoption *a, size_t i) {
  struct level *l = &a->levels[i];
  for (time_t at = l->time_s;; at++) {
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(l->snapshot, sizeof l->snapshot, "%Y-%m-%dT%H%M%SZ", &tm) || !backup_snapshot(l->snapshot)) return false;
    if (!is_taken(a, i, l->snapshot)) return true;
  }
}

/* NULL, or what is wrong. */
static const char *find_levels(struct adoption *a) {
  struct dirent **names = NULL;
  int n = scandirat(a->from, ".", &names, is_level, NULL);
  if (n < 0) return "it cannot be read";
  a->levels = calloc(LEVELS_MOST, sizeof *a->levels);
  for (int i = 0; a->levels && i < n && a->n < LEVELS_MOST; i++) add_level(a, names[i]->d_name);
  end_names(names, n);
  if (!a->levels) return "there is no memory for it";
  qsort(a->levels, a->n, sizeof *a->levels, by_age);
  for (size_t i = 0; i < a->n; i++) if (!name_level(a, i)) return "the time of one of its folders cannot be the name of a snapshot";
  return NULL;
}

static bool put_planned(const struct level *l) {
  char modified[24];
  struct buf b;
  snprintf(modified, sizeof modified, "%lld", (long long)l->time_s * 1000);
  row_begin(&b, l->snapshot, l->path);
  say(&b, "kind", "directory");
  say(&b, "modified-ms", modified);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

static bool put_adopted(const struct level *l, const struct convert *c) {
  struct buf b;
  row_begin(&b, l->snapshot, l->path);
  say(&b, "complete", "1");
  say_number(&b, "files", c->files);
  say_number(&b, "bytes", c->bytes);
  say_number(&b, "sent-bytes", 0);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

struct note { const char *snapshot; uint64_t files, bytes; };

/* In the folder of the job, as reeve-backup. */
static int write_note(const struct fields *t, void *data) {
  const struct note *n = data;
  char text[200];
  (void)t;
  AUTO_FD info = open_plain("/info", O_RDONLY | O_DIRECTORY);
  snprintf(text, sizeof text, "complete=1\nfiles=%llu\nbytes=%llu\nsent-bytes=0\n", (unsigned long long)n->files, (unsigned long long)n->bytes);
  return info >= 0 && store_put(info, n->snapshot, text) ? 0 : 1;
}

/* Out of its level, into the list. */
static bool move_in(const struct adoption *a, const struct level *l) {
  char above[PATH_ROOM + 256];
  strcpy(above, l->path);
  char *slash = strrchr(above, '/');
  *slash = 0;
  AUTO_FD from = convert_open(a->from, above, O_RDONLY | O_DIRECTORY);
  AUTO_FD to = convert_open(a->store, "snapshots", O_RDONLY | O_DIRECTORY);
  return from >= 0 && to >= 0 && !renameat2(from, slash + 1, to, l->snapshot, RENAME_NOREPLACE) && !fsync(to) && !fsync(from);
}

/* 0, or the exit code of a result that was sent. */
static int adopt_level(const struct fields *t, const struct adoption *a, const struct level *l, struct convert *c) {
  AUTO_FD root = convert_open(a->from, l->path, O_RDONLY | O_DIRECTORY);
  if (root < 0) return job_failed("\"%s\" cannot be opened (%s)", l->path, error_word());
  if (!convert_tree(c, root) || !convert_count(c, root)) return *c->problem ? job_failed("in \"%s\": %s", l->path, c->problem) : 1;
  struct note note = {l->snapshot, c->files, c->bytes};
  if (syncfs(root)) return job_failed("\"%s\" cannot be brought to the disk (%s)", l->path, error_word());
  if (store_work(a->store, write_note, t, &note)) return job_failed("the note of \"%s\" cannot be written", l->path);
  if (!move_in(a, l)) return job_failed("\"%s\" cannot be moved (%s)", l->path, error_word());
  return put_adopted(l, c) ? 0 : 1;
}

static int finish(const struct adoption *a) {
  struct buf more;
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "count", a->n);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static int adopt_all(const struct fields *t, const struct adoption *a) {
  struct convert c = {0};
  if (mkdirat(a->from, STASH, 0700) && errno != EEXIST) return job_failed("a folder cannot be made in it (%s)", error_word());
  AUTO_FD stash = convert_open(a->from, STASH, O_RDONLY | O_DIRECTORY);
  if (stash < 0) return job_failed("a folder cannot be opened in it (%s)", error_word());
  c.stash = stash;
  int code = 0;
  for (size_t i = 0; i < a->n && !code; i++) code = adopt_level(t, a, &a->levels[i], &c);
  if (code) return code;
  if (remove_all(stash, &c.pace)) (void)unlinkat(a->from, STASH, AT_REMOVEDIR);
  return finish(a);
}

/* What root alone can reach: else a link of somebody to another's file could be in it by now, which would be given away. */
static int open_from(const char *path, char why[300]) {
  struct stat st;
  int dir = path ? open_plain(path, O_RDONLY | O_DIRECTORY) : -1;
  if (dir >= 0 && !fstat(dir, &st) && st.st_uid == 0 && !(st.st_mode & 077)) return dir;
  if (dir < 0) snprintf(why, 300, "it cannot be opened (%s)", path ? error_word() : "ENOENT");
  else snprintf(why, 300, "it has to belong to root and to be closed to others: chmod 0700");
  end_fd(&dir);
  return -1;
}

static int adopt(const struct fields *t, struct adoption *a, bool plan) {
  struct stat from, store;
  if (fstat(a->from, &from)) return job_failed("the folder of rsnapshot cannot be read (%s)", error_word());
  if (a->store >= 0 && (fstat(a->store, &store) || store.st_dev != from.st_dev)) return job_failed("the folder of rsnapshot is on another file system than the folder of the job");
  if (!plan && !store_lock(a->store)) return job_failed("another piece of work writes in the folder");
  const char *wrong = find_levels(a);
  if (wrong) return job_failed("the folder of rsnapshot: %s", wrong);
  if (!plan) return adopt_all(t, a);
  for (size_t i = 0; i < a->n; i++) if (!put_planned(&a->levels[i])) return 1;
  return finish(a);
}

static int open_store(const struct fields *t, bool plan, int *store, char why[300]) {
  if (!plan) return (*store = store_make(t, why)) >= 0;
  enum store_kind kind = store_look(t, store, why);
  return kind == STORE_MISSING || kind == STORE_EMPTY || kind == STORE_OURS;
}

int work_adopt(const struct fields *t) {
  struct adoption a = {.point = field(t, "point"), .from = -1, .store = -1};
  bool plan = field_flag(t, "plan");
  char why[300] = "";
  if (!a.point || !is_point(a.point)) return job_failed("the folder within the levels has to be a path without . and ..");
  a.from = open_from(field(t, "from"), why);
  if (a.from < 0) return job_failed("the folder of rsnapshot: %s", why);
  int code = open_store(t, plan, &a.store, why) ? adopt(t, &a, plan) : job_failed("%s", why);
  if (a.store >= 0) close(a.store);
  close(a.from);
  free(a.levels);
  return code;
}
