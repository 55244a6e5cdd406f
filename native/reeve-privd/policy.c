/* The policy file: reading it safely and parsing it. shared/model/policy.ts has the same grammar and the same sentences. */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *policy_state_name(enum policy_state state) {
  static const char *const names[] = {"ok", "missing", "unreadable", "owner", "mode", "type", "size", "syntax"};
  return names[state];
}

/* A decimal number without sign or leading zero. */
bool parse_number(const char *s, size_t n, uint64_t max, uint64_t *out) {
  uint64_t v = 0;
  if (n < 1 || n > 19 || (n > 1 && s[0] == '0')) return false;
  for (size_t i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9') return false;
    v = v * 10 + (uint64_t)(s[i] - '0');
  }
  *out = v;
  return v <= max;
}

int policy_operation(const char *name, size_t n) {
  for (size_t i = 0; i < reeve_noperations; i++) if (strlen(reeve_operations[i].name) == n && !memcmp(reeve_operations[i].name, name, n)) return (int)i;
  return -1;
}

static bool value_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_./@:+-", c)); }

static bool value_fits(const struct reeve_key *key, const char *s, size_t n) {
  if (key->match == REEVE_M_RANGE) {
    const char *dash = memchr(s, '-', n);
    uint64_t low, high;
    if (!dash) return parse_number(s, n, UINT32_MAX, &low);
    size_t first = (size_t)(dash - s);
    return parse_number(s, first, UINT32_MAX, &low) && parse_number(dash + 1, n - first - 1, UINT32_MAX, &high) && low <= high;
  }
  if (key->match == REEVE_M_PREFIX && s[n - 1] == '*') n--;
  for (size_t i = 0; i < n; i++) if (!value_char(s[i])) return false;
  if (!key->values) return true;
  for (const char *const *v = key->values; *v; v++) if (strlen(*v) == n && !memcmp(*v, s, n)) return true;
  return false;
}

/* Words that may be quoted in a problem: short and plain. */
static bool plain_word(const char *s) {
  size_t n = strlen(s);
  for (size_t i = 0; i < n; i++) if (!value_char(s[i])) return false;
  return n >= 1 && n <= 40;
}

static const char *parse_key(struct policy_line *line, char *word, char *out, size_t room) {
  const struct reeve_operation *op = &reeve_operations[line->op];
  char *values = strchr(word, '=');
  if (!values) return "key=value is wanted";
  *values++ = 0;
  size_t k = 0;
  while (k < op->nkeys && strcmp(op->keys[k].name, word)) k++;
  if (k == op->nkeys) {
    if (!plain_word(word)) return "a key is a plain word";
    snprintf(out, room, "operation \"%s\" has no key \"%s\"", op->name, word);
    return out;
  }
  if (line->values[k]) {
    snprintf(out, room, "key \"%s\" is given twice", word);
    return out;
  }
  line->values[k] = values;
  for (const char *v = values;;) {
    size_t n = strcspn(v, ",");
    if (n == 0) {
      snprintf(out, room, "key \"%s\" has an empty value", word);
      return out;
    }
    if (!value_fits(&op->keys[k], v, n)) {
      snprintf(out, room, "key \"%s\" has a value that is not allowed", word);
      return out;
    }
    if (!v[n]) return NULL;
    v += n + 1;
  }
}

/* The words of one line up to a comment. */
static char *next_word(char **rest) {
  char *word = *rest + strspn(*rest, " \t");
  if (*word == 0 || *word == '#') return NULL;
  size_t n = strcspn(word, " \t");
  *rest = word + n + (word[n] ? 1 : 0);
  word[n] = 0;
  return word;
}

static const char *parse_line(struct policy *p, int number, char *word, char *rest, char *out, size_t room) {
  struct policy_line line = {.number = number, .allow = !strcmp(word, "allow")};
  if (!line.allow && strcmp(word, "deny")) return "a line begins with \"allow\" or \"deny\"";
  char *op = next_word(&rest);
  if (!op) return "an operation is missing";
  line.op = policy_operation(op, strlen(op));
  if (line.op < 0) {
    if (!plain_word(op)) return "an operation is a plain word";
    snprintf(out, room, "unknown operation \"%s\"", op);
    return out;
  }
  for (char *key; (key = next_word(&rest));) {
    const char *problem = parse_key(&line, key, out, room);
    if (problem) return problem;
  }
  if (p->nlines % 64 == 0) {
    struct policy_line *grown = realloc(p->lines, (p->nlines + 64) * sizeof *grown);
    if (!grown) return "out of memory";
    p->lines = grown;
  }
  p->lines[p->nlines++] = line;
  return NULL;
}

