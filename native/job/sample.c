/* Files of a snapshot, chosen at random, with their digests. The tree is walked twice: once for the sizes, which the choice is made of, and once for those that
 * were chosen, so that of millions of files only sizes are kept. A snapshot does not change; where one is on its way out meanwhile, files are told as missing. */
#include "tree.h"
#include <sys/random.h>

#define ENTRIES_MOST (64u << 20)
#define NOT_A_FILE UINT64_MAX

struct sample {
  const char *snapshot;
  bool all;
  uint64_t files, permille, most;        /* what is asked for */
  uint64_t *sizes;                       /* of what is no folder, in the order of the walk */
  uint8_t *chosen;                       /* a bit for each of them */
  uint32_t n, room, at;
  uint64_t count, bytes;                 /* of all files */
  bool full;
  struct pace pace;
};

static bool keep_size(struct sample *s, uint64_t size) {
  if (s->n == s->room) {
    uint32_t room = s->room ? s->room * 2 : 4096;
    uint64_t *grown = room <= ENTRIES_MOST ? realloc(s->sizes, room * sizeof *grown) : NULL;
    if (!grown) {
      s->full = true;
      return false;
    }
    s->sizes = grown;
    s->room = room;
  }
  s->sizes[s->n++] = size;
  return true;
}

static bool measure(const struct place *at, void *data) {
  struct sample *s = data;
  struct stat st;
  struct entry e;
  if (!pace_step(&s->pace)) return false;
  if (at->folder) return true;
  bool file = !fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
  /* What cannot be read counts: to be chosen and found broken is what a sample is for. */
  if (file && entry_read(at->dir, at->name, &st, &e)) file = S_ISREG(e.mode);
  if (file) {
    s->count++;
    s->bytes += (uint64_t)st.st_size;
    s->pace.files_total = s->count;
  }
  return keep_size(s, file ? (uint64_t)st.st_size : NOT_A_FILE);
}

/* A number below `below`, each as likely. */
static bool random_below(uint32_t below, uint32_t *out) {
  static uint32_t pool[256];
  static size_t left;
  uint32_t limit = UINT32_MAX - UINT32_MAX % below, v;
  do {
    if (!left) {
      for (size_t got = 0; got < sizeof pool;) {
        ssize_t n = getrandom((uint8_t *)pool + got, sizeof pool - got, 0);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) got += (size_t)n;
      }
      left = sizeof pool / sizeof *pool;
    }
    v = pool[--left];
  } while (v >= limit);
  *out = v % below;
  return true;
}

/* A random permutation, drawn as far as it is needed. Once a file does not fit, the share of bytes cannot be had: then only their number counts. */
static bool choose(struct sample *s) {
  uint32_t *deck = calloc(s->count ? s->count : 1, sizeof *deck), cards = 0, pick = 0;
  uint64_t share = s->bytes / 1000 * s->permille + s->bytes % 1000 * s->permille / 1000, taken = 0, bytes = 0;
  bool ok = deck && (s->chosen = calloc(s->n / 8 + 1, 1)), over = false;
  for (uint32_t i = 0; ok && i < s->n; i++) if (s->sizes[i] != NOT_A_FILE) deck[cards++] = i;
  while (ok && cards && (taken < s->files || taken == 0 || (bytes < share && !over))) {
    if (!(ok = random_below(cards, &pick))) break;
    uint32_t file = deck[pick];
    deck[pick] = deck[--cards];
    if (s->most && taken && (bytes >= s->most || s->sizes[file] > s->most - bytes)) {
      over = true;
      continue;
    }
    s->chosen[file / 8] |= (uint8_t)(1u << file % 8);
    taken++;
    bytes += s->sizes[file];
  }
  free(deck);
  s->pace = (struct pace){.begun_ms = job_now_ms(), .told_ms = s->pace.told_ms, .files_total = taken, .bytes_total = bytes};
  return ok;
}

static bool tell(struct sample *s, const struct place *at, bool with_digest) {
  struct stat st;
  struct entry e = {0};
  struct buf b;
  uint8_t digest[32];
  int problem = 0;
  AUTO_FD fd = entry_open(at->dir, at->name, &st, &e);
  if (fd < 0) problem = errno;
  else if (with_digest && S_ISREG(e.mode)) problem = digest_file(fd, digest, &s->pace);
  if (problem < 0) return false;
  if (s->all && S_ISREG(e.mode)) {
    s->count++;
    s->bytes += e.size;
  }
  s->pace.files++;
  row_begin(&b, s->snapshot, at->path);
  if (e.mode) row_entry(&b, &e);
  else say(&b, "kind", "missing");
  if (!problem && S_ISREG(e.mode)) row_digest(&b, digest);
  if (!problem && S_ISLNK(e.mode)) {
    char target[PATH_ROOM];
    ssize_t n = pread(fd, target, sizeof target, 0);
    if (n > 0 && !memchr(target, 0, (size_t)n)) say_bytes(&b, "target", target, (size_t)n);
  }
  errno = problem;
  if (problem && e.mode) say(&b, "problem", error_word());
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there && pace_step(&s->pace);
}

static bool tell_chosen(const struct place *at, void *data) {
  struct sample *s = data;
  if (at->folder) return true;
  uint32_t i = s->at++;
  if (i >= s->n) return true;
  return s->chosen[i / 8] >> i % 8 & 1 ? tell(s, at, true) : pace_step(&s->pace);
}

static bool tell_all(const struct place *at, void *data) { return tell(data, at, true); }

static int result(struct sample *s) {
  struct buf more;
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "count", s->count);
  say_number(&more, "bytes", s->bytes);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static int draw(const struct fields *t, void *data) {
  (void)data;
  struct sample s = {.snapshot = field(t, "snapshot"), .all = field_flag(t, "all")};
  bool asked = field_number(t, "files", UINT32_MAX, &s.files) && field_number(t, "permille", 1000, &s.permille) && field_number(t, "most", INT64_MAX, &s.most);
  if (!s.snapshot || (!s.all && !asked)) return job_failed("the ticket does not say how much is to be chosen");
  AUTO_FD root = snapshot_open(s.snapshot);
  if (root < 0) return job_failed("there is no snapshot \"%s\" (%s)", s.snapshot, error_word());
  pace_begin(&s.pace);
  if (s.all) return walk(root, tell_all, &s) ? result(&s) : 1;
  bool ok = walk(root, measure, &s);
  if (!ok && !s.full) return 1;
  if (!ok || !choose(&s)) return job_failed("there are too many files to choose from");
  int code = walk(root, tell_chosen, &s) ? result(&s) : 1;
  free(s.sizes);
  free(s.chosen);
  return code;
}

int work_sample(const struct fields *t) {
  char why[300];
  AUTO_FD store = store_open(t, why);
  if (store < 0) return job_failed("%s", why);
  int code = store_work(store, draw, t, NULL);
  return code < 0 ? job_failed("the work in the folder did not come to its end") : code;
}
