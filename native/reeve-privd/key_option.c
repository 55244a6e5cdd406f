/* What a line of a key file says before the key. Read as sshd reads it; what Reeve does not know becomes the line's problem. */
#include "reeve.h"
#include <stdarg.h>
#include <time.h>

#define NETWORKS_MAX 32
#define NETWORK_ROOM 44

/* In the order in which they are written. */
static const char *const flags[] = {"restrict", "no-agent-forwarding", "no-port-forwarding", "no-pty", "no-user-rc", "no-X11-forwarding"};
#define NFLAGS (sizeof flags / sizeof *flags)

/* The first problem of a line is the one that is told. */
void key_problem(struct key_line *k, const char *format, ...) {
  va_list list;
  if (k->problem[0]) return;
  va_start(list, format);
  vsnprintf(k->problem, sizeof k->problem, format, list);
  va_end(list);
  for (char *s = k->problem; *s; s++) if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f) *s = '?';
}

/* Four decimal parts without leading zeros. */
static bool parse_ipv4(const char *s, uint8_t out[16]) {
  for (int i = 0; i < 4; i++) {
    uint64_t part;
    size_t n = strspn(s, "0123456789");
    if (n > 3 || !parse_number(s, n, 255, &part)) return false;
    out[i] = (uint8_t)part;
    s += n;
    if (i < 3 && *s++ != '.') return false;
  }
  return *s == 0;
}

/* Groups of four digits with ":" between, from `s` on to `end`; how many there are, or -1. */
static int groups(const char *s, const char *end, uint16_t *out, int most) {
  int count = 0;
  while (s < end) {
    size_t n = strspn(s, "0123456789abcdef");
    if (n < 1 || n > 4 || count == most) return -1;
    out[count++] = (uint16_t)strtoul(s, NULL, 16);
    s += n;
    if (s < end && (*s++ != ':' || s == end)) return -1;
  }
  return count;
}

/* RFC 5952: lower case, the first of the longest runs of zeros as "::". */
static void format_ipv6(char *out, const uint16_t g[8]) {
  int best = -1, length = 1, n = 0;
  for (int i = 0; i < 8; i++) {
    int run = 0;
    while (i + run < 8 && g[i + run] == 0) run++;
    if (run > length) { best = i; length = run; }
  }
  for (int i = 0; i < 8; i++) {
    if (i == best) {
      n += sprintf(out + n, "::");
      i += length - 1;
    } else n += sprintf(out + n, "%s%x", n > 0 && out[n - 1] != ':' ? ":" : "", g[i]);
  }
}

static bool parse_ipv6(const char *s, uint8_t out[16]) {
  uint16_t g[8] = {0}, tail[8];
  char again[64];
  const char *gap = strstr(s, "::"), *end = s + strlen(s);
  int head = groups(s, gap ? gap : end, g, 8), rest = gap ? groups(gap + 2, end, tail, 8) : 0;
  if (head < 0 || rest < 0 || (gap ? head + rest > 6 : head != 8)) return false;
  for (int i = 0; i < rest; i++) g[8 - rest + i] = tail[i];
  for (int i = 0; i < 8; i++) { out[2 * i] = (uint8_t)(g[i] >> 8); out[2 * i + 1] = (uint8_t)g[i]; }
  format_ipv6(again, g);
  return !strcmp(again, s);
}

/* A network as shared/model/network.ts takes it, in its canonical form. */
static bool parse_network(const char *s, size_t n, char out[NETWORK_ROOM]) {
  uint8_t bytes[16] = {0};
  uint64_t prefix;
  if (n >= NETWORK_ROOM) return false;
  memcpy(out, s, n);
  out[n] = 0;
  char *slash = strchr(out, '/');
  if (slash) *slash = 0;
  bool v4 = parse_ipv4(out, bytes);
  if (!v4 && !parse_ipv6(out, bytes)) return false;
  unsigned full = v4 ? 32 : 128;
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};  /* IPv4 inside IPv6 (RFC 4291 2.5.5.2) */
  bool inside = !v4 && !memcmp(bytes, mapped, sizeof mapped);
  if (!slash) return !inside;
  if (!parse_number(slash + 1, strlen(slash + 1), full, &prefix) || prefix == 0 || (inside && prefix >= 96)) return false;
  for (unsigned bit = (unsigned)prefix; bit < full; bit++) if (bytes[bit / 8] & (0x80 >> bit % 8)) return false;
  if (prefix < full) *slash = '/';
  return true;
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* from="NETWORK,...": sorted, each once, at most 32. Into `out`, which has room for all of them. */
static bool parse_from(const char *s, size_t n, char *out) {
  char list[NETWORKS_MAX][NETWORK_ROOM];
  size_t count = 0;
  for (const char *at = s, *end = s + n; at <= end; count++) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    const char *stop = comma ? comma : end;
    if (count == NETWORKS_MAX || !parse_network(at, (size_t)(stop - at), list[count])) return false;
    at = stop + 1;
  }
  qsort(list, count, sizeof *list, by_text);
  *out = 0;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && !strcmp(list[i - 1], list[i])) return false;
    out += sprintf(out, "%s%s", i > 0 ? "," : "", list[i]);
  }
  return true;
}

