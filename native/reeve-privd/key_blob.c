/* The key of a line: base64 and what is in it (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, PROTOCOL.u2f of OpenSSH). */
#include "reeve.h"

struct span { const uint8_t *p; size_t n; };

/* How each type that lets in is made up. */
static const struct kind { const char *type; size_t parts; const char *curve; size_t point; bool hardware; } kinds[] = {
  {"ssh-ed25519", 2, NULL, 32, false},
  {"ecdsa-sha2-nistp256", 3, "nistp256", 65, false},
  {"ecdsa-sha2-nistp384", 3, "nistp384", 97, false},
  {"ecdsa-sha2-nistp521", 3, "nistp521", 133, false},
  {"ssh-rsa", 3, NULL, 0, false},
  {"sk-ssh-ed25519@openssh.com", 3, NULL, 32, true},
  {"sk-ecdsa-sha2-nistp256@openssh.com", 4, "nistp256", 65, true},
};

/* A word that begins a key. */
bool key_type_known(const char *s, size_t n) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) if (strlen(kinds[i].type) == n && !memcmp(kinds[i].type, s, n)) return true;
  return false;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Base64 without line breaks, and a NUL; `out` has 4 * (n / 3 + 1) + 1 bytes. */
size_t key_base64(char *out, const uint8_t *p, size_t n) {
  size_t at = 0;
  for (size_t i = 0; i < n; i += 3) {
    size_t left = n - i;
    uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0u);
    out[at++] = alphabet[v >> 18];
    out[at++] = alphabet[v >> 12 & 63];
    out[at++] = left > 1 ? alphabet[v >> 6 & 63] : '=';
    out[at++] = left > 2 ? alphabet[v & 63] : '=';
  }
  out[at] = 0;
  return at;
}

/* As sshd reads it: white space inside does not count. -1: it is no base64; -2: more than there is room for. */
static int from_base64(const char *s, size_t n, uint8_t *out, size_t room) {
  uint32_t v = 0;
  size_t at = 0, digits = 0, padding = 0;
  for (size_t i = 0; i < n; i++) {
    const char *digit = s[i] ? strchr(alphabet, s[i]) : NULL;
    if (s[i] == '\r' || s[i] == '\v' || s[i] == '\f') continue;
    if (s[i] == '=') { padding++; continue; }
    if (!digit || padding) return -1;
    v = v << 6 | (uint32_t)(digit - alphabet);
    digits++;
    if (digits % 4 == 1) continue;
    if (at == room) return -2;
    out[at++] = (uint8_t)(v >> (digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0));
  }
  return digits % 4 == 1 || padding != (4 - digits % 4) % 4 ? -1 : (int)at;
}

/* The parts of a blob: each a length in four bytes, big-endian, and as many bytes. How many there are; -1: the lengths do not fit. */
static int split(const uint8_t *p, size_t n, struct span *parts, int most) {
  int count = 0;
  for (size_t at = 0; at < n; count++) {
    if (n - at < 4) return -1;
    size_t length = get_number(p + at, 4);
    at += 4;
    if (length > n - at) return -1;
    if (count < most) parts[count] = (struct span){p + at, length};
    at += length;
  }
  return count;
}

static bool is_text(struct span s, const char *text) { return s.n == strlen(text) && !memcmp(s.p, text, s.n); }

static const char *application_problem(struct span s) {
  bool ok = s.n >= 4 && s.n <= 4 + 255 && !memcmp(s.p, "ssh:", 4);
  for (size_t i = 4; ok && i < s.n; i++) ok = s.p[i] > 0x20 && s.p[i] < 0x7f;
  return ok ? NULL : "its application does not begin with \"ssh:\"";
}

static size_t bits_of(struct span s) {
  if (s.n > 0 && s.p[0] == 0) { s.p++; s.n--; }
  size_t bits = s.n * 8;
  for (unsigned top = 0x80; s.n > 0 && top && !(s.p[0] & top); top >>= 1) bits--;
  return bits;
}

