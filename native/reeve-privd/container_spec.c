/* Reading the text of a spec: one row of a table for each key, in the order that the text has them. What fits together is container_rule.c's. */
#include "container_spec.h"
#include "backup_word.h"
#include "container_rule.h"

#define ARG_MOST 1024u
#define ENV_MOST 4096u

static const char *const engines[] = {"podman", "lxc", "pct"};
const char *spec_engine_name(enum spec_engine engine) { return engines[engine]; }

bool spec_bad(struct spec_problem *why, const char *field, const char *value, const char *rule) {
  *why = (struct spec_problem){.field = field, .rule = rule};
  snprintf(why->value, sizeof why->value, "%s", value);
  return false;
}

bool spec_missing(struct spec_problem *why, const char *field, const char *rule) {
  *why = (struct spec_problem){.missing = true, .field = field, .rule = rule};
  return false;
}

/* Room for one more of a list; NULL: there are too many. Lists double, so that what they cost is bounded by what was read. */
static void *grow(void *list, size_t n, size_t each, size_t most) {
  void **items = list;
  if (n >= most) return NULL;
  if (n == 0 || (n & (n - 1)) == 0) {
    void *grown = realloc(*items, (n ? 2 * n : 1) * each);
    if (!grown) return NULL;
    *items = grown;
  }
  return (char *)*items + n * each;
}

#define MORE(list, most) grow(&(list).items, (list).n, sizeof *(list).items, most)

static bool number(const char *v, uint64_t least, uint64_t most, uint64_t *out) { return parse_number(v, strlen(v), most, out) && *out >= least; }

/* What a key does with its value: NULL, or the rule that it broke. Values may be cut up in place. */
typedef const char *take_fn(struct spec *s, char *v);

static const char *take_engine(struct spec *s, char *v) {
  for (size_t i = 0; i < 3; i++) if (!strcmp(v, engines[i])) { s->engine = (enum spec_engine)i; return NULL; }
  return "podman, lxc or pct is wanted";
}

#define TAKE_NUMBER(name, member, least, most, rule) \
  static const char *name(struct spec *s, char *v) { \
    uint64_t n; \
    if (!number(v, least, most, &n)) return rule; \
    s->member = (__typeof__(s->member))n; \
    return NULL; \
  }
TAKE_NUMBER(take_id, id, 100, 999999999, "a number from 100 to 999999999 is wanted")
TAKE_NUMBER(take_cpu, cpu, 1, 102400, "percent of one core, 1 to 102400, are wanted")
TAKE_NUMBER(take_tasks, tasks, 1, 1000000, "a number from 1 to 1000000 is wanted")
TAKE_NUMBER(take_disk, disk, 1, 1000000, "GiB, 1 to 1000000, are wanted")
TAKE_NUMBER(take_memory_bytes, memory, 4u << 20, 1ull << 50, "bytes, 4194304 (4 MiB) to 1125899906842624 (1 PiB), are wanted")
TAKE_NUMBER(take_swap_bytes, swap, 0, 1ull << 50, "bytes, at most 1125899906842624 (1 PiB), are wanted")
TAKE_NUMBER(take_health_start, health_start, 1, 900, "seconds, 1 to 900, are wanted")
TAKE_NUMBER(take_stop, stop, 0, 600, "seconds, 0 to 600, are wanted")
TAKE_NUMBER(take_idle, idle, 1, 86400, "seconds, 1 to 86400, are wanted")

static const char *take_memory(struct spec *s, char *v) { s->has_memory = true; return take_memory_bytes(s, v); }
static const char *take_swap(struct spec *s, char *v) { s->has_swap = true; return take_swap_bytes(s, v); }

static const char *take_state(struct spec *s, char *v) {
  s->running = !strcmp(v, "running");
  return s->running || !strcmp(v, "stopped") ? NULL : "running or stopped is wanted";
}

static const char *take_boot(struct spec *s, char *v) {
  s->has_boot = true;
  s->boot = !strcmp(v, "yes");
  return s->boot || !strcmp(v, "no") ? NULL : "yes or no is wanted";
}

#define TAKE_WORD(name, member, word) \
  static const char *name(struct spec *s, char *v) { \
    s->member = true; \
    return strcmp(v, word) ? "only \"" word "\" is written" : NULL; \
  }
