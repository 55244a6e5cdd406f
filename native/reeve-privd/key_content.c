/* A whole key file: every line in the one form in which it is written, and what each lets in. */
#include "reeve.h"

void key_set_free(struct key_set *set) {
  free(set->entries);
  *set = (struct key_set){0};
}

static int by_key(const void *a, const void *b) { return memcmp(a, b, 32); }

static struct key_entry entry_of(const struct key_line *k) {
  struct key_entry e = {.expires = k->expires};
  struct sha256 sum;
  sha256_of(k->blob, k->nblob, e.key);
  sha256_init(&sum);
  sha256_add(&sum, k->options, strlen(k->options) + 1);
  sha256_add(&sum, k->blob, k->nblob);
  sha256_end(&sum, e.access);
  return e;
}

static bool add(struct key_set *set, const struct key_line *k) {
  if (set->n % 64 == 0) {
    struct key_entry *grown = realloc(set->entries, (set->n + 64) * sizeof *grown);
    if (!grown) return false;
    set->entries = grown;
  }
  set->entries[set->n++] = entry_of(k);
  return true;
}

static uint16_t refuse_line(struct call *c, size_t number, const char *rule) {
  char text[24];
  snprintf(text, sizeof text, "%zu", number);
  return fail(c, REEVE_E_KEY_LINE, "value", text, "rule", rule, NULL);
}

static uint16_t no_memory(struct call *c) { return fail(c, REEVE_E_IO_FAILED, "rule", "out of memory", NULL); }

/* Content as it may be written: empty, or `head` and then only canonical lines, no key twice. */
uint16_t key_content(struct call *c, const struct value *content, const char *head, struct key_set *set) {
  const char *s = content->text, *end = s + content->n, *stop;
  size_t number = 1, nhead = strlen(head);
  if (content->n > KEY_FILE_MAX) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "content", "rule", "at most 1048576 bytes", NULL);
  if (content->n > 0 && (content->n < nhead || memcmp(s, head, nhead))) return refuse_line(c, number, "it is not the first line of such a file");
  for (s += content->n > 0 ? nhead : 0; s < end; s = stop + 1) {
    struct key_line k;
    number++;
    stop = memchr(s, '\n', (size_t)(end - s));
    if (!stop) return refuse_line(c, number, "its end is missing");
    if (!key_line_parse(&k, s, (size_t)(stop - s))) return refuse_line(c, number, "it has no key");
    if (k.problem[0]) return refuse_line(c, number, k.problem);
    if (!key_line_canonical(&k, s, (size_t)(stop - s))) return refuse_line(c, number, "it is not in canonical form");
    if (!add(set, &k)) return no_memory(c);
  }
  if (set->n > 0) qsort(set->entries, set->n, sizeof *set->entries, by_key);
  for (size_t i = 1; i < set->n; i++) if (!by_key(&set->entries[i - 1], &set->entries[i])) return fail(c, REEVE_E_FIELD_INVALID, "field", "content", "value", "a key", "rule", "it is there twice", NULL);
  return REEVE_OK;
}

/* What of a file that is there could be kept: its lines without a problem. */
static bool read_lines(const char *s, size_t n, struct key_set *set) {
  const char *end = s + n, *stop;
  for (; s < end; s = stop + 1) {
    struct key_line k;
    stop = memchr(s, '\n', (size_t)(end - s));
    if (!stop) stop = end;
    if (key_line_parse(&k, s, (size_t)(stop - s)) && !k.problem[0] && !add(set, &k)) return false;
  }
  if (set->n > 0) qsort(set->entries, set->n, sizeof *set->entries, by_key);
  return true;
}

static bool is_within(const struct key_entry *e, const struct key_set *old, bool expiry_aside) {
  const struct key_entry *at = old->n ? bsearch(e->key, old->entries, old->n, sizeof *e, by_key) : NULL;
  if (!at) return false;
  while (at > old->entries && !by_key(at - 1, e)) at--;
  for (; at < old->entries + old->n && !by_key(at, e); at++) {
    bool no_later = expiry_aside || at->expires == 0 || (e->expires != 0 && e->expires <= at->expires);
    if (no_later && !memcmp(at->access, e->access, sizeof e->access)) return true;
  }
  return false;
}

/* OK when each line of the content is one of the file that is there, with the same options; its expiry may only be earlier, or is left aside.
 * What stands after the key is for people and may differ. */
uint16_t key_within(struct call *c, const struct value *content, const char *head, const char *old, size_t nold, bool expiry_aside) {
  AUTO_SET wanted = {0};
  AUTO_SET there = {0};
  uint16_t status = key_content(c, content, head, &wanted);
  if (!status && !read_lines(old, nold, &there)) status = no_memory(c);
  for (size_t i = 0; !status && i < wanted.n; i++)
    if (!is_within(&wanted.entries[i], &there, expiry_aside)) status = fail(c, REEVE_E_STATE_MOVED, "moved", "the key file: it does not have all lines that are to stay", NULL);
  return status;
}