/* Fills lines; every problem goes to `report`. True when there was none. */
bool policy_parse(struct policy *p, const char *text, size_t n, policy_report *report, void *data) {
  char out[160];
  bool ok = true, begun = false;
  int number = 0;
  if (n > REEVE_POLICY_BYTES) {
    report(data, 1, "the file is larger than 65536 bytes");
    return false;
  }
  p->text = malloc(n + 1);
  if (!p->text) return false;
  memcpy(p->text, text, n);
  p->text[n] = 0;
  for (char *line = p->text, *end = p->text + n; line < end;) {
    char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    number++;
    const char *problem = NULL;
    for (char *c = line; c < stop && !problem; c++) if ((*c >= 0 && *c < 0x20 && *c != '\t') || *c == 0x7f) problem = "control characters are not allowed";
    *stop = 0;
    char *rest = line, *word = problem ? NULL : next_word(&rest);
    if (word && !begun) {
      char *version = next_word(&rest);
      begun = true;
      if (strcmp(word, "version") || !version || strcmp(version, "1") || next_word(&rest)) {
        report(data, number, "the first line must be \"version 1\"");
        return false;
      }
    } else if (word) problem = parse_line(p, number, word, rest, out, sizeof out);
    if (problem) {
      report(data, number, problem);
      ok = false;
    }
    line = stop + 1;
  }
  if (!begun && ok) report(data, 1, "the first line must be \"version 1\"");
  return ok && begun;
}

struct first { int line; char text[160]; };
static void keep_first(void *data, int line, const char *text) {
  struct first *first = data;
  if (first->line) return;
  first->line = line;
  snprintf(first->text, sizeof first->text, "%s", text);
}

static void unusable(struct policy *p, enum policy_state state, const char *reason) {
  p->state = state;
  snprintf(p->reason, sizeof p->reason, "%s", reason);
}

static bool folder_safe(const char *path) {
  char copy[512];
  struct stat st;
  snprintf(copy, sizeof copy, "%s", path);
  int fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
  bool safe = fd >= 0 && !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 022);
  if (fd >= 0) close(fd);
  return safe;
}

/* Reads and parses the file; state and reason say how that went (R31). */
void policy_load(struct policy *p, const char *path) {
  struct stat st;
  *p = (struct policy){0};
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) unusable(p, POLICY_MISSING, "the policy file does not exist");
    else if (errno == ELOOP || errno == ENXIO) unusable(p, POLICY_TYPE, "the policy is not a regular file");
    else unusable(p, POLICY_UNREADABLE, "the policy file cannot be opened");
    return;
  }
  char *text = NULL;
  ssize_t got = -1;
  size_t n = 0;
  if (fstat(fd, &st)) unusable(p, POLICY_UNREADABLE, "the policy file cannot be read");
  else if (!S_ISREG(st.st_mode)) unusable(p, POLICY_TYPE, "the policy is not a regular file");
  else if (st.st_uid != geteuid()) unusable(p, POLICY_OWNER, "the policy file does not belong to root");
  else if (st.st_mode & 022) unusable(p, POLICY_MODE, "others than root can write the policy file");
  else if (!folder_safe(path)) unusable(p, POLICY_MODE, "others than root can write the folder of the policy file");
  else if (st.st_size > (off_t)REEVE_POLICY_BYTES) unusable(p, POLICY_SIZE, "the policy file is larger than 65536 bytes");
  else if (!(text = malloc(REEVE_POLICY_BYTES + 1))) unusable(p, POLICY_UNREADABLE, "out of memory");
  else {
    while (n <= REEVE_POLICY_BYTES && (got = read(fd, text + n, REEVE_POLICY_BYTES + 1 - n)) > 0) n += (size_t)got;
    if (got < 0) unusable(p, POLICY_UNREADABLE, "the policy file cannot be read");
    else if (n > REEVE_POLICY_BYTES) unusable(p, POLICY_SIZE, "the policy file is larger than 65536 bytes");
    else {
      struct first first = {0};
      struct sha256 s;
      sha256_init(&s);
      sha256_add(&s, text, n);
      sha256_end(&s, p->digest);
      p->digested = true;
      if (!policy_parse(p, text, n, keep_first, &first)) {
        p->state = POLICY_SYNTAX;
        snprintf(p->reason, sizeof p->reason, "line %d: %.150s", first.line, first.text);
      }
    }
  }
  free(text);
  close(fd);
}

void policy_free(struct policy *p) {
  free(p->text);
  free(p->lines);
  p->text = NULL;
  p->lines = NULL;
}