TAKE_WORD(take_adopted, adopted, "yes")
TAKE_WORD(take_network, host_network, "host")
TAKE_WORD(take_ids, host_ids, "host")

#define TAKE_TEXT(name, member, fits, rule) \
  static const char *name(struct spec *s, char *v) { \
    s->member = v; \
    return fits(v) ? NULL : rule; \
  }
TAKE_TEXT(take_image, image, container_image, "registry/name@sha256: and 64 hex digits are wanted")
TAKE_TEXT(take_archive, archive, container_sum, "64 hex digits in lower case are wanted")
TAKE_TEXT(take_template, template, rule_template, "STORAGE:vztmpl/FILE is wanted")
TAKE_TEXT(take_storage, storage, rule_storage, "1 to 64 of letters, digits, _, . and -, beginning with a letter, are wanted")
TAKE_TEXT(take_bridge, bridge, container_interface, "the name of an interface is wanted: at most 15 of a-z, 0-9, ., _ and -, beginning with a letter")
TAKE_TEXT(take_address, address, rule_cidr, "an address and the length of its network, as 10.0.3.5/24, is wanted")
TAKE_TEXT(take_gateway, gateway, rule_address, "an address in its shortest form is wanted")

static const char *put_text(struct spec_list *list, char *v, size_t most, const char *many) {
  char **item = MORE(*list, most);
  if (!item) return many;
  *item = v;
  list->n++;
  return NULL;
}

static const char *take_arg(struct spec *s, char *v) { return strlen(v) > ARG_MOST ? "at most 1024 bytes are wanted" : put_text(&s->args, v, 64, "at most 64 are wanted"); }
static const char *take_health_arg(struct spec *s, char *v) { return strlen(v) > ARG_MOST ? "at most 1024 bytes are wanted" : put_text(&s->health_args, v, 64, "at most 64 are wanted"); }

static const char *take_device(struct spec *s, char *v) {
  if (!rule_device(v)) return "a path below /dev is wanted";
  if (s->devices.n > 0 && strcmp(s->devices.items[s->devices.n - 1], v) >= 0) return "they are sorted, each once";
  return put_text(&s->devices, v, 16, "at most 16 are wanted");
}

static const char *take_env(struct spec *s, char *v) {
  char *value = strchr(v, '=');
  if (!value) return "NAME=VALUE is wanted";
  *value++ = 0;
  if (!container_env_name(v)) return "its name is 1 to 64 of A-Z, 0-9 and _, beginning with a letter, and none by which programs are found or loaded (PATH, LD_*, PYTHON*, ...)";
  if (strlen(value) > ENV_MOST) return "at most 4096 bytes are wanted";
  if (s->env.n > 0 && strcmp(s->env.items[s->env.n - 1].name, v) >= 0) return "they are sorted by name, each once";
  struct spec_env *item = MORE(s->env, 128);
  if (!item) return "at most 128 are wanted";
  *item = (struct spec_env){v, value};
  s->env.n++;
  return NULL;
}

/* Cuts a value into exactly n words with single spaces between; the last one may not have any either. */
static bool words(char *v, char **out, size_t n) {
  char *rest = v;
  for (size_t i = 0; i < n; i++) {
    out[i] = strsep(&rest, " ");
    if (!out[i] || !*out[i]) return false;
  }
  return !rest;
}

static const char *take_secret(struct spec *s, char *v) {
  char *w[2];
  if (!words(v, w, 2) || !container_secret(w[0]) || !backup_id(w[1])) return "NAME VERSION is wanted: [a-z0-9][a-z0-9._-]{0,63} and a UUID";
  if (s->secrets.n > 0 && strcmp(s->secrets.items[s->secrets.n - 1].name, w[0]) >= 0) return "they are sorted by name, each once";
  struct spec_secret *item = MORE(s->secrets, 32);
  if (!item) return "at most 32 are wanted";
  *item = (struct spec_secret){w[0], w[1]};
  s->secrets.n++;
  return NULL;
}

