/* Files of a set but SITE.conf: which there are, and what may stand in them. */
#include "vhost.h"
#include <ctype.h>

#define AUTH_LINES 256u
#define CA_MAX (64u << 10)
#define CRL_MAX (256u << 10)
#define KEY_MAX (16u << 10)

static bool site_name(const char *s, size_t n) {
  if (n < 1 || n > SITE_MAX_LEN || !(isalnum((unsigned char)s[0]) || (s[0] == '_' && n > 2 && s[1] == '.'))) return false;
  for (size_t i = 0; i < n; i++) {
    char c = s[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || (c == '_' && i == 0))) return false;
    if (c == '.' && (i + 1 == n || s[i + 1] == '.')) return false;
  }
  return true;
}

/* Of SITE.conf, SITE.auth, SITE.auth12, SITE.ca, SITE.crl, SITE.crt, SITE.key. */
enum vhost_kind vhost_kind(const char *file, char site[SITE_MAX_LEN + 1]) {
  static const struct { const char *suffix; enum vhost_kind kind; } kinds[] = {
    {"conf", VHOST_CONF}, {"auth", VHOST_AUTH}, {"ca", VHOST_CA}, {"crl", VHOST_CRL}, {"crt", VHOST_CRT}, {"key", VHOST_KEY}};
  const char *dot = strrchr(file, '.');
  if (!dot || !site_name(file, (size_t)(dot - file))) return VHOST_NONE;
  snprintf(site, SITE_MAX_LEN + 1, "%.*s", (int)(dot - file), file);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) if (!strcmp(dot + 1, kinds[i].suffix)) return kinds[i].kind;
  uint64_t number;
  if (!strncmp(dot + 1, "auth", 4) && strlen(dot + 5) <= 10 && parse_number(dot + 5, strlen(dot + 5), UINT64_MAX, &number) && number > 0) return VHOST_AUTH;
  return VHOST_NONE;
}

static bool wrong_at(struct vhost_wrong *w, unsigned line, const char *says) {
  w->line = line;
  snprintf(w->says, sizeof w->says, "%s", says);
  return false;
}

/* NAME:$2b$COST$ and 53 characters. */
static bool auth_line(const char *s, size_t n) {
  const char *colon = memchr(s, ':', n);
  size_t name = colon ? (size_t)(colon - s) : 0;
  if (name < 1 || name > 32 || n - name - 1 != 60) return false;
  for (size_t i = 0; i < name; i++) if (!isalnum((unsigned char)s[i]) && !strchr("._@-", s[i])) return false;
  const char *hash = colon + 1;
  if (memcmp(hash, "$2b$1", 5) || hash[5] < '0' || hash[5] > '4' || hash[6] != '$') return false;
  for (size_t i = 7; i < 60; i++) if (!isalnum((unsigned char)hash[i]) && hash[i] != '.' && hash[i] != '/') return false;
  return true;
}

static bool auth(const char *text, size_t n, struct vhost_wrong *w) {
  unsigned line = 0;
  char last[33] = "", now[33];
  for (const char *at = text, *end = text + n; at < end;) {
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    line++;
    if (!lf || !auth_line(at, (size_t)(lf - at))) return wrong_at(w, line, "it is not NAME:HASH with a hash of bcrypt");
    snprintf(now, sizeof now, "%.*s", (int)((const char *)memchr(at, ':', (size_t)(lf - at)) - at), at);
    if (strcmp(last, now) >= 0) return wrong_at(w, line, "users are sorted by name, and each is there once");
    strcpy(last, now);
    if (line > AUTH_LINES) return wrong_at(w, line, "there are more than 256 users");
    at = lf + 1;
  }
  return line > 0 || wrong_at(w, 1, "it has no user");
}

/* Blocks of one label and nothing else, base64 in lines of at most 64. */
bool vhost_pem(const char *text, size_t n, const char *label, size_t most) {
  char begin[64], end[64];
  size_t nbegin = (size_t)snprintf(begin, sizeof begin, "-----BEGIN %s-----\n", label), nend = (size_t)snprintf(end, sizeof end, "-----END %s-----\n", label);
  size_t blocks = 0;
  if (n == 0 || n > most) return false;
  for (const char *at = text, *stop = text + n; at < stop; blocks++) {
    if ((size_t)(stop - at) < nbegin || memcmp(at, begin, nbegin)) return false;
    at += nbegin;
    for (size_t lines = 0;; lines++) {
      const char *lf = memchr(at, '\n', (size_t)(stop - at));
      if (!lf) return false;
      if ((size_t)(stop - at) >= nend && !memcmp(at, end, nend) && lines > 0) break;
      if (lf == at || lf - at > 64) return false;
      for (const char *c = at; c < lf; c++) if (!isalnum((unsigned char)*c) && !strchr("+/=", *c)) return false;
      at = lf + 1;
    }
    at += nend;
  }
  return blocks > 0;
}

