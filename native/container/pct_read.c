/* Reading what pct(1) prints: pct list, config, status and listsnapshot of Proxmox VE 7 and 8. */
#include "pct.h"
#include <time.h>

void pct_cut(struct buf *b, struct pct_config *c) {
  *c = (struct pct_config){(char *)b->p, b->n};
  for (size_t i = 0; i < c->n; i++) if (c->text[i] == '\n') c->text[i] = 0;
}

const char *pct_value(const struct pct_config *c, const char *key) {
  size_t m = strlen(key);
  for (size_t at = 0; at < c->n; at += strlen(c->text + at) + 1) {
    if (!strncmp(c->text + at, key, m) && !strncmp(c->text + at + m, ": ", 2)) return c->text + at + m + 2;
  }
  return NULL;
}

bool pct_property(const char *value, const char *name, char *out, size_t room) {
  size_t m = strlen(name);
  for (const char *at = value; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
    if (strncmp(at, name, m) || at[m] != '=') continue;
    size_t n = strcspn(at + m + 1, ",");
    if (n >= room) return false;
    snprintf(out, room, "%.*s", (int)n, at + m + 1);
    return true;
  }
  return false;
}

/* "VMID       Status     Lock         Name": the lock may be empty, the name is the last word. */
static bool list_line(const char *line, size_t n, uint64_t *id, char name[64]) {
  size_t digits = strspn(line, "0123456789");
  if (digits == 0 || digits >= n || !parse_number(line, digits, 999999999, id)) return false;
  while (n > 0 && line[n - 1] == ' ') n--;
  size_t from = n;
  while (from > 0 && line[from - 1] != ' ') from--;
  if (n - from > 63) return false;
  snprintf(name, 64, "%.*s", (int)(n - from), line + from);
  return true;
}

typedef bool match_fn(uint64_t id, const char *name, const void *wanted);

static bool find(const char *list, match_fn *is, const void *wanted, uint64_t *id, char name[64]) {
  for (const char *line = list; *line; line += *line == '\n') {
    size_t n = strcspn(line, "\n");
    if (list_line(line, n, id, name) && is(*id, name, wanted)) return true;
    line += n;
  }
  return false;
}

static bool is_name(uint64_t id, const char *name, const void *wanted) { return id > 0 && !strcmp(name, wanted); }
static bool is_id(uint64_t id, const char *name, const void *wanted) { return *name && id == *(const uint32_t *)wanted; }

uint32_t pct_number(const char *list, const char *name) {
  uint64_t id;
  char found[64];
  return find(list, is_name, name, &id, found) ? (uint32_t)id : 0;
}

bool pct_name(const char *list, uint32_t id, char name[64]) {
  uint64_t found;
  return find(list, is_id, &id, &found, name);
}

void pct_status(const char *text, char out[24]) {
  *out = 0;
  if (!strncmp(text, "status: ", 8)) snprintf(out, 24, "%.*s", (int)strcspn(text + 8, "\n "), text + 8);
}

/* "`-> first                      2026-01-31 09:05:00     no-description", deeper ones further to the right; the last one is "current". */
bool pct_snapshot_line(const char *line, char name[48], int64_t *created_ms) {
  struct tm at = {.tm_isdst = -1};
  const char *from = strstr(line, "-> ");
  if (!from) return false;
  from += 3;
  size_t n = strcspn(from, " \n");
  if (n < 1 || n > 47) return false;
  snprintf(name, 48, "%.*s", (int)n, from);
  from += n + strspn(from + n, " ");
  if (!strcmp(name, "current")) return false;
  *created_ms = strptime(from, "%Y-%m-%d %H:%M:%S", &at) ? (int64_t)mktime(&at) * 1000 : 0;
  return true;
}
