/* What rsync prints: progress and totals on standard output, problems on the other. It writes control characters of names as \#ooo. */
#include "rsync.h"

#define RATE_MS 3000

/* One line at a time: progress is ended by a return. */
static void lines(struct teller *t, const char *p, size_t n, void (*take)(struct teller *t, const char *line)) {
  for (size_t i = 0; i < n; i++) {
    if (p[i] == '\n' || p[i] == '\r') {
      t->line[t->n] = 0;
      if (t->n > 0) take(t, t->line);
      t->n = 0;
    } else if (t->n < sizeof t->line - 1 && p[i]) t->line[t->n++] = p[i];
  }
}

static bool count(const char *line, const char *begins, uint64_t *out) {
  size_t n = strlen(begins);
  if (strncmp(line, begins, n)) return false;
  unsigned long long v;
  if (sscanf(line + n, "%llu", &v) == 1) *out = v;
  return true;
}

/* "   1238099 100%  146.38kB/s    0:00:08 (xfr#5, to-chk=169/396)"; "ir-chk" while files are still being found. */
static bool progress(struct teller *t, const char *line) {
  unsigned long long bytes, left, all;
  unsigned percent;
  if (sscanf(line, " %llu %u%%", &bytes, &percent) != 2) return false;
  t->bytes = bytes;
  t->percent = percent > 100 ? 100 : percent;
  const char *chk = strstr(line, "-chk=");
  if (chk && sscanf(chk + 5, "%llu/%llu", &left, &all) == 2 && left <= all) {
    t->total = all;
    t->files = all - left;
    t->scanning = chk[-2] == 'i';
  }
  return true;
}

static void printed(struct teller *t, const char *line) {
  char text[8256];
  struct outcome *o = t->out;
  if (progress(t, line)) return;
  (void)(count(line, "Number of files: ", &o->files) || count(line, "Number of regular files transferred: ", &o->sent_files) || count(line, "Total file size: ", &o->bytes) || count(line, "Total bytes received: ", &o->sent_bytes));
  int n = snprintf(text, sizeof text, "%s\n", line);
  (void)pump_emit(F_OUTPUT, text, (size_t)n);
}

void teller_out(struct teller *t, const char *p, size_t n) { lines(t, p, n, printed); }

static int octal(const char *s) {
  int v = 0;
  for (int i = 0; i < 3; i++) {
    if (s[i] < '0' || s[i] > '7') return -1;
    v = v * 8 + (s[i] - '0');
  }
  return v;
}

/* The name in a message, from its first to its last quote, with what rsync has escaped as it was, from the root of the source. */
static size_t name_in(const char *line, char out[PATH_ROOM]) {
  const char *from = strchr(line, '"'), *to = strrchr(line, '"');
  size_t n = 0;
  if (!from || to <= from) return 0;
  for (const char *at = from + 1; at < to && n < PATH_ROOM - 1;) {
    int byte = at[0] == '\\' && at[1] == '#' && to - at >= 5 ? octal(at + 2) : -1;
    out[n++] = byte >= 0 ? (char)byte : *at;
    at += byte >= 0 ? 5 : 1;
  }
  out[n] = 0;
  static const char *const tops[] = {"/src/", "/dst/", NULL};
  for (const char *const *top = tops; *top; top++) {
    size_t skip = strlen(*top);
    if (n < skip || strncmp(out, *top, skip)) continue;
    memmove(out, out + skip - 1, n - skip + 2);
    return n - skip + 1;
  }
  return n;
}

static void complained(struct teller *t, const char *line) {
  char name[PATH_ROOM], text[8256];
  int n = snprintf(text, sizeof text, "%s\n", line);
  (void)pump_emit(F_OUTPUT, text, (size_t)n);
  bool vanished = !strncmp(line, "file has vanished: ", 19) || !strncmp(line, "directory has vanished: ", 24);
  bool is = vanished || !strncmp(line, "rsync: [", 8) || !strncmp(line, "WARNING: ", 9) || strstr(line, " failed verification");
  size_t length = is ? name_in(line, name) : 0;
  if (length == 0 || strstr(line, "connection unexpectedly closed")) return;
  bool skipped = t->no_devices && strstr(line, "] mknod \"") && strstr(line, "\" failed: Operation not permitted");
  if (skipped) t->out->skipped++;
  else if (!vanished) t->out->problems++;
  if (t->problems++ >= PROBLEMS_MAX) return;
  struct buf b;
  buf_init(&b, 16384);
  say(&b, "kind", skipped ? "skipped" : vanished ? "vanished" : "failed");
  say_bytes(&b, "path", name, length);
  say(&b, "text", line);
  if (!b.full) (void)pump_emit(F_PROBLEM, b.p, b.n);
  buf_free(&b);
}

void teller_err(struct teller *t, const char *p, size_t n) {
  /* The two streams have a line each. */
  static struct { char line[8192]; size_t n; } other;
  char line[8192];
  size_t had = t->n;
  memcpy(line, t->line, had);
  memcpy(t->line, other.line, other.n);
  t->n = other.n;
  lines(t, p, n, complained);
  memcpy(other.line, t->line, t->n);
  other.n = t->n;
  memcpy(t->line, line, had);
  t->n = had;
}

/* Over the last seconds. */
void teller_rate(struct teller *t, int64_t now) {
  if (t->rate_ms == 0) t->rate_ms = t->began_ms;
  if (now - t->rate_ms < RATE_MS && t->rate > 0) return;
  if (now > t->rate_ms) t->rate = (t->bytes > t->rate_bytes ? t->bytes - t->rate_bytes : 0) * 1000 / (uint64_t)(now - t->rate_ms);
  t->rate_ms = now;
  t->rate_bytes = t->bytes;
}

uint64_t teller_remaining(const struct teller *t) {
  if (t->scanning || t->percent == 0 || t->rate == 0) return 0;
  return t->bytes * (100 - t->percent) / t->percent / t->rate;
}

const char *rsync_exit(int code) {
  static const struct { int code; const char *says; } known[] = {
    {1, "syntax or usage error"}, {2, "the two rsyncs speak different protocols"}, {3, "input and output files could not be selected"}, {5, "the protocol could not be started"}, {10, "the connection broke"},
    {11, "a file could not be read or written: perhaps the file system is full"}, {12, "the connection to the other side ended"}, {13, "a diagnostic of rsync"}, {14, "its processes lost each other"},
    {20, "rsync was ended"}, {22, "there is not enough memory"}, {23, "some files could not be copied"}, {24, "some files vanished while they were copied"}, {25, "the limit of deletions"},
    {30, "nothing came from the other side for too long"}, {35, "the other side could not be reached in time"}, {0, NULL},
  };
  for (size_t i = 0; known[i].says; i++) if (known[i].code == code) return known[i].says;
  return code == 0 ? "done" : code >= 128 ? "rsync was ended by a signal" : "an error of rsync";
}
