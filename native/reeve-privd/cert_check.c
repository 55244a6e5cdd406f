/* The grammar of noun cert: names, units, notes, blocks of PEM, the record beside a certificate. Touches no machine. */
#include "cert.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BASE64 LETTERS DIGITS "+/="
#define BLOCKS_MAX 16u

uint16_t cert_bad(struct call *c, const char *field, const char *value, const char *rule) {
  return fail(c, REEVE_E_FIELD_INVALID, "field", field, "value", value, "rule", rule, NULL);
}

/* [a-z0-9][a-z0-9._-]{0,63}: never a path, never a folder of ours. */
bool cert_name(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= CERT_NAME_MAX && strchr(LOWER DIGITS, s[0]) && strspn(s, LOWER DIGITS "._-") == n;
}

/* NAME.service, and none of Reeve's own. */
bool cert_unit(const char *s, size_t n) {
  static const char end[] = ".service";
  size_t tail = sizeof end - 1;
  if (n <= tail || n > CERT_UNIT_MAX || memcmp(s + n - tail, end, tail) || !strchr(LETTERS DIGITS, s[0]) || !strncmp(s, "reeve", 5)) return false;
  for (size_t i = 0; i < n - tail; i++) if (!s[i] || !strchr(LETTERS DIGITS "._@-", s[i])) return false;
  return true;
}

/* The next of a list; NULL: there is none. */
const char *cert_unit_next(const char **at, char unit[CERT_UNIT_MAX + 1]) {
  size_t n = strcspn(*at, ",");
  if (n == 0 || n > CERT_UNIT_MAX) return NULL;
  memcpy(unit, *at, n);
  unit[n] = 0;
  *at += n + ((*at)[n] == ',');
  return unit;
}

/* Units with a comma between, sorted, each once. */
bool cert_units(const char *s) {
  char before[CERT_UNIT_MAX + 1] = "", unit[CERT_UNIT_MAX + 1];
  size_t count = 0, n = strlen(s);
  if (n == 0 || s[n - 1] == ',') return false;
  for (const char *at = s; *at; count++) {
    if (!cert_unit_next(&at, unit) || !cert_unit(unit, strlen(unit)) || strcmp(before, unit) >= 0) return false;
    strcpy(before, unit);
  }
  return count <= CERT_UNITS_MAX;
}

/* Printable ASCII. */
bool cert_note(const char *s) {
  size_t n = 0;
  while (s[n] >= 0x20 && s[n] < 0x7f) n++;
  return !s[n] && n <= CERT_NOTE_MAX;
}

static bool take_line(const char **at, const char *end, const char **line, size_t *n) {
  const char *stop = memchr(*at, '\n', (size_t)(end - *at));
  if (!stop) return false;
  *line = *at;
  *n = (size_t)(stop - *at);
  *at = stop + 1;
  return true;
}

static bool is_border(const char *line, size_t n, const char *word, const char *label) {
  char text[64];
  int length = snprintf(text, sizeof text, "-----%s %s-----", word, label);
  return length > 0 && n == (size_t)length && !memcmp(line, text, n);
}

/* Blocks of one of these labels, at most `most` of them, and not a byte around them. What stands in the base64 is for who reads it. */
static bool blocks(const char *text, size_t n, const char *const *labels, size_t most) {
  const char *at = text, *end = text + n, *line;
  size_t length, count = 0, lines = 0;
  while (at < end) {
    if (++count > most || !take_line(&at, end, &line, &length)) return false;
    const char *const *label = labels;
    while (*label && !is_border(line, length, "BEGIN", *label)) label++;
    if (!*label) return false;
    for (lines = 0; ; lines++) {
      if (!take_line(&at, end, &line, &length)) return false;
      if (is_border(line, length, "END", *label)) break;
      if (length < 1 || length > 64) return false;
      for (size_t i = 0; i < length; i++) if (!line[i] || !strchr(BASE64, line[i])) return false;
    }
    if (lines == 0) return false;
  }
  return count > 0;
}

bool cert_chain(const char *text, size_t n) {
  static const char *const labels[] = {"CERTIFICATE", NULL};
  return n <= CERT_PEM_MAX && blocks(text, n, labels, BLOCKS_MAX);
}

/* One, without a passphrase. */
bool cert_private_key(const char *text, size_t n) {
  static const char *const labels[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", NULL};
  return n <= CERT_KEY_MAX && blocks(text, n, labels, 1);
}

/* Is this entry of the folder one of the generations of a certificate: .NAME.GENERATION? */
bool cert_is_folder(const char *entry, const char *name) {
  size_t n = strlen(name);
  if (entry[0] != '.' || strncmp(entry + 1, name, n) || entry[n + 1] != '.') return false;
  return strlen(entry + n + 2) == CERT_GENERATION && strspn(entry + n + 2, DIGITS "abcdef") == CERT_GENERATION;
}

size_t cert_record_format(const struct cert_record *r, char *out, size_t room) {
  char cert[65], key[65], spki[65];
  hex(cert, r->cert, sizeof r->cert);
  hex(key, r->key, sizeof r->key);
  hex(spki, r->spki, sizeof r->spki);
  int n = snprintf(out, room, "cert=%s\nkey=%s\nspki=%s\ngid=%u\ngroup=%s\nunits=%s\nnote=%s\n", cert, key, spki, r->gid, r->group, r->units, r->note);
  return n < 0 || (size_t)n >= room ? 0 : (size_t)n;
}

static bool take_sum(uint8_t out[32], const char *s) { return strlen(s) == 64 && unhex(out, s, 32); }

/* Exactly the lines that cert_record_format writes. */
bool cert_record_parse(struct cert_record *r, char *text) {
  static const char *const keys[] = {"cert=", "key=", "spki=", "gid=", "group=", "units=", "note="};
  char *rest = text, *v[7];
  *r = (struct cert_record){0};
  for (size_t i = 0; i < 7; i++) {
    char *line = strsep(&rest, "\n");
    if (!line || strncmp(line, keys[i], strlen(keys[i]))) return false;
    v[i] = line + strlen(keys[i]);
  }
  if (!rest || *rest || !take_sum(r->cert, v[0]) || !take_sum(r->key, v[1]) || !take_sum(r->spki, v[2]) || !parse_u32(v[3], &r->gid)) return false;
  if ((*v[4] && !grammar_name(v[4])) || (*v[4] == 0) != (r->gid == 0) || (*v[5] && !cert_units(v[5])) || !cert_note(v[6])) return false;
  strcpy(r->group, v[4]);
  strcpy(r->units, v[5]);
  strcpy(r->note, v[6]);
  return true;
}
