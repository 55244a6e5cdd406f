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

void unit_reason(const char *unit, const struct unit_state *s, int64_t since_s, char out[WHY]) {
  char match[UNIT_ROOM + 20], since[40], line[400] = "";
  snprintf(match, sizeof match, "_SYSTEMD_UNIT=%s", unit);
  snprintf(since, sizeof since, "--since=@%lld", (long long)since_s);
  const char *argv[] = {JOURNALCTL, "--quiet", "--no-pager", "--output=cat", "--lines=1", since, match, NULL};
  struct buf text;
  buf_init(&text, 1u << 20);
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &text};
  if (tool_run(&t)) {
    size_t n;
    const char *last = last_line((const char *)text.p, text.n - 1, &n);
    plain(line, sizeof line, last, n);
  }
  buf_free(&text);
  const char *how = !strcmp(s->result, "exit-code") ? "it ended with exit code" : "systemd says";
  if (!strcmp(s->result, "exit-code")) snprintf(out, WHY, "%s %d%s%s", how, s->status, *line ? "; its last line: " : "", line);
  else snprintf(out, WHY, "%s: %s%s%s", how, *s->result ? s->result : "?", *line ? "; its last line: " : "", line);
}
