/* Loading a state of noun nat, and knowing later whether the table is still as it was loaded. */
#include "nat.h"

#define LOADED "loaded"

/* One line: the operation, the digest of the table's listing, and the number of the kernel's ruleset with that table and the mark of the boot, or neither. */
bool nat_loaded_get(int dir, struct nat_loaded *loaded) {
  AUTO_TEXT text = small_get(dir, LOADED, 256, NULL);
  size_t n = text ? strlen(text) : 0;
  uint64_t generation;
  *loaded = (struct nat_loaded){0};
  if (n < 32 + 1 + 64 + 1 || text[32] != ' ' || text[n - 1] != '\n' || (text[97] != '\n' && text[97] != ' ')) return false;
  memcpy(loaded->operation, text, 32);
  memcpy(loaded->sha256, text + 33, 64);
  const char *number = text + 98, *space = text[97] == ' ' ? strchr(number, ' ') : NULL;
  if (!space || !parse_number(number, (size_t)(space - number), UINT32_MAX, &generation) || (size_t)(text + n - space) > sizeof loaded->mark) return true;
  loaded->generation = (uint32_t)generation;
  memcpy(loaded->mark, space + 1, (size_t)(text + n - 1 - (space + 1)));
  return true;
}

static bool loaded_put(int dir, const char *operation, const struct nat_live *live, uint32_t generation) {
  char text[256], mark[64];
  int n = snprintf(text, sizeof text, "%.32s %.64s", operation, live->sha256);
  if (generation > 0 && boot_mark(mark, true)) n += snprintf(text + n, sizeof text - (size_t)n, " %u %s", generation, mark);
  n += snprintf(text + n, sizeof text - (size_t)n, "\n");
  return small_put(dir, LOADED, text, (size_t)n, 0600);
}

/* The table inet reeve as it is. As long as nobody has changed any rule of the kernel since it was loaded, it is what was noted then: listing a thousand rules
 * takes longer than loading them. */
bool nat_now(int dir, struct nat_live *live, struct nat_problem *p) {
  struct nat_loaded loaded;
  uint8_t sum[32];
  char mark[64], nothing[65];
  if (!nat_loaded_get(dir, &loaded) || loaded.generation == 0 || !boot_mark(mark, false) || strcmp(mark, loaded.mark) || loaded.generation != nat_generation()) return nat_nft_live(live, p);
  sha256_of("", 0, sum);
  hex(nothing, sum, sizeof sum);
  live->there = strcmp(loaded.sha256, nothing) != 0;
  memcpy(live->sha256, loaded.sha256, sizeof live->sha256);
  return true;
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
  if (!nat_now(dir, &live, p)) return false;
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
  uint32_t generation = nat_generation();
  if (!ok || !nat_nft_live(&live, p)) return false;
  /* Another number after the listing: somebody changed rules meanwhile, so it is of none of the two. */
  return loaded_put(dir, operation, &live, generation == nat_generation() ? generation : 0) || nat_wrong(p, "", "what was loaded cannot be noted (%s)", strerrorname_np(errno));
}
