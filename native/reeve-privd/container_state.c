/* What is known of units that should run and do not, and of ports that something listens on. */
#include "container_look.h"

#define AT_ONCE 100u
#define TCP_LISTEN 10u  /* include/net/tcp_states.h */

static void read_table(struct listening *l, const char *path) {
  FILE *file = fopen(path, "re");
  AUTO_TEXT line = NULL;
  size_t room = 0;
  while (file && getline(&line, &room, file) > 0) {
    unsigned port, state;
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &port, &state) == 2 && port < 65536 && state == TCP_LISTEN) l->ports[port] = true;
  }
  if (file) fclose(file);
}

void listening_read(struct listening *l) {
  *l = (struct listening){{false}};
  read_table(l, "/proc/net/tcp");
  read_table(l, "/proc/net/tcp6");
}

static struct unit_state *find(struct unit_state *units, size_t n, const char *unit) {
  for (size_t i = 0; i < n; i++) if (!strcmp(units[i].unit, unit)) return &units[i];
  return NULL;
}

static void take(struct unit_state *u, const char *key, const char *value) {
  if (!strcmp(key, "ActiveState")) snprintf(u->active, sizeof u->active, "%s", value);
  else if (!strcmp(key, "SubState")) snprintf(u->sub, sizeof u->sub, "%s", value);
  else if (!strcmp(key, "Result")) snprintf(u->result, sizeof u->result, "%s", value);
  else if (!strcmp(key, "ExecMainCode")) (void)parse_u32(value, &u->code);
  else if (!strcmp(key, "ExecMainStatus")) (void)parse_u32(value, &u->status);
}

/* Blocks of key=value with an empty line between, each of which has Id=. */
static size_t take_blocks(char *text, struct unit_state *units, size_t n) {
  size_t known = 0;
  for (char *at = text; at && *at;) {
    char *end = strstr(at, "\n\n"), *copy, *id;
    if (end) *end = 0;
    struct unit_state *u = NULL;
    if ((id = strstr(at, "Id=")) && (id == at || id[-1] == '\n')) {
      AUTO_TEXT unit = strndup(id + 3, strcspn(id + 3, "\n"));
      u = unit ? find(units, n, unit) : NULL;
    }
    copy = at;
    for (char *line; u && copy && (line = strsep(&copy, "\n"));) {
      char *value = strchr(line, '=');
      if (!value) continue;
      *value++ = 0;
      take(u, line, value);
    }
    known += u != NULL;
    at = end ? end + 2 : NULL;
  }
  return known;
}

size_t unit_states(struct call *c, struct unit_state *units, size_t n) {
  const char *argv[AT_ONCE + 4] = {"systemctl", "show", "--property=Id,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus"};
  size_t known = 0;
  if (n == 0 || access("/run/systemd/system", F_OK)) return 0;
  for (size_t from = 0; from < n; from += AT_ONCE) {
    size_t many = n - from < AT_ONCE ? n - from : AT_ONCE;
    for (size_t i = 0; i < many; i++) argv[3 + i] = units[from + i].unit;
    argv[3 + many] = NULL;
    char *output = NULL;
    if (!run_tool_text(c, argv, &output) && output) known += take_blocks(output, units + from, many);
    free(output);
  }
  return known;
}