static const char *take_port(struct spec *s, char *v) {
  char *w[4];
  uint64_t port, inside;
  if (!words(v, w, 4) || (strcmp(w[0], "tcp") && strcmp(w[0], "udp"))) return "PROTOCOL ADDRESS PORT INSIDE is wanted, tcp or udp";
  if (!rule_address(w[1])) return "its address is one of IPv4 or IPv6 in its shortest form";
  if (!number(w[2], 1, 65535, &port) || !number(w[3], 1, 65535, &inside)) return "ports are 1 to 65535";
  struct spec_port *item = MORE(s->ports, 64);
  if (!item) return "at most 64 are wanted";
  *item = (struct spec_port){w[0][0] == 'u', w[1], (uint32_t)port, (uint32_t)inside};
  s->ports.n++;
  return rule_port_order(s) ? NULL : "they are sorted by protocol, port and address, each once, and none beside one of all addresses";
}

static const char *take_volume(struct spec *s, char *v) {
  char *w[3];
  if (!words(v, w, 3) || !container_path(w[0]) || !container_path(w[1]) || (strcmp(w[2], "rw") && strcmp(w[2], "ro"))) return "FOLDER TARGET MODE is wanted: absolute paths of letters, digits and ._@+-, rw or ro";
  if (!rule_target(w[1])) return "nothing is put in or around /proc, /sys, /dev and /run/secrets of a container";
  struct spec_volume *item = MORE(s->volumes, 32);
  if (!item) return "at most 32 are wanted";
  *item = (struct spec_volume){w[0], w[1], !strcmp(w[2], "ro")};
  s->volumes.n++;
  return rule_volume_order(s) ? NULL : "they are sorted by target, each once";
}

static const char *take_key(struct spec *s, char *v) {
  char *w[2];
  if (!words(v, w, 2) || !rule_key(w[0], w[1])) return "TYPE BLOB of a public key is wanted";
  const struct spec_key *before = s->keys.n > 0 ? &s->keys.items[s->keys.n - 1] : NULL;
  int order = before ? strcmp(before->type, w[0]) : -1;
  if (order > 0 || (order == 0 && strcmp(before->blob, w[1]) >= 0)) return "they are sorted, each once";
  struct spec_key *item = MORE(s->keys, 64);
  if (!item) return "at most 64 are wanted";
  *item = (struct spec_key){w[0], w[1]};
  s->keys.n++;
  return NULL;
}

static const char *take_restart(struct spec *s, char *v) {
  s->restart = !strcmp(v, "no") ? SPEC_RESTART_NO : SPEC_RESTART_FAILURE;
  return s->restart == SPEC_RESTART_NO || !strcmp(v, "on-failure") ? NULL : "no or on-failure is written; \"always\" is left out";
}

static const char *take_health(struct spec *s, char *v) {
  char *w[3];
  uint64_t port;
  static const char rule[] = "command, tcp PORT or http PORT PATH is wanted";
  if (!strcmp(v, "command")) {
    s->health = SPEC_HEALTH_COMMAND;
    return NULL;
  }
  bool http = !strncmp(v, "http ", 5);
  if (!words(v, w, http ? 3 : 2) || (!http && strcmp(w[0], "tcp")) || !number(w[1], 1, 65535, &port) || (http && !rule_url_path(w[2]))) return rule;
  s->health = http ? SPEC_HEALTH_HTTP : SPEC_HEALTH_TCP;
  s->health_port = (uint32_t)port;
  s->health_path = http ? w[2] : NULL;
  return NULL;
}

#define P (1u << SPEC_PODMAN)
#define L (1u << SPEC_LXC)
#define C (1u << SPEC_PCT)