/* YYYYMMDDHHMM[SS]Z, after the beginning of 1970. */
static bool parse_expiry(const char *s, size_t n, uint64_t *out) {
  struct tm t = {0}, again;
  int part[6] = {0};
  if ((n != 13 && n != 15) || s[n - 1] != 'Z') return false;
  for (size_t i = 0; i < n - 1; i++) {
    if (s[i] < '0' || s[i] > '9') return false;
    int *p = &part[i < 4 ? 0 : i / 2 - 1];
    *p = *p * 10 + (s[i] - '0');
  }
  t = (struct tm){.tm_year = part[0] - 1900, .tm_mon = part[1] - 1, .tm_mday = part[2], .tm_hour = part[3], .tm_min = part[4], .tm_sec = part[5]};
  time_t at = timegm(&t);
  *out = (uint64_t)at;
  return at > 0 && gmtime_r(&at, &again) && again.tm_year == part[0] - 1900 && again.tm_mon == part[1] - 1 && again.tm_mday == part[2]
    && again.tm_hour == part[3] && again.tm_min == part[4] && again.tm_sec == part[5];
}

/* One option: its name, and its value where it has one (between the quotes). */
struct option { const char *name, *value; size_t nname, nvalue; };

/* From `s` on; what follows it. NULL: it is none that sshd would take. */
static const char *next_option(const char *s, const char *end, struct option *o) {
  *o = (struct option){.name = s};
  while (s < end && *s != ',' && *s != '=' && *s != '"') s++;
  o->nname = (size_t)(s - o->name);
  if (s < end && *s == '=') {
    if (++s == end || *s++ != '"') return NULL;
    o->value = s;
    while (s < end && *s != '"') s += *s == '\\' && s + 1 < end && s[1] == '"' ? 2 : 1;
    if (s >= end) return NULL;
    o->nvalue = (size_t)(s++ - o->value);
  }
  if (s == end) return s;
  return *s == ',' && s + 1 < end ? s + 1 : NULL;
}

static bool is_named(const struct option *o, const char *name) { return strlen(name) == o->nname && !strncasecmp(o->name, name, o->nname); }

static void take_option(struct key_line *k, const struct option *o, bool on[NFLAGS], char *from) {
  for (size_t i = 0; i < NFLAGS; i++) {
    if (o->value || !is_named(o, flags[i])) continue;
    on[i] = true;
    return;
  }
  if (o->value && is_named(o, "from")) {
    if (*from) key_problem(k, "option \"from\" is given twice");
    else if (!parse_from(o->value, o->nvalue, from)) {
      *from = 0;
      key_problem(k, "option \"from\" is not a list of at most 32 networks in canonical form");
    }
  } else if (o->value && is_named(o, "expiry-time")) {
    if (k->expires) key_problem(k, "option \"expiry-time\" is given twice");
    else if (!parse_expiry(o->value, o->nvalue, &k->expires)) {
      k->expires = 0;
      key_problem(k, "option \"expiry-time\" is not a time in UTC as YYYYMMDDHHMM[SS]Z");
    }
  } else key_problem(k, "option \"%.*s\" is not known to Reeve", (int)(o->nname > 40 ? 40 : o->nname), o->name);
}

/* Fills options and expires. */
void key_options_parse(struct key_line *k, const char *s, size_t n) {
  bool on[NFLAGS] = {false};
  char from[NETWORKS_MAX * NETWORK_ROOM + 1] = "";
  struct option o;
  for (const char *end = s + n; s && s < end;) {
    s = next_option(s, end, &o);
    if (s) take_option(k, &o, on, from);
    else key_problem(k, "its options are malformed");
  }
  size_t at = 0;
  for (size_t i = 0; i < NFLAGS; i++) if (on[i]) at += (size_t)sprintf(k->options + at, "%s%s", at ? "," : "", flags[i]);
  if (*from) sprintf(k->options + at, "%sfrom=\"%s\"", at ? "," : "", from);
}
