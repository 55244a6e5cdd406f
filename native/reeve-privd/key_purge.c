/* Taking keys out of a key file of an account, as that account: a new file beside it, renamed over it. Bytes of other lines stay as they are. */
#include "reeve.h"
#include "key_own.h"

#define TEMPORARY ".reeve-purge"
#define TRIES 5

/* What one try has in hand. */
struct work { const struct purge *p; struct purge_answer *a; int dir; const char *base; struct stat st; };

static bool say(struct work *w, enum purge_end end, const char *rule) {
  w->a->end = end;
  snprintf(w->a->rule, sizeof w->a->rule, "%s", rule);
  return false;
}

static bool failed(struct work *w, const char *what) {
  char rule[sizeof w->a->rule];
  snprintf(rule, sizeof rule, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return say(w, PURGE_FAILED, rule);
}

static bool is_listed_key(const struct purge *p, const struct key_line *k) {
  uint8_t sum[32];
  if (!k->nblob) return false;
  sha256_of(k->blob, k->nblob, sum);
  for (size_t i = 0; i < p->nkeys; i++) if (!memcmp(p->keys + 32 * i, sum, sizeof sum)) return true;
  return false;
}

/* Copies all lines but those with one of the keys, ends of lines included; how many it left out. */
static uint32_t without(const struct purge *p, const char *s, size_t n, char *out, size_t *kept) {
  uint32_t removed = 0;
  *kept = 0;
  for (const char *end = s + n, *stop; s < end; s = stop) {
    struct key_line k;
    const char *newline = memchr(s, '\n', (size_t)(end - s));
    stop = newline ? newline + 1 : end;
    if (key_line_parse(&k, s, (size_t)((newline ? newline : end) - s)) && is_listed_key(p, &k)) {
      removed++;
      continue;
    }
    memcpy(out + *kept, s, (size_t)(stop - s));
    *kept += (size_t)(stop - s);
  }
  return removed;
}

/* The file as it is, NULL when it is not there or not plainly the account's; then the answer says why. */
static char *read_file(struct work *w, size_t *n) {
  AUTO_FD fd = open_beneath(w->dir, w->base, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 && errno == ENOENT) return say(w, PURGE_ABSENT, ""), NULL;
  if (fd < 0 && errno == ELOOP) return say(w, PURGE_UNSAFE, "it is a symbolic link"), NULL;
  if (fd < 0 || fstat(fd, &w->st)) return failed(w, "it cannot be opened"), NULL;
  if (!S_ISREG(w->st.st_mode)) return say(w, PURGE_UNSAFE, "it is not a regular file"), NULL;
  if (w->st.st_uid != w->p->user->uid) return say(w, PURGE_UNSAFE, "it does not belong to the user"), NULL;
  char *text = read_open(fd, OWN_FILE_MAX, n);
  if (!text) failed(w, "it cannot be read");
  return text;
}

/* Is the file still the one that was read? */
static bool same(const struct work *w) {
  struct stat st;
  return !fstatat(w->dir, w->base, &st, AT_SYMLINK_NOFOLLOW) && st.st_ino == w->st.st_ino && st.st_dev == w->st.st_dev && st.st_size == w->st.st_size
    && st.st_mtim.tv_sec == w->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == w->st.st_mtim.tv_nsec;
}

/* True: it took the place of the file. */
static bool replace(struct work *w, const char *text, size_t n) {
  (void)unlinkat(w->dir, TEMPORARY, 0);
  AUTO_FD fd = open_beneath(w->dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0);
  if (fd < 0) return failed(w, "a new file cannot be made beside it");
  bool ok = write_whole(fd, text, n);
  if (w->st.st_gid != w->p->user->gid) (void)!fchown(fd, (uid_t)-1, w->st.st_gid);  /* best effort: the account may not be in that group */
  ok = ok && !fchmod(fd, w->st.st_mode & 07777) && !fsync(fd);
  FAILPOINT("purge.written");
  if (!ok) failed(w, "a new file cannot be written beside it");
  else if (!same(w)) ok = say(w, PURGE_MOVED, "");
  else if (renameat(w->dir, TEMPORARY, w->dir, w->base) || fsync(w->dir)) ok = failed(w, "a new file cannot take its place");
  FAILPOINT("purge.renamed");
  if (!ok) (void)unlinkat(w->dir, TEMPORARY, 0);
  return ok;
}

/* True: another try is wanted, to prove that no such key is left or because the file was changed meanwhile. */
static bool one_try(struct work *w) {
  size_t n, kept;
  AUTO_TEXT text = read_file(w, &n);
  AUTO_TEXT rest = text ? malloc(n + 1) : NULL;
  if (!text) return false;
  if (!rest) return failed(w, "out of memory");
  uint32_t removed = without(w->p, text, n, rest, &kept);
  if (removed == 0) return say(w, PURGE_DONE, "");
  if (!replace(w, rest, kept)) return w->a->end == PURGE_MOVED;
  w->a->removed += removed;
  return true;
}

static void purge(struct work *w, int home, char *path) {
  char *slash = strrchr(path, '/');
  if (slash) *slash = 0;
  w->base = slash ? slash + 1 : path;
  AUTO_FD dir = open_beneath(home, slash ? path : ".", O_RDONLY | O_DIRECTORY, 0);
  w->dir = dir;
  if (dir < 0 && errno == ENOENT) {
    say(w, PURGE_ABSENT, "");
    return;
  }
  if (dir < 0) {
    say(w, PURGE_UNSAFE, errno == ELOOP || errno == EXDEV ? "its folder is reached by a symbolic link" : "its folder cannot be opened");
    return;
  }
  for (int i = 0; i < TRIES; i++) if (!one_try(w)) return;
  say(w, PURGE_MOVED, "");
}

void own_purge(const void *data, int out) {
  struct purge_answer answer = {.end = PURGE_FAILED};
  struct work w = {.p = data, .a = &answer};
  char path[OWN_PATH_MAX];
  snprintf(path, sizeof path, "%s", w.p->path);
  AUTO_FD home = open(w.p->user->home, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (home < 0 && errno == ENOENT) say(&w, PURGE_ABSENT, "");
  else if (home < 0) failed(&w, "the home cannot be opened");
  else purge(&w, home, path);
  (void)write_whole(out, &answer, sizeof answer);
}
