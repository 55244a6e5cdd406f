/* What a parsed policy says about one request. shared/model/policy.ts decides the same (a differential test compares them). */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void range_of(const char *s, size_t n, uint64_t *low, uint64_t *high) {
  const char *dash = memchr(s, '-', n);
  size_t first = dash ? (size_t)(dash - s) : n;
  *low = *high = 0;
  (void)parse_number(s, first, UINT32_MAX, low);
  if (!dash) *high = *low;
  else (void)parse_number(dash + 1, n - first - 1, UINT32_MAX, high);
}

static bool value_matches(enum reeve_match match, const char *pattern, size_t n, const char *value) {
  if (match == REEVE_M_RANGE) {
    uint64_t low, high, v;
    range_of(pattern, n, &low, &high);
    return parse_number(value, strlen(value), UINT32_MAX, &v) && v >= low && v <= high;
  }
  if (match == REEVE_M_PREFIX && n > 0 && pattern[n - 1] == '*') return !strncmp(pattern, value, n - 1);
  return strlen(value) == n && !memcmp(pattern, value, n);
}

static bool list_matches(enum reeve_match match, const char *list, const char *value) {
  for (;;) {
    size_t n = strcspn(list, ",");
    if (n > 0 && value_matches(match, list, n, value)) return true;
    if (!list[n]) return false;
    list += n + 1;
  }
}

/* An allow line's missing key has its default, a deny line's matches anything. What the request leaves out is fine with an allow line and not
   meant by a deny line that names that key. `skip` is a key not looked at, or -1. */
static bool line_matches(const struct policy_line *line, const char *const *args, int skip) {
  const struct reeve_operation *op = &reeve_operations[line->op];
  for (size_t k = 0; k < op->nkeys; k++) {
    const char *list = line->values[k];
    if ((int)k == skip) continue;
    if (!list && !line->allow) continue;
    if (!args[k]) {
      if (line->allow) continue;
      return false;
    }
    if (!list_matches(op->keys[k].match, list ? list : op->keys[k].fallback, args[k])) return false;
  }
  return true;
}

struct verdict policy_evaluate(const struct policy *p, int op, const char *const *args) {
  struct verdict v = {0};
  for (size_t i = 0; i < p->nlines; i++) {
    const struct policy_line *line = &p->lines[i];
    if (line->op != op || !line_matches(line, args, -1)) continue;
    if (!line->allow) return (struct verdict){.denied = true, .line = line->number};
    if (!v.allowed) v = (struct verdict){.allowed = true, .line = line->number};
  }
  return v;
}

/* The line that root would add to allow exactly this request. */
void policy_wanted_line(char *out, size_t room, int op, const char *const *args, struct verdict v) {
  const struct reeve_operation *row = &reeve_operations[op];
  int n = snprintf(out, room, "allow %s", row->name);
  for (size_t k = 0; k < row->nkeys && n >= 0 && (size_t)n < room; k++) if (args[k]) n += snprintf(out + n, room - (size_t)n, " %s=%s", row->keys[k].name, args[k]);
  if (v.denied && n >= 0 && (size_t)n < room) snprintf(out + n, room - (size_t)n, " # and remove line %d, which denies it", v.line);
}

/* The lowest uid from `from` on that some allow line gives to this request and no deny line takes away. */
bool policy_next_uid(const struct policy *p, int op, const char *const *args, size_t key, uint64_t from, uint64_t *uid) {
  for (uint64_t at = from; at <= UINT32_MAX;) {
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < p->nlines; i++) {
      const struct policy_line *line = &p->lines[i];
      if (line->op != op || !line->allow || !line_matches(line, args, (int)key)) continue;
      const char *list = line->values[key] ? line->values[key] : reeve_operations[op].keys[key].fallback;
      for (;;) {
        size_t n = strcspn(list, ",");
        uint64_t low, high;
        range_of(list, n, &low, &high);
        if (high >= at && (low > at ? low : at) < best) best = low > at ? low : at;
        if (!list[n]) break;
        list += n + 1;
      }
    }
    if (best > UINT32_MAX) return false;
    at = best;
    for (size_t i = 0; i < p->nlines; i++) {
      const struct policy_line *line = &p->lines[i];
      if (line->op != op || line->allow || !line_matches(line, args, (int)key)) continue;
      if (!line->values[key]) return false;
      for (const char *list = line->values[key];;) {
        size_t n = strcspn(list, ",");
        uint64_t low, high;
        range_of(list, n, &low, &high);
        if (at >= low && at <= high) at = high + 1;
        if (!list[n]) break;
        list += n + 1;
      }
    }
    if (at == best) {
      *uid = at;
      return true;
    }
  }
  return false;
}

static void print_problem(void *data, int line, const char *text) { fprintf(data, "problem\t%d\t%s\n", line, text); }

static bool load_file(const char *path, struct policy *p, FILE *out) {
  size_t n = 0;
  char *text = read_whole(path, REEVE_POLICY_BYTES + 1, &n);
  *p = (struct policy){0};
  if (!text) {
    if (errno == EFBIG) print_problem(out, 1, "the file is larger than 65536 bytes");
    else fprintf(out, "problem\t0\tthe file cannot be read\n");
    return false;
  }
  bool ok = policy_parse(p, text, n, print_problem, out);
  free(text);
  return ok;
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
  char *line = NULL;
  size_t room = 0;
  ssize_t n;
  bool ok = load_file(path, &p, stdout);
  while (ok && (n = getline(&line, &room, stdin)) > 0) {
    if (line[n - 1] == '\n') line[n - 1] = 0;
    explain_line(&p, line);
  }
  free(line);
  policy_free(&p);
  return ok ? 0 : 1;
}
