/* inspect: which engine it is, and how what was found is told. */
#include "inspect.h"
#include <stdarg.h>

#define LINES_MOST (48u << 10)

void found_begin(struct found *f) {
  for (size_t i = 0; i < AT_END; i++) buf_init(&f->lines[i], LINES_MOST);
  buf_init(&f->problems, LINES_MOST);
}

/* What is no plain text of one line cannot be one, and is told as a problem. */
static void put(struct buf *b, const char *text) {
  char shown[800];
  if (text_plain(text)) return buf_put(b, text, strlen(text) + 1);
  plain(shown, sizeof shown, text, strlen(text));
  buf_put(b, shown, strlen(shown) + 1);
}

void found_line(struct found *f, enum line_of at, const char *format, ...) {
  char text[6000];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof text) found_problem(f, "%.20s... is too long for a spec", text);
  else if (!text_plain(text)) found_problem(f, "%.200s is no plain text", text);
  else put(&f->lines[at], text);
}

void found_problem(struct found *f, const char *format, ...) {
  char text[1000];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  put(&f->problems, text);
}

static const char *const *text_of(const void *p) { return p; }
static int by_bytes(const void *a, const void *b) { return strcmp(*text_of(a), *text_of(b)); }

/* By name: "=" is among the letters. */
static int by_name(const void *a, const void *b) {
  const char *x = *text_of(a) + strlen("env="), *y = *text_of(b) + strlen("env=");
  size_t n = strcspn(x, "="), m = strcspn(y, "="), least = n < m ? n : m;
  int order = strncmp(x, y, least);
  return order ? order : n < m ? -1 : n > m;
}

/* "port=tcp ADDRESS PORT INSIDE": by protocol, port, address. */
static int by_port(const void *a, const void *b) {
  char x[2][4], address[2][64];
  unsigned port[2];
  if (sscanf(*text_of(a), "port=%3s %63s %u", x[0], address[0], &port[0]) != 3 || sscanf(*text_of(b), "port=%3s %63s %u", x[1], address[1], &port[1]) != 3) return by_bytes(a, b);
  int order = strcmp(x[0], x[1]);
  return order ? order : port[0] != port[1] ? (port[0] < port[1] ? -1 : 1) : strcmp(address[0], address[1]);
}

/* "volume=FOLDER TARGET MODE": by target. */
static int by_target(const void *a, const void *b) {
  const char *x = strchr(*text_of(a), ' '), *y = strchr(*text_of(b), ' ');
  return x && y ? strcmp(x, y) : by_bytes(a, b);
}

static int (*const orders[AT_END])(const void *a, const void *b) = {[AT_ENV] = by_name, [AT_PORT] = by_port, [AT_VOLUME] = by_target, [AT_DEVICE] = by_bytes};

/* Each once; words of a command keep their order, and are told as they came. */
static void say_lines(struct buf *out, const struct buf *lines, enum line_of at) {
  const char *all[400];
  size_t n = 0;
  for (size_t i = 0; i < lines->n && n < 400; i += strlen((char *)lines->p + i) + 1) all[n++] = (char *)lines->p + i;
  if (orders[at]) qsort(all, n, sizeof *all, orders[at]);
  for (size_t i = 0; i < n; i++) if (!orders[at] || i == 0 || strcmp(all[i], all[i - 1])) say(out, "spec", all[i]);
}

int found_tell(struct found *f) {
  struct buf out;
  bool full = f->problems.full;
  buf_init(&out, 60u << 10);
  for (size_t i = 0; i < AT_END; i++) {
    full = full || f->lines[i].full;
    say_lines(&out, &f->lines[i], (enum line_of)i);
  }
  for (size_t at = 0; at < f->problems.n; at += strlen((char *)f->problems.p + at) + 1) say(&out, "problem", (char *)f->problems.p + at);
  int code = full || out.full ? job_failed("there is more to this container than a spec can have") : job_done(&out);
  buf_free(&out);
  found_end(f);
  return code;
}

void found_end(struct found *f) {
  for (size_t i = 0; i < AT_END; i++) buf_free(&f->lines[i]);
  buf_free(&f->problems);
}

int container_inspect(const struct fields *t) {
  const char *name = field(t, "name"), *engine = field(t, "engine");
  if (!name || !container_name(name)) return job_failed("the name of a container that is taken over has to be one that Reeve gives: a-z, 0-9 and -");
  if (engine && !strcmp(engine, "podman")) return inspect_podman(name);
  if (engine && !strcmp(engine, "lxc")) return inspect_lxc(name);
  return engine && !strcmp(engine, "pct") ? inspect_pct(name) : job_failed("the ticket names no engine");
}
