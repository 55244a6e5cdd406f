/* The policy file: reading it safely and parsing it. shared/model/policy.ts has the same grammar and the same sentences. */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <libgen.h>

const char *policy_state_name(enum policy_state state) {
  static const char *const names[] = {"ok", "missing", "unreadable", "owner", "mode", "type", "size", "syntax"};
  return names[state];
}

int policy_operation(const char *name, size_t n) {
  for (size_t i = 0; i < reeve_noperations; i++) {
    if (strlen(reeve_operations[i].name) == n && !memcmp(reeve_operations[i].name, name, n)) return (int)i;
  }
  return -1;
}

const char *policy_operation_name(int op) { return reeve_operations[op].name; }

#define VALUE_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@:+-"

/* A uid, or LOW-HIGH. */
bool parse_range(const char *s, size_t n, uint64_t *low, uint64_t *high) {
  const char *dash = memchr(s, '-', n);
  size_t first = dash ? (size_t)(dash - s) : n;
  if (!parse_number(s, first, UINT32_MAX, low)) return false;
  *high = *low;
  return !dash || (parse_number(dash + 1, n - first - 1, UINT32_MAX, high) && *low <= *high);
}

static bool value_fits(const struct reeve_key *key, const char *s, size_t n) {
  uint64_t low, high;
  if (key->match == REEVE_M_RANGE) return parse_range(s, n, &low, &high);
  if (key->match == REEVE_M_BOUND || key->match == REEVE_M_LEAST) return parse_number(s, n, UINT32_MAX, &low);
  if (key->match == REEVE_M_PREFIX && s[n - 1] == '*') n--;
  if (strspn(s, VALUE_CHARS) < n) return false;
  if (!key->values) return true;
  for (const char *const *v = key->values; *v; v++) if (strlen(*v) == n && !memcmp(*v, s, n)) return true;
  return false;
}

/* Words that may be quoted in a problem: short and plain. */
static bool plain_word(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 40 && strspn(s, VALUE_CHARS) == n;
}

/* The sentence of a problem; `format` has %s for each of the two words it quotes. */
struct problem { char text[160]; };
static const char *say(struct problem *out, const char *format, const char *word, const char *other) {
  snprintf(out->text, sizeof out->text, format, word, other);
  return out->text;
}

static const char *parse_key(struct policy_line *line, char *word, struct problem *out) {
  const struct reeve_operation *op = &reeve_operations[line->op];
  char *values = strchr(word, '=');
  if (!values) return "key=value is wanted";
  *values++ = 0;
  size_t k = 0;
  while (k < op->nkeys && strcmp(op->keys[k].name, word)) k++;
  if (k == op->nkeys) {
    return plain_word(word) ? say(out, "operation \"%s\" has no key \"%s\"", op->name, word) : "a key is a plain word";
  }
  if (line->values[k]) return say(out, "key \"%s\" is given twice", word, "");
  line->values[k] = values;
  bool one = op->keys[k].match == REEVE_M_BOUND || op->keys[k].match == REEVE_M_LEAST;
  if (one && !line->allow) return say(out, "key \"%s\" is for allow lines only", word, "");
  if (one && strchr(values, ',')) return say(out, "key \"%s\" has one number", word, "");
  for (const char *v = values;;) {
    size_t n = strcspn(v, ",");
    if (n == 0) return say(out, "key \"%s\" has an empty value", word, "");
    if (!value_fits(&op->keys[k], v, n)) return say(out, "key \"%s\" has a value that is not allowed", word, "");
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

static const char *parse_line(struct policy *p, int number, char *word, char *rest, struct problem *out) {
  struct policy_line line = {.number = number, .allow = !strcmp(word, "allow")};
  if (!line.allow && strcmp(word, "deny")) return "a line begins with \"allow\" or \"deny\"";
  char *op = next_word(&rest);
  if (!op) return "an operation is missing";
  line.op = policy_operation(op, strlen(op));
  if (line.op < 0) return plain_word(op) ? say(out, "unknown operation \"%s\"", op, "") : "an operation is a plain word";
  for (char *key; (key = next_word(&rest));) {
    const char *problem = parse_key(&line, key, out);
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
  struct problem out;
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
    for (char *c = line; c < stop; c++) {
      if ((*c >= 0 && *c < 0x20 && *c != '\t') || *c == 0x7f) problem = "control characters are not allowed";
    }
    *stop = 0;
    char *rest = line, *word = problem ? NULL : next_word(&rest);
    if (word && !begun) {
      char *version = next_word(&rest);
      begun = true;
      if (strcmp(word, "version") || !version || strcmp(version, "1") || next_word(&rest)) {
        report(data, number, "the first line must be \"version 1\"");
        return false;
      }
    } else if (word) problem = parse_line(p, number, word, rest, &out);
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
  AUTO_FD fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 && !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

/* Reads and parses the file; state and reason say how that went (R31). */
void policy_load(struct policy *p, const char *path) {
  struct stat st;
  struct sha256 sum;
  struct first first = {0};
  size_t n = 0;
  *p = (struct policy){0};
  AUTO_FD fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return unusable(p, POLICY_MISSING, "the policy file does not exist");
  if (fd < 0 && (errno == ELOOP || errno == ENXIO)) return unusable(p, POLICY_TYPE, "the policy is not a regular file");
  if (fd < 0) return unusable(p, POLICY_UNREADABLE, "the policy file cannot be opened");
  if (fstat(fd, &st)) return unusable(p, POLICY_UNREADABLE, "the policy file cannot be read");
  if (!S_ISREG(st.st_mode)) return unusable(p, POLICY_TYPE, "the policy is not a regular file");
  if (st.st_uid != geteuid()) return unusable(p, POLICY_OWNER, "the policy file does not belong to root");
  if (st.st_mode & 022) return unusable(p, POLICY_MODE, "others than root can write the policy file");
  if (!folder_safe(path)) return unusable(p, POLICY_MODE, "others than root can write the folder of the policy file");
  AUTO_TEXT text = read_open(fd, REEVE_POLICY_BYTES, &n);
  if (!text && errno == EFBIG) return unusable(p, POLICY_SIZE, "the policy file is larger than 65536 bytes");
  if (!text) return unusable(p, POLICY_UNREADABLE, "the policy file cannot be read");
  sha256_init(&sum);
  sha256_add(&sum, text, n);
  sha256_end(&sum, p->digest);
  p->digested = true;
  if (policy_parse(p, text, n, keep_first, &first)) return;
  p->state = POLICY_SYNTAX;
  snprintf(p->reason, sizeof p->reason, "line %d: %.150s", first.line, first.text);
}

void policy_free(struct policy *p) {
  free(p->text);
  free(p->lines);
  p->text = NULL;
  p->lines = NULL;
}
