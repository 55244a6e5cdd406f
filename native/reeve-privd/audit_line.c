/* The form of one audit record: a JSON object with the same keys in the same order in every line, and its place in the hash chain (R83). */
#include "reeve.h"

static const struct { const char *key; bool text; } form[AUDIT_FIELDS] = {
  {"seq", false}, {"time_ms", false}, {"mono_ms", false}, {"boot_id", true}, {"caller", false}, {"op_id", true}, {"verb", true}, {"args", true},
  {"policy_digest", true}, {"phase", true}, {"status", false}, {"prev", true}, {"hash", true}};

/* Finds the 13 values of a line; false when its form is not exactly ours. */
bool audit_split(struct audit_line *l, const char *line, size_t n) {
  const char *p = line, *end = line + n;
  for (size_t i = 0; i < AUDIT_FIELDS; i++) {
    char head[32];
    size_t length = (size_t)snprintf(head, sizeof head, "%c\"%s\":%s", i ? ',' : '{', form[i].key, form[i].text ? "\"" : "");
    if ((size_t)(end - p) < length || memcmp(p, head, length)) return false;
    p += length;
    const char *from = p;
    while (p < end && (form[i].text ? *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x7f : *p >= '0' && *p <= '9')) p++;
    l->f[i].p = from;
    l->f[i].n = (size_t)(p - from);
    if (p == end || (!form[i].text && p == from)) return false;
    if (form[i].text && *p++ != '"') return false;
  }
  return p + 1 == end && *p == '}' && l->f[11].n == 64 && l->f[12].n == 64;
}

/* SHA-256 over the domain, each field before prev with its length in front, and the previous hash. */
void audit_hash(const struct audit_line *l, const uint8_t prev[32], uint8_t out[32]) {
  struct sha256 s;
  sha256_init(&s);
  sha256_add(&s, "reeve-audit-v1", 15);
  for (size_t i = 0; i < 11; i++) {
    uint32_t n = (uint32_t)l->f[i].n;
    sha256_add(&s, (uint8_t[]){(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 4);
    sha256_add(&s, l->f[i].p, n);
  }
  sha256_add(&s, prev, 32);
  sha256_end(&s, out);
}

bool unhex(uint8_t *out, const char *p, size_t n) {
  for (size_t i = 0; i < 2 * n; i++) {
    const char *digits = "0123456789abcdef", *at = p[i] ? strchr(digits, p[i]) : NULL;
    if (!at) return false;
    out[i / 2] = (uint8_t)(out[i / 2] << 4 | (at - digits));
  }
  return true;
}

/* audit.log.<last seq in it, 20 digits>: sorted by name they are in the order of the chain. */
int audit_is_rotated(const struct dirent *entry) {
  const char *digits = entry->d_name + 10;
  return !strncmp(entry->d_name, "audit.log.", 10) && strlen(digits) == 20 && strspn(digits, "0123456789") == 20;
}

static int bad(const char *label, uint64_t seq, const char *why) {
  printf("bad\t%llu\t%s: %s\n", (unsigned long long)seq, label, why);
  return 1;
}

static bool links(const struct audit_line *l, uint64_t *number, uint8_t prev[32], uint8_t hash[32]) {
  return parse_number(l->f[0].p, l->f[0].n, UINT64_MAX / 10, number) && unhex(prev, l->f[11].p, 32) && unhex(hash, l->f[12].p, 32);
}

static int verify_text(const char *label, const char *text, size_t n, uint64_t *seq, uint8_t head[32]) {
  for (const char *line = text, *end = text + n; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    struct audit_line l;
    uint8_t prev[32], hash[32], wanted[32];
    uint64_t number;
    if (!stop || !audit_split(&l, line, (size_t)(stop - line)) || !links(&l, &number, prev, hash)) return bad(label, *seq + 1, "a record is malformed");
    if (*seq == 0 && number != 1) {  /* a file that begins later in the chain: its first link is taken as given */
      *seq = number - 1;
      memcpy(head, prev, 32);
    }
    audit_hash(&l, prev, wanted);
    if (number != *seq + 1 || memcmp(prev, head, 32) || memcmp(hash, wanted, 32)) return bad(label, *seq + 1, "the chain is broken");
    *seq = number;
    memcpy(head, hash, 32);
    line = stop + 1;
  }
  return 0;
}

static int verify_file(const char *path, uint64_t *seq, uint8_t head[32]) {
  size_t n = 0;
  AUTO_TEXT text = read_whole(path, 64u << 20, &n);
  return text ? verify_text(path, text, n, seq, head) : bad(path, *seq + 1, "it cannot be read");
}

/* The rotated files and the newest of the state folder. */
static int verify_all(uint64_t *seq, uint8_t head[32]) {
  char file[600];
  struct dirent **names = NULL;
  AUTO_FD dir = state_folder("audit");
  int bad_files = 0, n = dir < 0 ? -1 : scandirat(dir, ".", &names, audit_is_rotated, alphasort);
  for (int i = 0; i < n && !bad_files; i++) {
    snprintf(file, sizeof file, "%s/audit/%s", config.state, names[i]->d_name);
    bad_files = verify_file(file, seq, head);
  }
  end_names(names, n);
  snprintf(file, sizeof file, "%s/audit/audit.log", config.state);
  return bad_files || (*seq > 0 && access(file, F_OK)) ? bad_files : verify_file(file, seq, head);
}

/* Checks one file, or all of the state folder; prints the first bad sequence number. Exit code 0 intact, 1 not. */
int audit_verify(const char *path) {
  uint64_t seq = 0;
  uint8_t head[32] = {0};
  char text[65];
  if (path ? verify_file(path, &seq, head) : verify_all(&seq, head)) return 1;
  hex(text, head, 32);
  printf("intact\t%llu\t%s\n", (unsigned long long)seq, text);
  return 0;
}
