/* What a parsed policy says about one request. shared/model/policy.ts decides the same (a differential test compares them). */
#define REEVE_TABLE_DATA
#include "reeve.h"

static bool value_matches(enum reeve_match match, const char *pattern, size_t n, const char *value) {
  uint64_t low = 0, high, v;
  if (match == REEVE_M_LEAST) return parse_number(pattern, n, UINT32_MAX, &low) && parse_number(value, strlen(value), UINT32_MAX, &v) && v >= low;
  if (match == REEVE_M_RANGE || match == REEVE_M_BOUND) {
    bool ok = match == REEVE_M_RANGE ? parse_range(pattern, n, &low, &high) : parse_number(pattern, n, UINT32_MAX, &high);
    return ok && parse_number(value, strlen(value), UINT32_MAX, &v) && v >= low && v <= high;
  }
  if (match == REEVE_M_PREFIX && n > 0 && pattern[n - 1] == '*') return !strncmp(pattern, value, n - 1);
  return strlen(value) == n && !memcmp(pattern, value, n);
}

/* Each value of a comma list in turn; values are never empty. */
#define EACH_VALUE(at, n) (size_t n; (n = strcspn(at, ",")) > 0; at += n + (at[n] == ','))

static bool list_matches(enum reeve_match match, const char *list, const char *value) {
  for EACH_VALUE(list, n) if (value_matches(match, list, n, value)) return true;
  return false;
}

/* An allow line's missing key has its default, a deny line's matches anything. What the request leaves out is fine with an allow line and not
   meant by a deny line that names that key. */
static bool line_matches(const struct policy_line *line, const char *const *args) {
  const struct reeve_operation *op = &reeve_operations[line->op];
  for (size_t k = 0; k < op->nkeys; k++) {
    const char *list = line->values[k];
    if (line->allow ? !args[k] : !list) continue;
    if (!args[k] || !list_matches(op->keys[k].match, list ? list : op->keys[k].fallback, args[k])) return false;
  }
  return true;
}

struct verdict policy_evaluate(const struct policy *p, int op, const char *const *args) {
  struct verdict v = {0};
  for (size_t i = 0; i < p->nlines; i++) {
    const struct policy_line *line = &p->lines[i];
    if (line->op != op || !line_matches(line, args)) continue;
    if (!line->allow) return (struct verdict){.denied = true, .line = line->number};
    if (!v.allowed) v = (struct verdict){.allowed = true, .line = line->number};
  }
  return v;
}

/* The first of the numbers `first` to `last` as key `key` that is not allowed, in `text`; or the verdict on the last one. What a policy says changes only where a
 * range of one of its lines begins or is over. */
struct verdict policy_evaluate_range(const struct policy *p, int op, const char **args, size_t key, uint64_t first, uint64_t last, char text[24]) {
  struct verdict v;
  for (uint64_t at = first, next; ; at = next) {
    snprintf(text, 24, "%llu", (unsigned long long)at);
    args[key] = text;
    v = policy_evaluate(p, op, args);
    next = last + 1;
    for (size_t i = 0; v.allowed && i < p->nlines; i++) {
      const char *list = p->lines[i].values[key];
      if (p->lines[i].op != op) continue;
      if (!list) list = reeve_operations[op].keys[key].fallback;
      for EACH_VALUE(list, n) {
        uint64_t low, high;
        if (!parse_range(list, n, &low, &high)) continue;
        if (low > at && low < next) next = low;
        if (high + 1 > at && high + 1 < next) next = high + 1;
      }
    }
    if (!v.allowed || next > last) return v;
  }
}

/* The line that root would add to allow exactly this request. */
void policy_wanted_line(char *out, size_t room, int op, const char *const *args, struct verdict v) {
  const struct reeve_operation *row = &reeve_operations[op];
  int n = snprintf(out, room, "allow %s", row->name);
  for (size_t k = 0; k < row->nkeys && n >= 0 && (size_t)n < room; k++) {
    if (args[k]) n += snprintf(out + n, room - (size_t)n, " %s=%s", row->keys[k].name, args[k]);
  }
  if (v.denied && n >= 0 && (size_t)n < room) snprintf(out + n, room - (size_t)n, " # and remove line %d, which denies it", v.line);
}

