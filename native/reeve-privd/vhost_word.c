/* Checks of single words of a SITE.conf. */
#include "vhost_word.h"
#include <arpa/inet.h>
#include <ctype.h>

/* What a site may use: nothing that is a file, a header of the client's choice in a place that matters, or a secret. */
static const char *const variables[] = {"args", "content_length", "content_type", "document_uri", "host", "https", "is_args", "query_string", "reeve_connection", "reeve_dollar", "reeve_local",
  "reeve_port", "reeve_rest", "reeve_upgrade", "remote_addr", "remote_port", "remote_user", "request_filename", "request_method", "request_uri", "scheme", "server_addr", "server_name", "server_port",
  "server_protocol", "ssl_client_serial", "ssl_client_verify", "ssl_server_name", "uri", NULL};

bool word_is(const char *s, const char *const *list) { return is_listed(list, s); }

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

bool word_code(const char *s) { return word_number(s, 200, 599, NULL); }

static bool printable(const char *s) {
  for (; *s; s++) if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
  return true;
}

static size_t variable_at(const char *s) {
  bool brace = s[1] == '{';
  const char *name = s + (brace ? 2 : 1);
  size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  if (n == 0 || n > 31 || (brace && name[n] != '}')) return 0;
  char text[32];
  snprintf(text, sizeof text, "%.*s", (int)n, name);
  return is_listed(variables, text) ? (size_t)(name - s) + n + (brace ? 1 : 0) : 0;
}

bool word_text(const char *s) {
  if (!printable(s)) return false;
  for (const char *at = s; (at = strchr(at, '$'));) {
    size_t n = variable_at(at);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

bool word_plain(const char *s) { return printable(s) && !strchr(s, '$'); }

bool word_header(const char *s) {
  if (!isalpha((unsigned char)*s) || strlen(s) > 64) return false;
  for (; *s; s++) if (!isalnum((unsigned char)*s) && *s != '-') return false;
  return true;
}

bool word_param(const char *s) {
  if (*s < 'A' || *s > 'Z' || strlen(s) > 64) return false;
  for (; *s; s++) if (!((*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_')) return false;
  return true;
}

bool word_domain(const char *s) {
  if (s[0] == '*' && s[1] == '.') s += 2;
  size_t n = strlen(s);
  if (n < 3 || n > 253 || !strchr(s, '.')) return false;
  for (const char *label = s;;) {
    size_t len = strcspn(label, ".");
    if (len < 1 || len > 63 || label[0] == '-' || label[len - 1] == '-') return false;
    for (size_t i = 0; i < len; i++) if (!((label[i] >= 'a' && label[i] <= 'z') || (label[i] >= '0' && label[i] <= '9') || label[i] == '-')) return false;
    if (label[len] == 0) return isalpha((unsigned char)label[0]) != 0;
    label += len + 1;
  }
}

bool word_network(const char *s) {
  uint8_t bytes[16];
  char address[64];
  const char *slash = strchr(s, '/');
  size_t n = slash ? (size_t)(slash - s) : strlen(s);
  if (n >= sizeof address) return false;
  snprintf(address, sizeof address, "%.*s", (int)n, s);
  bool v6 = strchr(address, ':') != NULL;
  return inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) == 1 && (!slash || word_number(slash + 1, 0, v6 ? 128 : 32, NULL));
}

bool word_place(const char *s) {
  if (*s != '/' || strlen(s) > 256 || strstr(s, "//") || strchr(s, '$')) return false;
  for (const char *at = s; (at = strstr(at, "/."));) {
    at += 2;
    if (*at == '/' || *at == 0 || (*at == '.' && (at[1] == '/' || at[1] == 0))) return false;
  }
  for (; *s; s++) if (!isalnum((unsigned char)*s) && !strchr("._~/-", *s)) return false;
  return true;
}

bool word_cert_name(const char *s, size_t n) {
  if (n < 1 || n > 64 || !isalnum((unsigned char)*s)) return false;
  for (size_t i = 0; i < n; i++) if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || strchr("._-", s[i]))) return false;
  return true;
}

bool word_named(const char *s) {
  if (strncmp(s, "@reeve_", 7) || strlen(s) > 24 || !s[7]) return false;
  for (s += 7; *s; s++) if (!isalnum((unsigned char)*s)) return false;
  return true;
}

/* Where an address in front of ":PORT" ends. */
static const char *address_end(const char *s, char address[64], bool *v6) {
  uint8_t bytes[16];
  *v6 = *s == '[';
  const char *from = *v6 ? s + 1 : s, *end = *v6 ? strchr(from, ']') : strchr(from, ':');
  if (!end || end - from >= 64) return NULL;
  snprintf(address, 64, "%.*s", (int)(end - from), from);
  if (inet_pton(*v6 ? AF_INET6 : AF_INET, address, bytes) != 1) return NULL;
  end += *v6 ? 1 : 0;
  return *end == ':' ? end + 1 : NULL;
}

static const char *port_end(const char *s, uint16_t *port) {
  uint64_t v;
  size_t n = strspn(s, "0123456789");
  if (!parse_number(s, n, 65535, &v) || v == 0) return NULL;
  *port = (uint16_t)v;
  return s + n;
}

bool word_listen(const char *s, uint16_t *port) {
  char address[64];
  bool v6;
  const char *at = strspn(s, "0123456789") == strlen(s) ? s : address_end(s, address, &v6);
  at = at ? port_end(at, port) : NULL;
  return at && *at == 0;
}

const char *word_upstream(const char *s, bool http, char address[64], uint16_t *port, char path[256]) {
  bool v6;
  address[0] = path[0] = 0;
  if (strncmp(s, "unix:", 5)) {
    const char *at = address_end(s, address, &v6);
    return at ? port_end(at, port) : NULL;
  }
  /* "http://unix:/PATH:" and what comes behind; a path has no ":" there. */
  const char *from = s + 5, *end = http ? strchr(from, ':') : from + strlen(from);
  if (!end || end - from >= 256) return NULL;
  snprintf(path, 256, "%.*s", (int)(end - from), from);
  return vhost_path(path) && !strpbrk(path, "$: ") ? end + (http ? 1 : 0) : NULL;
}
