/* As much of JSON as nft's answers need: objects are cut out of the text where they stand, because the digest of a rule is of its very bytes. */
#include "nat.h"

#define DEEPEST 200

static size_t skip_space(struct span t, size_t at) {
  while (at < t.n && strchr(" \t\r\n", t.p[at]) && t.p[at]) at++;
  return at;
}

/* Behind the string that begins at `at`; 0: it has no end. */
static size_t skip_string(struct span t, size_t at) {
  for (at++; at < t.n; at++) {
    if (t.p[at] == '\\') at++;
    else if (t.p[at] == '"') return at + 1;
  }
  return 0;
}

/* Behind the value that begins at `at`; 0: it has no end. */
static size_t skip_value(struct span t, size_t at) {
  int depth = 0;
  if (at >= t.n) return 0;
  if (t.p[at] != '{' && t.p[at] != '[' && t.p[at] != '"') {
    size_t from = at;
    while (at < t.n && (strchr("+-.0123456789", t.p[at]) || (t.p[at] >= 'a' && t.p[at] <= 'z') || t.p[at] == 'E') && t.p[at]) at++;
    return at > from ? at : 0;
  }
  while (at < t.n) {
    char c = t.p[at];
    if (c == '"') {
      at = skip_string(t, at);
      if (at == 0 || depth == 0) return at;
      continue;
    }
    if ((c == '{' || c == '[') && ++depth > DEEPEST) return 0;
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    at++;
  }
  return 0;
}

/* The next "name": value of an object, `at` behind its brace or behind the member before; names are without their quotes. */
static bool next_member(struct span object, size_t *at, struct span *name, struct span *value) {
  size_t from = skip_space(object, *at);
  if (from < object.n && object.p[from] == ',') from = skip_space(object, from + 1);
  if (from >= object.n || object.p[from] != '"') return false;
  size_t end = skip_string(object, from);
  if (end == 0) return false;
  *name = (struct span){object.p + from + 1, end - from - 2};
  size_t colon = skip_space(object, end);
  if (colon >= object.n || object.p[colon] != ':') return false;
  size_t begin = skip_space(object, colon + 1), stop = skip_value(object, begin);
  if (stop == 0) return false;
  *value = (struct span){object.p + begin, stop - begin};
  *at = stop;
  return true;
}

static bool is_text(struct span s, const char *text) { return s.n == strlen(text) && !memcmp(s.p, text, s.n); }

bool json_get(struct span object, const char *key, struct span *value) {
  struct span name;
  if (object.n < 2 || object.p[0] != '{') return false;
  for (size_t at = 1; next_member(object, &at, &name, value);) if (is_text(name, key)) return true;
  return false;
}

/* A text without escapes. */
bool json_is(struct span object, const char *key, const char *text) {
  struct span value;
  if (!json_get(object, key, &value) || value.n < 2 || value.p[0] != '"') return false;
  return is_text((struct span){value.p + 1, value.n - 2}, text);
}

bool json_number(struct span object, const char *key, uint64_t *out) {
  struct span value;
  return json_get(object, key, &value) && parse_number(value.p, value.n, INT64_MAX, out);
}

/* The next value of a list; `at` is 0 at first. */
bool json_item(struct span list, size_t *at, struct span *value) {
  if (*at == 0 && (list.n < 2 || list.p[0] != '[')) return false;
  size_t from = skip_space(list, *at == 0 ? 1 : *at);
  if (from < list.n && list.p[from] == ',') from = skip_space(list, from + 1);
  size_t stop = from < list.n && list.p[from] != ']' ? skip_value(list, from) : 0;
  if (stop == 0) return false;
  *value = (struct span){list.p + from, stop - from};
  *at = stop;
  return true;
}

/* The next element {"KIND": VALUE} of the list {"nftables": [...]}; `at` is 0 at first. */
bool json_element(struct span text, size_t *at, struct span *whole, struct span *kind, struct span *value) {
  struct span list;
  if (*at == 0) {
    if (!json_get(text, "nftables", &list) || list.p[0] != '[') return false;
    *at = (size_t)(list.p - text.p) + 1;
  }
  size_t from = skip_space(text, *at), inner = 1;
  if (from < text.n && text.p[from] == ',') from = skip_space(text, from + 1);
  if (from >= text.n || text.p[from] != '{') return false;
  size_t stop = skip_value(text, from);
  if (stop == 0) return false;
  *whole = (struct span){text.p + from, stop - from};
  *at = stop;
  if (next_member(*whole, &inner, kind, value)) return true;
  *kind = *value = (struct span){text.p + from, 0};
  return true;
}

static struct span span_of(const struct buf *b) { return (struct span){(const char *)b->p, b->p ? b->n : 0}; }

