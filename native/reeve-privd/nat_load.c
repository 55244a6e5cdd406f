/* Loading a state of noun nat, and knowing later whether the table is still as it was loaded. */
#include "nat.h"

#define LOADED "loaded"

bool nat_loaded_get(int dir, struct nat_loaded *loaded) {
  AUTO_TEXT text = small_get(dir, LOADED, 128, NULL);
  *loaded = (struct nat_loaded){0};
  if (!text || strlen(text) != 32 + 1 + 64 + 1 || text[32] != ' ' || text[97] != '\n') return false;
  memcpy(loaded->operation, text, 32);
  memcpy(loaded->sha256, text + 33, 64);
  return true;
}

static bool loaded_put(int dir, const char *operation, const struct nat_live *live) {
  char text[128];
  int n = snprintf(text, sizeof text, "%.32s %.64s\n", operation, live->sha256);
  return small_put(dir, LOADED, text, (size_t)n, 0600);
}

/* The name in a line "add counter inet reeve NAME", or nothing. */
static size_t counter_line(const char *line, size_t n, const char **name) {
  static const char start[] = "add counter inet reeve ";
  if (n <= sizeof start - 1 || memcmp(line, start, sizeof start - 1)) return 0;
  *name = line + sizeof start - 1;
  return n - (sizeof start - 1);
}

/* Sorted names, for a table with thousands of counters. */
struct names { struct nat_counter *list; size_t n; };
static int by_name(const void *a, const void *b) { return strcmp(((const struct nat_counter *)a)->name, ((const struct nat_counter *)b)->name); }

static void names_read(struct names *names, const struct buf *counters) {
  struct nat_counter one;
  *names = (struct names){.list = calloc(2 * (NAT_FORWARDS + NAT_MASQUERADES), sizeof *names->list)};
  for (size_t at = 0; names->list && names->n < 2 * (NAT_FORWARDS + NAT_MASQUERADES) && nat_counter_next(counters, &at, &one);) names->list[names->n++] = one;
  if (names->n > 0) qsort(names->list, names->n, sizeof *names->list, by_name);
}

static struct nat_counter *names_find(const struct names *names, const char *name, size_t n) {
  struct nat_counter wanted = {0};
  if (names->n == 0 || n >= sizeof wanted.name) return NULL;
  memcpy(wanted.name, name, n);
  return bsearch(&wanted, names->list, names->n, sizeof *names->list, by_name);
}

/* The batch for the table as it is. Where it is as it was loaded its counters stay, and those that no rule has any more go; where somebody altered it, it is made
 * anew, with what the counters have counted. */
static void compose(struct buf *out, const char *batch, size_t n, const struct names *live, bool altered) {
  bool *kept = calloc(live->n + 1, sizeof *kept);
  if (!kept) out->full = true;
  if (altered) buf_say(out, "add table inet reeve\ndelete table inet reeve\n");
  bool goes = !memmem(batch, n, "flush table inet reeve\n", 23);
  for (const char *line = batch, *end = batch + n; kept && line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line)), *name = NULL;
    if (!stop) stop = end;
    size_t length = counter_line(line, (size_t)(stop - line), &name);
    struct nat_counter *old = length > 0 ? names_find(live, name, length) : NULL;
    if (old) kept[old - live->list] = true;
    buf_put(out, line, (size_t)(stop - line));
    if (old && altered) buf_say(out, " { packets %llu bytes %llu ; }", (unsigned long long)old->packets, (unsigned long long)old->bytes);
    buf_put(out, "\n", 1);
    line = stop + 1;
  }
  for (size_t i = 0; kept && !altered && !goes && i < live->n; i++) if (!kept[i]) buf_say(out, "delete counter inet reeve %s\n", live->list[i].name);
  free(kept);
}

/* Makes the table inet reeve what the batch says, in one transaction, and notes what that is. */
bool nat_load(int dir, const char *operation, const char *batch, size_t n, struct nat_problem *p) {
  struct nat_live live;
  struct nat_loaded loaded;
  struct names names;
  struct buf counters = {0}, out;
  if (!nat_nft_live(&live, p)) return false;
  bool altered = live.there && (!nat_loaded_get(dir, &loaded) || strcmp(loaded.sha256, live.sha256));
  if (!live.there || !nat_nft_counters(&counters)) counters.n = 0;
  names_read(&names, &counters);
  buf_init(&out, NAT_BATCH_MAX + (1u << 20));
  compose(&out, batch, n, &names, altered);
  bool ok = nat_nft_batch(&out, p);
  p->touched = ok;
  buf_free(&out);
  buf_free(&counters);
  free(names.list);
  if (!ok || !nat_nft_live(&live, p)) return false;
  return loaded_put(dir, operation, &live) || nat_wrong(p, "", "what was loaded cannot be noted (%s)", strerrorname_np(errno));
}