static bool uid_allowed(const struct policy *p, int op, const char *const *args, size_t key, uint64_t uid) {
  const char *with[REEVE_MAX_KEYS];
  char text[24];
  memcpy(with, args, sizeof with);
  snprintf(text, sizeof text, "%llu", (unsigned long long)uid);
  with[key] = text;
  return policy_evaluate(p, op, with).allowed;
}

/* The lowest uid from `from` on that this request may have: `from` itself, the first one of an allowed range, or the next one after a denied range. */
bool policy_next_uid(const struct policy *p, int op, const char *const *args, size_t key, uint64_t from, uint64_t *uid) {
  *uid = uid_allowed(p, op, args, key, from) ? from : UINT64_MAX;
  for (size_t i = 0; i < p->nlines && *uid > from; i++) {
    const struct policy_line *line = &p->lines[i];
    const char *list = line->values[key];
    if (line->op != op) continue;
    if (!list) list = line->allow ? reeve_operations[op].keys[key].fallback : "";
    for EACH_VALUE(list, n) {
      uint64_t low, high;
      if (!parse_range(list, n, &low, &high)) continue;
      uint64_t at = line->allow ? low : high + 1;
      if (at > from && at < *uid && uid_allowed(p, op, args, key, at)) *uid = at;
    }
  }
  return *uid <= UINT32_MAX;
}

static void print_problem(void *data, int line, const char *text) { fprintf(data, "problem\t%d\t%s\n", line, text); }

static bool load_file(const char *path, struct policy *p, FILE *out) {
  size_t n = 0;
  AUTO_TEXT text = read_whole(path, REEVE_POLICY_BYTES, &n);
  *p = (struct policy){0};
  if (text) return policy_parse(p, text, n, print_problem, out);
  if (errno == EFBIG) print_problem(out, 1, "the file is larger than 65536 bytes");
  else print_problem(out, 0, "the file cannot be read");
  return false;
}

int check_policy(const char *path) {
  struct policy p;
  bool ok = load_file(path, &p, stdout);
  policy_free(&p);
  return ok ? 0 : 1;
}

static void explain_line(const struct policy *p, char *line) {
  char out[1024] = "";
  const char *args[REEVE_MAX_KEYS] = {0};
  char *name = strsep(&line, " ");
  int op = policy_operation(name, strlen(name));
  for (char *word; op >= 0 && (word = strsep(&line, " "));) {
    char *value = strchr(word, '=');
    size_t k = 0;
    if (value) *value++ = 0;
    while (k < reeve_operations[op].nkeys && strcmp(reeve_operations[op].keys[k].name, word)) k++;
    if (!value || k == reeve_operations[op].nkeys || args[k]) op = -1;
    else args[k] = value;
  }
  if (op < 0) {
    puts("bad\t0\t");
    return;
  }
  struct verdict v = policy_evaluate(p, op, args);
  if (!v.allowed) policy_wanted_line(out, sizeof out, op, args, v);
  printf("%s\t%d\t%s\n", v.allowed ? "allow" : v.denied ? "deny" : "none", v.line, out);
}

/* Answers each request line of stdin, `op key=value ...`, with verdict, line number and the line that would allow it. */
int explain(const char *path) {
  struct policy p;
  AUTO_TEXT line = NULL;
  size_t room = 0;
  ssize_t n;
  bool ok = load_file(path, &p, stdout);
  while (ok && (n = getline(&line, &room, stdin)) > 0) {
    if (line[n - 1] == '\n') line[n - 1] = 0;
    explain_line(&p, line);
  }
  policy_free(&p);
  return ok ? 0 : 1;
}