/* The next counter of ours: f or m and a number. */
bool nat_counter_next(const struct buf *text, size_t *at, struct nat_counter *counter) {
  struct span whole, kind, value, name;
  uint64_t number;
  while (json_element(span_of(text), at, &whole, &kind, &value)) {
    if (!is_text(kind, "counter") || !json_is(value, "family", "inet") || !json_is(value, "table", "reeve") || !json_get(value, "name", &name)) continue;
    if (name.n < 4 || name.n > 13 || (name.p[1] != 'f' && name.p[1] != 'm') || !parse_number(name.p + 2, name.n - 3, INT32_MAX, &number)) continue;
    if (!json_number(value, "packets", &counter->packets) || !json_number(value, "bytes", &counter->bytes)) continue;
    snprintf(counter->name, sizeof counter->name, "%.*s", (int)(name.n - 2), name.p + 1);
    return true;
  }
  return false;
}

static bool is_ours(struct span kind, struct span value) {
  return json_is(value, "family", "inet") && json_is(value, is_text(kind, "table") ? "name" : "table", "reeve");
}

/* The same text with nothing of the table inet reeve. */
void nat_without_ours(struct buf *text) {
  struct span whole, kind, value;
  struct buf out;
  buf_init(&out, text->limit);
  buf_say(&out, "{\"nftables\": [");
  bool first = true;
  for (size_t at = 0; json_element(span_of(text), &at, &whole, &kind, &value);) {
    if (is_ours(kind, value)) continue;
    if (!first) buf_say(&out, ", ");
    buf_put(&out, whole.p, whole.n);
    first = false;
  }
  buf_say(&out, "]}\n");
  buf_free(text);
  *text = out;
}

static bool take_word(const char **at, const char *end, char *out, size_t room, const char *chars) {
  size_t n = 0;
  while (*at + n < end && (*at)[n] != ' ' && (*at)[n] != '\n') n++;
  if (n == 0 || n >= room) return false;
  memcpy(out, *at, n);
  out[n] = 0;
  *at += n;
  return strspn(out, chars) == n;
}

#define DIGITS "0123456789"
#define NAME_CHARS DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"

/* The next line; false at the end, and with `at` before it where one is not in that form. */
bool nat_foreign_next(const char *text, size_t n, size_t *at, struct nat_foreign *f) {
  const char *p = text + *at, *end = text + n;
  struct { char *out; size_t room; const char *chars; char after; } words[] = {
    {f->family, sizeof f->family, "inetp6", ' '}, {f->table, sizeof f->table, NAME_CHARS, ' '}, {f->chain, sizeof f->chain, NAME_CHARS, ' '},
    {f->handle, sizeof f->handle, DIGITS, ' '}, {f->sha256, sizeof f->sha256, "0123456789abcdef", '\n'}};
  static const char *const families[] = {"ip", "ip6", "inet", NULL};
  uint64_t handle;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!take_word(&p, end, words[i].out, words[i].room, words[i].chars) || p >= end || *p++ != words[i].after) return false;
  }
  if (!is_listed(families, f->family) || strchr("-.0123456789", f->table[0]) || strchr("-.0123456789", f->chain[0])) return false;
  if (!parse_number(f->handle, strlen(f->handle), INT64_MAX, &handle) || handle == 0 || strlen(f->sha256) != 64) return false;
  if (!strcmp(f->family, "inet") && !strcmp(f->table, "reeve")) return false;
  *at = (size_t)(p - text);
  return true;
}

/* Whether a rule translates addresses: no other rule of somebody else is ever deleted. A quote inside a text is escaped, so none of these can stand in a comment. */
static bool translates(struct span rule) {
  static const char *const signs[] = {
    "{\"dnat\":", "{\"snat\":", "{\"redirect\":", "{\"masquerade\":", "\"type\": \"target\", \"name\": \"DNAT\"", "\"type\": \"target\", \"name\": \"SNAT\"",
    "\"type\": \"target\", \"name\": \"REDIRECT\"", "\"type\": \"target\", \"name\": \"MASQUERADE\"", NULL};
  for (const char *const *sign = signs; *sign; sign++) if (memmem(rule.p, rule.n, *sign, strlen(*sign))) return true;
  return false;
}

/* Whether the rule of that place is still the very same, and one that may be taken over. */
bool nat_foreign_is_there(const struct buf *ruleset, const struct nat_foreign *f) {
  struct span whole, kind, value;
  uint64_t wanted, handle;
  if (!parse_number(f->handle, strlen(f->handle), INT64_MAX, &wanted)) return false;
  for (size_t at = 0; json_element(span_of(ruleset), &at, &whole, &kind, &value);) {
    uint8_t sum[32];
    char text[65];
    if (!is_text(kind, "rule") || !json_is(value, "family", f->family) || !json_is(value, "table", f->table) || !json_is(value, "chain", f->chain)) continue;
    if (!json_number(value, "handle", &handle) || handle != wanted) continue;
    sha256_of(value.p, value.n, sum);
    hex(text, sum, sizeof sum);
    return !strcmp(text, f->sha256) && translates(value);
  }
  return false;
}
