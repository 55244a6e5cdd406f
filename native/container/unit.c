/* What systemd knows of the unit of a container, and why it ended. */
#include "container.h"

static void take(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (!strncmp(line, key, n)) snprintf(out, room, "%s", line + n);
}

bool unit_show(const char *unit, struct unit_state *s) {
  const char *argv[] = {SYSTEMCTL, "show", "--property=ActiveState,SubState,Result,InvocationID,ControlGroup,NRestarts,ExecMainStatus,NeedDaemonReload", "--", unit, NULL};
  struct buf out;
  char number[24] = "", status[24] = "", stale[8] = "";
  buf_init(&out, 65536);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &out};
  memset(s, 0, sizeof *s);
  bool ok = tool_run(&t);
  char *rest = ok ? (char *)out.p : NULL;
  for (char *line; (line = strsep(&rest, "\n"));) {
    take(line, "ActiveState=", s->active, sizeof s->active);
    take(line, "SubState=", s->sub, sizeof s->sub);
    take(line, "Result=", s->result, sizeof s->result);
    take(line, "InvocationID=", s->invocation, sizeof s->invocation);
    take(line, "ControlGroup=", s->group, sizeof s->group);
    take(line, "NRestarts=", number, sizeof number);
    take(line, "ExecMainStatus=", status, sizeof status);
    take(line, "NeedDaemonReload=", stale, sizeof stale);
  }
  s->restarts = strtoull(number, NULL, 10);
  s->status = (int)strtol(status, NULL, 10);
  s->stale = !strcmp(stale, "yes");
  buf_free(&out);
  return ok && *s->active;
}

/* The last line that is not podman's word of what it ended. Of lines of lxc-start, the first: it says what was wrong, the others that this was so. */
static void last_words(const struct record *r, const char *text, size_t n, char line[400]) {
  static const char lxc[] = "lxc-start: ";
  size_t length = 0;
  for (const char *last; n > 0; n = (size_t)(last - text)) {
    last = last_line(text, n, &length);
    bool ours = length == strlen(r->name) && !memcmp(last, r->name, length), more = length >= strlen(lxc) && !memcmp(last, lxc, strlen(lxc));
    if (length == 0 || (*line && !more)) break;
    if (!ours) plain(line, 400, last, length);
    if (*line && !more) break;
  }
}

void unit_reason(const struct record *r, const struct unit_state *s, int64_t since_s, char out[WHY]) {
  char unit[CONTAINER_UNIT_ROOM], match[CONTAINER_UNIT_ROOM + 20], since[40], line[400] = "";
  container_unit_name(unit, r->name);
  snprintf(match, sizeof match, "_SYSTEMD_UNIT=%s", unit);
  snprintf(since, sizeof since, "--since=@%lld", (long long)since_s);
  const char *argv[] = {JOURNALCTL, "--quiet", "--no-pager", "--output=cat", "--lines=20", since, match, NULL};
  struct buf text;
  buf_init(&text, 1u << 20);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &text};
  if (tool_run(&t)) last_words(r, (const char *)text.p, text.n - 1, line);
  buf_free(&text);
  const char *more = *line ? "; its last line: " : "";
  if (!strcmp(s->result, "exit-code")) snprintf(out, WHY, "it ended with exit code %d%s%s", s->status, more, line);
  else if (!strcmp(s->result, "success")) snprintf(out, WHY, "it ended by itself%s%s", more, line);
  else snprintf(out, WHY, "systemd says: %s%s%s", *s->result ? s->result : "?", more, line);
}