/* Numbers are big-endian, without needless zero bytes, not negative (RFC 4251 5). */
static const char *rsa_problem(struct span exponent, struct span modulus) {
  struct span both[] = {exponent, modulus};
  for (size_t i = 0; i < 2; i++) {
    const uint8_t *p = both[i].p;
    if (both[i].n == 0 || p[0] >= 0x80 || (p[0] == 0 && (both[i].n == 1 || p[1] < 0x80))) return "a number in it is not in its shortest form";
  }
  size_t bits = bits_of(modulus);
  uint8_t last = exponent.p[exponent.n - 1];
  if (bits < KEY_RSA_BITS || bits > 16384) return "an RSA key of 2048 to 16384 bits is wanted";
  if (bits_of(exponent) > 32 || (exponent.n == 1 && last < 3) || last % 2 == 0) return "its exponent is not an odd number from 3 to 2^32";
  return modulus.p[modulus.n - 1] % 2 == 0 ? "its modulus is even" : NULL;
}

/* Why a blob of this type cannot be managed. */
static const char *blob_problem(const struct kind *kind, const uint8_t *blob, size_t n) {
  struct span parts[4];
  int count = split(blob, n, parts, 4);
  if (count < 0) return "its lengths do not fit";
  if ((size_t)count != kind->parts) return "it has too few or too many parts";
  if (!kind->point) return rsa_problem(parts[1], parts[2]);
  struct span point = parts[kind->curve ? 2 : 1];
  if (kind->curve && !is_text(parts[1], kind->curve)) return "the curve inside is another";
  if (point.n != kind->point) return kind->curve ? "its point is not of this curve" : "an Ed25519 key has 32 bytes";
  if (kind->curve && point.p[0] != 4) return "its point is not of this curve";
  return kind->hardware ? application_problem(parts[kind->parts - 1]) : NULL;
}

/* Does a blob begin with the name of a type of public keys? Also of those that cannot be managed. */
static bool take_type(struct key_line *k) {
  static const char *const beginnings[] = {"ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", NULL};
  size_t n = k->nblob < 4 ? 0 : get_number(k->blob, 4);
  if (n < 5 || n >= sizeof k->type || n > k->nblob - 4) return false;
  memcpy(k->type, k->blob + 4, n);
  k->type[n] = 0;
  return strspn(k->type, "abcdefghijklmnopqrstuvwxyz0123456789@.-") == n && has_listed_prefix(beginnings, k->type);
}

/* A word that is the key and the word before it, which says its type. False: it is no key. What is wrong with it becomes the line's problem. */
bool key_blob_parse(struct key_line *k, const char *text, size_t ntext, const char *type, size_t ntype) {
  char again[4 * (KEY_BLOB_MAX / 3 + 1) + 1];
  int n = from_base64(text, ntext, k->blob, sizeof k->blob);
  k->nblob = n == -2 ? sizeof k->blob : n < 0 ? 0 : (size_t)n;
  bool is_key = take_type(k);
  if (!is_key || n < 0) {
    k->nblob = 0;
    if (is_key) key_problem(k, "the key is larger than 4096 bytes");
    k->type[0] = 0;
    return is_key;
  }
  const struct kind *kind = NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) if (!strcmp(kinds[i].type, k->type)) kind = &kinds[i];
  const char *problem = kind ? blob_problem(kind, k->blob, k->nblob) : NULL;
  if (!kind) key_problem(k, "keys of type %s are not managed", k->type);
  else if (strlen(k->type) != ntype || memcmp(k->type, type, ntype)) key_problem(k, "the type of the key inside is another, %s", k->type);
  else if (problem) key_problem(k, "%s", problem);
  else if (key_base64(again, k->blob, k->nblob) != ntext || memcmp(again, text, ntext)) key_problem(k, "its base64 is not in canonical form");
  return true;
}
