/* The grammar of single values of noun container (shared/model/container.ts has the same; SECURITY.md section 6). */
#include "container_spec.h"
#include <arpa/inet.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define WORD LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS

static bool all_of(const char *s, size_t n, const char *set) {
  for (size_t i = 0; i < n; i++) if (!s[i] || !strchr(set, s[i])) return false;
  return true;
}

/* [a-z0-9][a-z0-9-]{0,62}; numbers are those of pct, "host" and "none" words of podman. */
bool container_name(const char *s) {
  size_t n = strlen(s);
  if (n < 1 || n > 63 || s[0] == '-' || !all_of(s, n, LOWER DIGITS "-")) return false;
  return strspn(s, DIGITS) != n && strcmp(s, "host") && strcmp(s, "none");
}

/* The host of a registry: "localhost", or one that cannot be taken for the first part of a path. */
static bool registry(const char *s, size_t n) {
  const char *colon = memchr(s, ':', n);
  size_t host = colon ? (size_t)(colon - s) : n;
  uint64_t port = 1;
  if (host < 1 || host > 253 || !all_of(s, host, LOWER DIGITS ".-") || strchr(".-", s[0]) || strchr(".-", s[host - 1])) return false;
  if (colon && (!parse_number(colon + 1, n - host - 1, 65535, &port) || port == 0)) return false;
  return colon || memchr(s, '.', n) || (n == 9 && !memcmp(s, "localhost", 9));
}

/* A part of a repository's path: letters and digits with single separators between. */
static bool part(const char *s, size_t n) {
  if (n < 1 || !all_of(s, n, LOWER DIGITS "._-") || strchr("._-", s[0]) || strchr("._-", s[n - 1])) return false;
  for (size_t i = 1; i < n; i++) {
    if (s[i] == '.' && strchr("._-", s[i - 1])) return false;
    if (s[i] == '_' && (strchr(".-", s[i - 1]) || (i > 1 && s[i - 1] == '_' && s[i - 2] == '_'))) return false;
    if (s[i] == '-' && strchr("._", s[i - 1])) return false;
  }
  return true;
}

bool container_image_name(const char *s, size_t n) {
  const char *slash = memchr(s, '/', n);
  if (!slash || n > 255 || !registry(s, (size_t)(slash - s))) return false;
  for (const char *at = slash + 1, *end = s + n; at <= end;) {
    const char *next = memchr(at, '/', (size_t)(end - at));
    if (!part(at, (size_t)((next ? next : end) - at))) return false;
    if (!next) return true;
    at = next + 1;
  }
  return false;
}

void container_unit_name(char out[CONTAINER_UNIT_ROOM], const char *name) { snprintf(out, CONTAINER_UNIT_ROOM, "reeve-container-%s.service", name); }
void container_port_unit(char out[CONTAINER_UNIT_ROOM], const char *name, uint32_t port, const char *suffix) { snprintf(out, CONTAINER_UNIT_ROOM, "reeve-container-%s.%u.%s", name, port, suffix); }

size_t container_image_length(const char *s) {
  const char *at = strchr(s, '@'), *slash = strrchr(s, '/'), *colon = strchr(slash ? slash : s, ':');
  return at ? (size_t)(at - s) : colon ? (size_t)(colon - s) : strlen(s);
}

bool container_sum(const char *s) { return strlen(s) == 64 && all_of(s, 64, DIGITS "abcdef"); }

bool container_image(const char *s) {
  const char *at = strstr(s, "@sha256:");
  return at && container_image_name(s, (size_t)(at - s)) && container_sum(at + 8);
}

static bool tagged(const char *s, const char *name) {
  const char *slash = strrchr(s, '/'), *colon = slash ? strchr(slash, ':') : NULL;
  if (!colon || !container_image_name(s, (size_t)(colon - s)) || strncmp(s, name, strlen(name))) return false;
  size_t n = strlen(colon + 1);
  return n >= 1 && n <= 128 && all_of(colon + 1, n, WORD "_.-") && !strchr(".-", colon[1]);
}

bool container_image_wanted(const char *s) { return container_image(s) || tagged(s, ""); }
bool container_local_tag(const char *s) { return tagged(s, "localhost/"); }

bool container_secret(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 64 && all_of(s, n, LOWER DIGITS "._-") && !strchr("._-", s[0]);
}

/* "current" and "vzdump" are pct's own. */
bool container_snapshot(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 32 && s[0] != '-' && all_of(s, n, LOWER DIGITS "-") && strcmp(s, "current") && strcmp(s, "vzdump");
}

/* [A-Z][A-Z0-9_]{0,63}, and nothing by which a program finds or loads another one. */
bool container_env_name(const char *s) {
  static const char *const never[] = {"PATH", "IFS", "BASH_ENV", "ENV", "NODE_OPTIONS", "GCONV_PATH", "LOCPATH", NULL}, *const begins[] = {"LD_", "PYTHON", "PERL", NULL};
  size_t n = strlen(s);
  if (n < 1 || n > 64 || s[0] < 'A' || s[0] > 'Z' || !all_of(s, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_")) return false;
  for (const char *const *word = begins; *word; word++) if (!strncmp(s, *word, strlen(*word))) return false;
  return !is_listed(never, s);
}

bool container_path(const char *s) {
  size_t n = strlen(s);
  if (n < 2 || n > 1024 || s[0] != '/' || s[n - 1] == '/' || !all_of(s, n, WORD "._@+-/")) return false;
  for (const char *at = s + 1; ;) {
    size_t m = strcspn(at, "/");
    if (m == 0 || m > 255 || (at[0] == '.' && (m == 1 || (m == 2 && at[1] == '.')))) return false;
    at += m;
    if (!*at++) return true;
  }
}

bool container_address(const char *s, int *family) {
  uint8_t bytes[16];
  char again[64];
  *family = strchr(s, ':') ? AF_INET6 : AF_INET;
  if (inet_pton(*family, s, bytes) != 1 || !inet_ntop(*family, bytes, again, sizeof again) || strcmp(s, again)) return false;
  /* An address of IPv4 in one of IPv6 has more than one meaning. */
  return *family == AF_INET || !strchr(s, '.');
}

bool container_interface(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 15 && s[0] >= 'a' && s[0] <= 'z' && all_of(s, n, LOWER DIGITS "._-") && strcmp(s, "lo") && strcmp(s, "any");
}
