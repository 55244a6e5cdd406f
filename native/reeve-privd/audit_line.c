/* The form of one audit record: a JSON object with the same keys in the same order in every line, and its place in the hash chain (R83). */
#include "reeve.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The rotated file with the highest number below `below`: audit.log.<last seq in it, 20 digits>. */
bool audit_newest_rotated(int folder, uint64_t below, char *name, size_t room, uint64_t *seq) {
  int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  bool found = false;
  for (struct dirent *entry; dir && (entry = readdir(dir));) {
    uint64_t v = 0;
    const char *digits = entry->d_name + 10;
    if (strncmp(entry->d_name, "audit.log.", 10) || strlen(digits) != 20) continue;
    while (*digits == '0') digits++;
    if (!parse_number(digits, strlen(digits), UINT64_MAX / 10, &v) || v >= below || (found && v <= *seq)) continue;
    found = true;
    *seq = v;
    snprintf(name, room, "%s", entry->d_name);
  }
  if (dir) closedir(dir);
  return found;
}

static int verify_text(const char *label, const char *text, size_t n, uint64_t *seq, uint8_t head[32]) {
  for (const char *line = text, *end = text + n; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    struct audit_line l;
    uint8_t prev[32], hash[32], wanted[32];
    uint64_t number;
    if (!stop || !audit_split(&l, line, (size_t)(stop - line)) || !parse_number(l.f[0].p, l.f[0].n, UINT64_MAX / 10, &number) || !unhex(prev, l.f[11].p, 32) ||
        !unhex(hash, l.f[12].p, 32)) {
      printf("bad\t%llu\t%s: a record is malformed\n", (unsigned long long)*seq + 1, label);
      return 1;
    }
    if (*seq == 0 && number != 1) {  /* a file that begins later in the chain: its first link is taken as given */
      *seq = number - 1;
      memcpy(head, prev, 32);
    }
    audit_hash(&l, prev, wanted);
    if (number != *seq + 1 || memcmp(prev, head, 32) || memcmp(hash, wanted, 32)) {
      printf("bad\t%llu\t%s: the chain is broken\n", (unsigned long long)*seq + 1, label);
      return 1;
    }
    *seq = number;
    memcpy(head, hash, 32);
    line = stop + 1;
  }
  return 0;
}

static int verify_file(const char *path, uint64_t *seq, uint8_t head[32]) {
  size_t n = 0;
  char *text = read_whole(path, 64u << 20, &n);
  if (!text) {
    printf("bad\t%llu\t%s: it cannot be read\n", (unsigned long long)*seq + 1, path);
    return 1;
  }
  int bad = verify_text(path, text, n, seq, head);
  free(text);
  return bad;
}

/* Checks one file, or the rotated files and the newest of the state folder; prints the first bad sequence number. Exit code 0 intact, 1 not. */
int audit_verify(const char *path) {
  uint64_t seq = 0;
  uint8_t head[32] = {0};
  char file[600], name[64];
  int bad = 0;
  if (path) bad = verify_file(path, &seq, head);
  else {
    uint64_t known[1024], below = UINT64_MAX;
    size_t n = 0;
    int dir = state_open("audit");
    while (dir >= 0 && n < 1024 && audit_newest_rotated(dir, below, name, sizeof name, &known[n])) below = known[n++];
    if (dir >= 0) close(dir);
    while (n > 0 && !bad) {
      snprintf(file, sizeof file, "%s/audit/audit.log.%020llu", config.state, (unsigned long long)known[--n]);
      bad = verify_file(file, &seq, head);
    }
    snprintf(file, sizeof file, "%s/audit/audit.log", config.state);
    if (!bad && (seq == 0 || access(file, F_OK) == 0)) bad = verify_file(file, &seq, head);
  }
  if (bad) return 1;
  char text[65];
  hex(text, head, 32);
  printf("intact\t%llu\t%s\n", (unsigned long long)seq, text);
  return 0;
}
