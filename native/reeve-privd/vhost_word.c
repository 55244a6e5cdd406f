/* Checks of single words of a SITE.conf. */
#include "vhost_word.h"
#include <arpa/inet.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define ROUTE_MAX 512u

bool word_number(const char *s, uint64_t min, uint64_t max, uint64_t *out) {
  uint64_t v;
  if (!parse_number(s, strlen(s), max, &v) || v < min) return false;
  if (out) *out = v;
  return true;
}

bool word_seconds(const char *s) {
  char digits[8];
  size_t n = strlen(s);
  if (n < 2 || n > sizeof digits || s[n - 1] != 's') return false;
  snprintf(digits, sizeof digits, "%.*s", (int)(n - 1), s);
  return word_number(digits, 1, 86400, NULL);
}

static bool printable(const char *s) {
  for (; *s; s++) if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
  return true;
}

bool word_plain(const char *s) { return printable(s) && !strchr(s, '$'); }

/* How long the variable is that begins here; 0: it is none of these. */
static size_t variable_at(const char *s, const char *const *variables) {
  bool brace = s[1] == '{';
  const char *name = s + (brace ? 2 : 1);
  char text[32];
  size_t n = strspn(name, LOWER UPPER DIGITS "_");
  if (n == 0 || n >= sizeof text || (brace && name[n] != '}')) return 0;
  snprintf(text, sizeof text, "%.*s", (int)n, name);
  if (strcmp(text, "reeve_dollar") && !is_listed(variables, text)) return 0;
  return (size_t)(name - s) + n + (brace ? 1 : 0);
}

bool word_text(const char *s, const char *const *variables) {
  if (!printable(s)) return false;
  for (const char *at = s; (at = strchr(at, '$'));) {
    size_t n = variable_at(at, variables);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

bool word_header(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 64 && strchr(LOWER UPPER, s[0]) && strspn(s, LOWER UPPER DIGITS "-") == n;
}

static bool label_fits(const char *s, size_t n) {
  if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-') return false;
  return n < 4 || s[2] != '-' || s[3] != '-' || !strncmp(s, "xn--", 4);
}

bool word_domain(const char *s) {
  const char *label = s + (s[0] == '*' && s[1] == '.' ? 2 : 0);
  if (strlen(s) > 253 || !strchr(label, '.')) return false;
  for (;; label++) {
    size_t n = strspn(label, LOWER DIGITS "-");
    if (!label_fits(label, n)) return false;
    if (!label[n]) return strspn(label, DIGITS) < n;
    if (label[n] != '.') return false;
    label += n;
  }
}

/* An address in its shortest form; 0: it is none, else 4 or 6. */
static int address_of(const char *s, size_t n, uint8_t bytes[16]) {
  char text[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN];
  if (n == 0 || n >= sizeof text) return 0;
  memcpy(text, s, n);
  text[n] = 0;
  int family = memchr(s, ':', n) ? AF_INET6 : AF_INET;
  bool fits = inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, again, sizeof again) && !strcmp(text, again);
  return !fits ? 0 : family == AF_INET6 ? 6 : 4;
}

/* Of one machine, this one too: not unspecified, multicast, link-local IPv6 or IPv4 inside IPv6. */
static bool is_machine(int version, const uint8_t *b) {
  if (version == 4) return b[0] != 0 && b[0] < 224;
  static const uint8_t self[16] = {[15] = 1};
  return version == 6 && (!memcmp(b, self, sizeof self) || (b[0] != 0 && b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80)));
}

bool word_network(const char *s) {
  uint8_t bytes[16];
  const char *slash = strchr(s, '/');
  int version = address_of(s, slash ? (size_t)(slash - s) : strlen(s), bytes);
  return version && (!slash || word_number(slash + 1, 0, version == 6 ? 128 : 32, NULL));
}

bool word_route(const char *s, size_t n) {
  if (n < 2 || n > ROUTE_MAX || strspn(s, LOWER UPPER DIGITS "._~/-") < n) return false;
  for (const char *part = s, *end = s + n; part < end;) {
    if (*part != '/') return false;
    size_t length = strcspn(++part, "/");
    if (length > (size_t)(end - part)) length = (size_t)(end - part);
    if (length == 0 || (length == 1 && *part == '.') || memmem(part, length, "..", 2)) return false;
    part += length;
  }
  return true;
}

