/* Containers of Proxmox VE, by pct(1) alone: its own locks, its own undo. No "--" before values: pct(1) does not document one; by their grammar none of them begins with "-". */
#include "pct.h"
#include <stdarg.h>
#include <sys/mman.h>

#define MIB (1ull << 20)
#define MAKE_S 900

struct call_of { char id[16]; const char *argv[40]; char text[12][200]; size_t n, used; };

static void begin(struct call_of *c, const char *verb, uint32_t id) {
  *c = (struct call_of){.argv = {places.pct, verb, NULL}, .n = 2};
  snprintf(c->id, sizeof c->id, "%u", id);
  c->argv[c->n++] = c->id;
}

static void word(struct call_of *c, const char *text) { c->argv[c->n++] = text; }

static void option(struct call_of *c, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void option(struct call_of *c, const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(c->text[c->used], sizeof c->text[0], format, args);
  va_end(args);
  word(c, name);
  word(c, c->text[c->used++]);
}

/* 0, or the exit code of the work: the agent has been told. */
static int run(struct call_of *c, int in, int seconds, struct buf *out, const char *what) {
  struct tool t = {.argv = c->argv, .in = in, .seconds = seconds, .out = out};
  return tool_run(&t) ? 0 : tool_failed(&t, what);
}

bool pct_there(void) { return !access(places.pct, X_OK); }

static int list(struct buf *out) {
  static const char *argv[3];
  argv[0] = places.pct;
  argv[1] = "list";
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = out};
  buf_init(out, OUTPUT_MOST);
  if (!pct_there()) return job_failed("this is no Proxmox VE host: pct is not installed here");
  return tool_run(&t) ? 0 : tool_failed(&t, "pct cannot list the containers");
}

/* Is the number still that of our container? Numbers are given again. 0: yes; -1: there is none of that number. */
static int is_ours(const struct record *r) {
  struct buf out;
  char name[64];
  int code = list(&out);
  if (!code && !pct_name((char *)out.p, r->spec.id, name)) code = -1;
  else if (!code && strcmp(name, r->name)) code = job_failed("container %u is \"%s\" now, not \"%s\": somebody else made it", r->spec.id, name, r->name);
  buf_free(&out);
  return code;
}

/* What has to be there. */
static int needs(const struct record *r) {
  int code = is_ours(r);
  return code < 0 ? job_failed("there is no container %u on this host", r->spec.id) : code;
}

static void net(struct call_of *c, const struct spec *s) {
  bool six = s->address && strchr(s->address, ':');
  char gateway[80] = "";
  if (s->gateway) snprintf(gateway, sizeof gateway, ",%s=%s", six ? "gw6" : "gw", s->gateway);
  option(c, "--net0", "name=eth0,bridge=%s,%s=%s%s", s->bridge, six ? "ip6" : "ip", s->address ? s->address : "dhcp", gateway);
}

static uint64_t mib(uint64_t bytes) { return (bytes + MIB - 1) / MIB; }

static void limits(struct call_of *c, const struct spec *s) {
  if (s->has_memory) option(c, "--memory", "%llu", (unsigned long long)mib(s->memory));
  if (s->has_swap) option(c, "--swap", "%llu", (unsigned long long)mib(s->swap));
  if (s->cpu) option(c, "--cores", "%u", (s->cpu + 99) / 100);
}

/* First keys, as a file that pct reads: its standard input. */
static int keys_of(const struct spec *s) {
  struct buf b;
  int fd = memfd_create("keys", MFD_CLOEXEC);
  buf_init(&b, 512u << 10);
  for (size_t i = 0; i < s->keys.n; i++) buf_say(&b, "%s %s\n", s->keys.items[i].type, s->keys.items[i].blob);
  bool ok = fd >= 0 && write_whole(fd, b.p, b.n) && lseek(fd, 0, SEEK_SET) == 0;
  buf_free(&b);
  if (!ok) end_fd(&fd);
  return ok ? fd : -1;
}

int pct_build(const struct record *r) {
  const struct spec *s = &r->spec;
  struct call_of c;
  int code = is_ours(r);
  if (code >= 0) return code ? code : job_done(NULL);
  if (s->adopted) return job_failed("it was taken over, and there is no container %u any more", s->id);
  begin(&c, "create", s->id);
  word(&c, s->template);
  option(&c, "--hostname", "%s", r->name);
  option(&c, "--rootfs", "%s:%u", s->storage, s->disk ? s->disk : 4);
  net(&c, s);
  limits(&c, s);
  option(&c, "--unprivileged", "1");
  option(&c, "--onboot", "%d", s->boot);
  option(&c, "--start", "0");
  AUTO_FD keys = s->keys.n ? keys_of(s) : -1;
  if (s->keys.n) option(&c, "--ssh-public-keys", "/dev/stdin");
  code = s->keys.n && keys < 0 ? job_failed("the first keys cannot be handed over (%s)", error_word()) : run(&c, keys, MAKE_S, NULL, "pct cannot make it");
  return code ? code : job_done(NULL);
}