static bool key(const char *text, size_t n) {
  if (n > 1 && memmem(text + 1, n - 1, "-----BEGIN", 10)) return false;
  return vhost_pem(text, n, "PRIVATE KEY", KEY_MAX) || vhost_pem(text, n, "EC PRIVATE KEY", KEY_MAX) || vhost_pem(text, n, "RSA PRIVATE KEY", KEY_MAX);
}

/* The first line says whose file it is, and from which model it was made. */
static bool head(const char *text, size_t n, struct vhost_wrong *w) {
  static const char line[] = "# Managed by Reeve: changes made here are told and not overwritten. model ";
  size_t length = sizeof line - 1;
  bool fits = n > length + 64 && !memcmp(text, line, length) && text[length + 64] == '\n';
  for (size_t i = 0; i < 64 && fits; i++) fits = strchr("0123456789abcdef", text[length + i]) && text[length + i];
  return fits || wrong_at(w, 1, "it is not the first line of such a file");
}

bool vhost_content(enum vhost_kind kind, const char *site, const char *text, size_t n, struct vhost_facts *facts, struct vhost_wrong *w) {
  if (n > VHOST_FILE_MAX) return wrong_at(w, 0, "a file is larger than 1 MiB");
  if (memchr(text, 0, n)) return wrong_at(w, 0, "it has a zero byte");
  switch (kind) {
    case VHOST_CONF: return head(text, n, w) && vhost_conf(site, text, n, facts, w);
    case VHOST_AUTH: return auth(text, n, w);
    case VHOST_CA: return vhost_pem(text, n, "CERTIFICATE", CA_MAX) || wrong_at(w, 0, "it is not certificates in PEM of at most 64 KiB");
    case VHOST_CRL: return vhost_pem(text, n, "X509 CRL", CRL_MAX) || wrong_at(w, 0, "it is not revocation lists in PEM of at most 256 KiB");
    case VHOST_CRT: return vhost_pem(text, n, "CERTIFICATE", CA_MAX) || wrong_at(w, 0, "it is not certificates in PEM of at most 64 KiB");
    case VHOST_KEY: return key(text, n) || wrong_at(w, 0, "it is not one private key in PEM");
    case VHOST_NONE: break;
  }
  return wrong_at(w, 0, "a set has no such file");
}

/* Absolute and in its only form. Bytes above 0x7f are those of UTF-8. */
bool vhost_path(const char *path) {
  if (path[0] != '/' || path[1] == 0 || strlen(path) > 1024) return false;
  for (const char *part = path; *part;) {
    size_t n = strcspn(part + 1, "/");
    if (n == 0 || (n == 1 && part[1] == '.') || (n == 2 && part[1] == '.' && part[2] == '.')) return false;
    part += 1 + n;
  }
  for (const char *c = path; *c; c++) if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '$') return false;
  return true;
}

/* "# Managed by Reeve: ... model HEX" */
bool vhost_model(const char *text, size_t n, uint8_t out[32]) {
  static const char word[] = " model ";
  const char *lf = memchr(text, '\n', n), *end = lf ? lf : text + n;
  if (n == 0 || text[0] != '#' || end - text < 64 + (long)sizeof word || memcmp(end - 64 - (sizeof word - 1), word, sizeof word - 1)) return false;
  return unhex(out, end - 64, 32);
}

void vhost_facts_free(struct vhost_facts *facts) {
  for (size_t i = 0; i < facts->n; i++) free(facts->list[i].text);
  free(facts->list);
  *facts = (struct vhost_facts){0};
}

static bool check_file(const char *folder, const char *name) {
  char site[SITE_MAX_LEN + 1] = "", path[4096];
  size_t n = 0;
  struct vhost_wrong w = {0};
  AUTO_FACTS facts = {0};
  snprintf(path, sizeof path, "%s/%s", folder, name);
  AUTO_TEXT text = read_whole(path, VHOST_FILE_MAX, &n);
  if (!text) (void)wrong_at(&w, 0, "it cannot be read");
  if (text && vhost_content(vhost_kind(name, site), site, text, n, &facts, &w)) return printf("ok\t%s\n", name) > 0;
  printf("problem\t%s\t%u\t%s\n", name, w.line, w.says);
  return false;
}

int check_sites(const char *folder) {
  struct dirent **names = NULL;
  bool ok = true;
  int n = scandir(folder, &names, NULL, alphasort);
  for (int i = 0; i < n; i++) if (names[i]->d_name[0] != '.' && strcmp(names[i]->d_name, VHOST_COMMON)) ok = check_file(folder, names[i]->d_name) && ok;
  end_names(names, n < 0 ? 0 : n);
  return n >= 0 && ok ? 0 : 1;
}