/* In the order of the text. left_out: what is not written since it is so anyway. */
static const struct row { const char *key; unsigned engines; bool list; take_fn *take; const char *left_out; } rows[] = {
  {"engine", P | L | C, false, take_engine, NULL}, {"id", C, false, take_id, NULL}, {"state", P | L | C, false, take_state, NULL}, {"boot", P | L | C, false, take_boot, NULL},
  {"adopted", L | C, false, take_adopted, NULL}, {"image", P, false, take_image, NULL}, {"archive", L, false, take_archive, NULL}, {"template", C, false, take_template, NULL},
  {"storage", C, false, take_storage, NULL}, {"arg", P, true, take_arg, NULL}, {"env", P, true, take_env, NULL}, {"secret", P, true, take_secret, NULL}, {"port", P | L | C, true, take_port, NULL},
  {"volume", P, true, take_volume, NULL}, {"device", P, true, take_device, NULL}, {"network", P, false, take_network, NULL}, {"bridge", L | C, false, take_bridge, NULL},
  {"address", L | C, false, take_address, NULL}, {"gateway", L | C, false, take_gateway, NULL}, {"ids", P | L, false, take_ids, NULL}, {"key", L | C, true, take_key, NULL},
  {"restart", P | L, false, take_restart, NULL}, {"memory", P | L | C, false, take_memory, NULL}, {"swap", P | L | C, false, take_swap, NULL}, {"cpu", P | L | C, false, take_cpu, NULL},
  {"tasks", P | L, false, take_tasks, NULL}, {"disk", C, false, take_disk, NULL}, {"health", P, false, take_health, NULL}, {"health-arg", P, true, take_health_arg, NULL},
  {"health-start", P, false, take_health_start, "60"}, {"stop", P | L | C, false, take_stop, "10"}, {"idle", P | L | C, false, take_idle, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)

/* One line; `s->part` is the first row that may come. */
static bool take_line(struct spec *s, char *line, struct spec_problem *why) {
  char whole[256];
  snprintf(whole, sizeof whole, "%s", line);
  char *value = strchr(line, '=');
  if (!value) return spec_bad(why, "spec", whole, "each line is key=value");
  *value++ = 0;
  size_t at = 0;
  while (at < ROWS && strcmp(rows[at].key, line)) at++;
  if (at == ROWS) return spec_bad(why, "spec", whole, "there is no such key");
  const struct row *row = &rows[at];
  snprintf(whole, sizeof whole, "%s", value);
  if (at < s->part) return spec_bad(why, row->key, whole, "keys come in the order of their table, and only those of lists more than once");
  if (s->part == 0 && at != 0) return spec_missing(why, "engine", "every container has one");
  if (!(row->engines & 1u << s->engine) && at > 0) return spec_bad(why, row->key, whole, "a container of this engine has none");
  if (row->left_out && !strcmp(row->left_out, value)) return spec_bad(why, row->key, whole, "what is the default is left out");
  s->part = row->list ? at : at + 1;
  const char *rule = row->take(s, value);
  return rule ? spec_bad(why, row->key, whole, rule) : true;
}

static bool take_lines(struct spec *s, size_t n, struct spec_problem *why) {
  char *rest = s->text + strlen(SPEC_HEAD);
  if (strlen(s->text) != n) return spec_bad(why, "spec", "", "NUL is not allowed");
  if (strncmp(s->text, SPEC_HEAD, strlen(SPEC_HEAD)) || s->text[n - 1] != '\n') return spec_bad(why, "spec", "", "its first line is \"container 1\", and each line is ended");
  s->text[n - 1] = 0;
  if (n == strlen(SPEC_HEAD)) return spec_missing(why, "engine", "every container has one");
  for (char *line; (line = strsep(&rest, "\n"));) {
    if (!text_plain(line)) return spec_bad(why, "spec", line, "UTF-8 without control characters is wanted");
    if (!take_line(s, line, why)) return false;
  }
  return rule_whole(s, why);
}

bool spec_parse(struct spec *s, const char *text, size_t n, struct spec_problem *why) {
  *s = (struct spec){.stop = 10, .health_start = 60};
  if (n > SPEC_BYTES || n < strlen(SPEC_HEAD)) return spec_bad(why, "spec", "", "at most 65536 bytes, beginning with \"container 1\", are wanted");
  s->text = malloc(n + 1);
  if (!s->text) return spec_bad(why, "spec", "", "out of memory");
  memcpy(s->text, text, n);
  s->text[n] = 0;
  bool ok = take_lines(s, n, why);
  if (!ok) spec_free(s);
  return ok;
}

void spec_free(struct spec *s) {
  void *const all[] = {s->args.items, s->devices.items, s->health_args.items, s->env.items, s->secrets.items, s->ports.items, s->volumes.items, s->keys.items, s->text};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  *s = (struct spec){0};
}