/* "running", "stopped"; the exit code of the work otherwise. */
static int state(const struct record *r, char out[24]) {
  struct call_of c;
  struct buf text;
  buf_init(&text, 65536);
  begin(&c, "status", r->spec.id);
  int code = run(&c, -1, SHORT_S, &text, "pct does not say how it is");
  if (!code) pct_status((char *)text.p, out);
  buf_free(&text);
  return code;
}

static int simple(const struct record *r, const char *verb, const char *snapshot, int seconds, const char *what) {
  struct call_of c;
  begin(&c, verb, r->spec.id);
  if (snapshot) word(&c, snapshot);
  return run(&c, -1, seconds, NULL, what);
}

static int up(const struct record *r) {
  char now[24] = "";
  int code = state(r, now);
  if (code || !strcmp(now, "running")) return code;
  code = simple(r, "start", NULL, MAKE_S, "pct cannot start it");
  if (!code) code = state(r, now);
  return code || !strcmp(now, "running") ? code : job_failed("pct started it, and it is %s", *now ? now : "in no known state");
}

/* In order first, then by force. */
static int down(const struct record *r) {
  struct call_of c;
  char now[24] = "";
  int code = state(r, now);
  if (code || !strcmp(now, "stopped")) return code;
  if (r->spec.stop == 0) return simple(r, "stop", NULL, MAKE_S, "pct cannot end it");
  begin(&c, "shutdown", r->spec.id);
  option(&c, "--timeout", "%u", r->spec.stop);
  option(&c, "--forceStop", "1");
  return run(&c, -1, MAKE_S + (int)r->spec.stop, NULL, "pct cannot end it");
}

static int done(int code) { return code ? code : job_done(NULL); }

int pct_adopt(const struct record *r) { return done(needs(r)); }

int pct_start(const struct record *r) {
  int code = needs(r);
  return code ? code : done(up(r));
}

int pct_stop(const struct record *r) {
  int code = needs(r);
  return code ? code : done(down(r));
}

int pct_restart(const struct record *r) {
  int code = needs(r);
  if (!code) code = down(r);
  return code ? code : done(up(r));
}

int pct_limit(const struct record *r) {
  const struct spec *s = &r->spec;
  struct call_of c;
  struct buf more;
  int code = needs(r);
  if (code) return code;
  begin(&c, "set", s->id);
  limits(&c, s);
  option(&c, "--onboot", "%d", s->boot);
  code = run(&c, -1, MAKE_S, NULL, "pct does not take the limits");
  if (code) return code;
  buf_init(&more, 1024);
  if (s->has_memory) say(&more, "enforced", "memory");
  if (s->has_swap) say(&more, "enforced", "swap");
  if (s->cpu) say(&more, "enforced", "cpu");
  code = job_done(&more);
  buf_free(&more);
  return code;
}

/* 0: it is gone; the rest of the container is for the caller to remove. */
int pct_remove(const struct record *r) {
  struct call_of c;
  int code = is_ours(r);
  if (code) return code < 0 ? 0 : code;
  code = down(r);
  if (code) return code;
  begin(&c, "destroy", r->spec.id);
  option(&c, "--purge", "1");
  return run(&c, -1, MAKE_S, NULL, "pct cannot remove it");
}

int pct_snapshot(const struct record *r, const char *action, const char *snapshot) {
  char now[24] = "", what[80];
  int code = needs(r);
  if (code) return code;
  snprintf(what, sizeof what, "pct %s", action);
  if (!strcmp(action, "rollback") && !(code = state(r, now)) && strcmp(now, "stopped")) return job_failed("the container is %s: stop it first", now);
  return code ? code : done(simple(r, action, snapshot, LONG_S, what));
}

int pct_snapshots(const struct record *r) {
  struct call_of c;
  struct buf out;
  bool there = true;
  int code = needs(r);
  if (code) return code;
  buf_init(&out, OUTPUT_MOST);
  begin(&c, "listsnapshot", r->spec.id);
  code = run(&c, -1, SHORT_S, &out, "pct cannot list the snapshots");
  char *rest = code ? NULL : (char *)out.p;
  for (char *line; there && (line = strsep(&rest, "\n"));) {
    char name[48];
    int64_t created;
    struct buf b;
    if (!pct_snapshot_line(line, name, &created)) continue;
    buf_init(&b, 4096);
    say(&b, "snapshot", name);
    say_number(&b, "created-ms", created > 0 ? (uint64_t)created : 0);
    say_number(&b, "bytes", 0);
    there = put_fields(F_ROW, &b);
    buf_free(&b);
  }
  buf_free(&out);
  return code ? code : there ? job_done(NULL) : 1;
}