bool word_folder(const char *s, size_t most) {
  size_t n = strlen(s);
  if (n < 2 || n > most) return false;
  for (const char *part = s; *part;) {
    if (*part != '/' || !part[1] || !strchr(LOWER UPPER DIGITS "_@+~", part[1])) return false;
    part += 1 + strspn(part + 1, LOWER UPPER DIGITS "._@+~-");
  }
  return true;
}

bool word_name(const char *s, size_t n, const char *also) {
  if (n < 1 || n > 64 || !strchr(LOWER DIGITS, s[0])) return false;
  for (size_t i = 0; i < n; i++) if (!s[i] || (!strchr(LOWER DIGITS, s[i]) && !strchr(also, s[i]))) return false;
  return true;
}

bool word_named(const char *s, const char *kind) {
  if (strncmp(s, "@reeve_", 7)) return false;
  s += 7;
  if (kind && *kind != 'r') return !strcmp(s, kind);
  if (*s == 'r') return word_number(s + 1, 0, 9999, NULL);
  return !kind && (!strcmp(s, "502") || !strcmp(s, "504"));
}

/* What comes behind "ADDRESS:", or NULL. */
static const char *behind_address(const char *s, char address[64], uint8_t bytes[16], int *version) {
  bool v6 = *s == '[';
  const char *from = v6 ? s + 1 : s, *end = strchr(from, v6 ? ']' : ':');
  if (!end || end - from >= 64) return NULL;
  snprintf(address, 64, "%.*s", (int)(end - from), from);
  *version = address_of(from, (size_t)(end - from), bytes);
  if (*version != (v6 ? 6 : 4)) return NULL;
  end += v6 ? 1 : 0;
  return *end == ':' ? end + 1 : NULL;
}

static const char *behind_port(const char *s, uint16_t *port) {
  uint64_t v;
  size_t n = strspn(s, DIGITS);
  if (!parse_number(s, n, 65535, &v) || v == 0) return NULL;
  *port = (uint16_t)v;
  return s + n;
}

bool word_listen(const char *s, uint16_t *port) {
  char address[64];
  uint8_t bytes[16];
  int version = 0;
  const char *at = s;
  if (!strncmp(s, "[::]:", 5)) {
    at = s + 5;
  } else if (strspn(s, DIGITS) < strlen(s)) {
    at = behind_address(s, address, bytes, &version);
    if (!at || !is_machine(version, bytes)) return false;
  }
  at = behind_port(at, port);
  return at && *at == 0;
}

const char *word_upstream(const char *s, bool http, char address[64], uint16_t *port, char path[256]) {
  uint8_t bytes[16];
  int version;
  address[0] = path[0] = 0;
  if (strncmp(s, "unix:", 5)) {
    const char *at = behind_address(s, address, bytes, &version);
    return at && is_machine(version, bytes) ? behind_port(at, port) : NULL;
  }
  /* In a URL it is "unix:/PATH:" and what comes behind. */
  const char *from = s + 5, *end = http ? strchr(from, ':') : from + strlen(from);
  if (!end || end - from >= 256) return NULL;
  snprintf(path, 256, "%.*s", (int)(end - from), from);
  return word_folder(path, 107) ? end + (http ? 1 : 0) : NULL;
}

/* A path in an expression: what stands behind it there, or NULL. `slash`: it ends in one. */
static const char *behind_path(const char *s, bool slash) {
  char path[ROUTE_MAX + 2];
  size_t n = 0;
  for (; *s; s++) {
    if (*s == '\\' && s[1] == '.') s++;
    else if (!strchr(LOWER UPPER DIGITS "_~/-", *s)) break;
    if (n == sizeof path - 1) return NULL;
    path[n++] = *s;
  }
  path[n] = 0;
  if (slash && (n == 0 || path[--n] != '/')) return NULL;
  return n == 0 || word_route(path, n) ? s : NULL;
}

static bool matches(const char *s, const char *before, bool slash, const char *behind) {
  size_t n = strlen(before);
  s = strncmp(s, before, n) ? NULL : behind_path(s + n, slash);
  return s && !strcmp(s, behind);
}

bool word_rest(const char *s, bool query) {
  return matches(s, "(?s)^", false, "(?<reeve_rest>/.*)") || (query && matches(s, "(?s)^", false, "(?<reeve_rest>(?:[/?].*)?)\\z"));
}

bool word_hidden(const char *s) { return matches(s, "(?s)^", true, "(?:.*/)?\\.(?!well-known(?:/|\\z))"); }

bool word_denied(const char *s) { return matches(s, "^", false, "(?:/|\\z)"); }
