/* inspect of what lxc(7) and pct(1) have: they keep their own configuration, of which only the network is told. */
#include "inspect.h"
#include "pct.h"

#define CONFIG_MOST (1u << 20)

/* The value of a line "key = value", without spaces around; NULL: another key. */
static char *value_of(char *line, const char *key) {
  size_t n = strlen(key);
  line += strspn(line, " \t");
  if (strncmp(line, key, n)) return NULL;
  line += n + strspn(line + n, " \t");
  if (*line++ != '=') return NULL;
  line += strspn(line, " \t");
  for (size_t m = strlen(line); m > 0 && strchr(" \t\r", line[m - 1]); m--) line[m - 1] = 0;
  return line;
}

static void keep(char *out, size_t room, const char *value) {
  if (value) snprintf(out, room, "%s", value);
}

struct network { char bridge[80], address[80], gateway[80]; };

static void tell_network(struct found *f, const struct network *n) {
  char host[80];
  int family;
  snprintf(host, sizeof host, "%.*s", (int)strcspn(n->address, "/"), n->address);
  if (*n->bridge && container_interface(n->bridge)) found_line(f, AT_NET, "bridge=%s", n->bridge);
  else if (*n->bridge) found_problem(f, "its bridge has a name that Reeve does not take");
  if (!*n->address || !strcmp(n->address, "dhcp")) return;
  if (!strchr(n->address, '/') || !container_address(host, &family)) return found_problem(f, "its address is not written as ADDRESS/PREFIX");
  found_line(f, AT_NET, "address=%s", n->address);
  if (*n->gateway && container_address(n->gateway, &family)) found_line(f, AT_NET, "gateway=%s", n->gateway);
}

int inspect_lxc(const char *name) {
  struct found f;
  struct network net = {0};
  struct record r = {.dir = -1};
  char state[24], unit[LXC_UNIT_ROOM];
  bool mapped = false, boot = false;
  snprintf(r.name, sizeof r.name, "%s", name);
  AUTO_FD dir = lxc_folder(&r);
  AUTO_FD fd = dir < 0 ? -1 : openat(dir, "config", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, CONFIG_MOST, NULL);
  if (!text) return job_failed("there is no container of lxc with a config in %s/%s", places.lxc, name);
  found_begin(&f);
  for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
    keep(net.bridge, sizeof net.bridge, value_of(line, "lxc.net.0.link"));
    keep(net.address, sizeof net.address, value_of(line, "lxc.net.0.ipv4.address"));
    keep(net.gateway, sizeof net.gateway, value_of(line, "lxc.net.0.ipv4.gateway"));
    const char *start = value_of(line, "lxc.start.auto");
    boot = start ? !strcmp(start, "1") : boot;
    mapped = mapped || value_of(line, "lxc.idmap");
    if (value_of(line, "lxc.net.1.type")) found_problem(&f, "it has more than one network interface");
  }
  boot = boot || lxc_unit(name, unit);
  lxc_state(name, state);
  bool running = !strcmp(state, "running");
  found_line(&f, AT_ENGINE, "engine=lxc");
  found_line(&f, AT_STATE, "state=%s", running ? "running" : "stopped");
  found_line(&f, AT_BOOT, "boot=%s", running && boot ? "yes" : "no");
  found_line(&f, AT_ADOPTED, "adopted=yes");
  tell_network(&f, &net);
  if (!mapped) found_line(&f, AT_NET, "ids=host");
  return found_tell(&f);
}

static int read_pct(const char *const *argv, struct buf *out, const char *what) {
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = out};
  buf_init(out, OUTPUT_MOST);
  return tool_run(&t) ? 0 : tool_failed(&t, what);
}

static void tell_limit(struct found *f, const struct pct_config *c, const char *key, const char *name, uint64_t times) {
  const char *value = pct_value(c, key);
  uint64_t n;
  if (value && parse_number(value, strlen(value), 1u << 30, &n) && n > 0) found_line(f, AT_LIMIT, "%s=%llu", name, (unsigned long long)(n * times));
}

static int tell_pct(uint32_t id, const struct pct_config *c, bool running) {
  struct found f;
  struct network net = {0};
  const char *net0 = pct_value(c, "net0"), *boot = pct_value(c, "onboot"), *unprivileged = pct_value(c, "unprivileged");
  found_begin(&f);
  found_line(&f, AT_ENGINE, "engine=pct");
  found_line(&f, AT_ID, "id=%u", id);
  found_line(&f, AT_STATE, "state=%s", running ? "running" : "stopped");
  found_line(&f, AT_BOOT, "boot=%s", running && boot && !strcmp(boot, "1") ? "yes" : "no");
  found_line(&f, AT_ADOPTED, "adopted=yes");
  if (net0) {
    (void)pct_property(net0, "bridge", net.bridge, sizeof net.bridge);
    if (!pct_property(net0, "ip", net.address, sizeof net.address)) (void)pct_property(net0, "ip6", net.address, sizeof net.address);
    if (!pct_property(net0, "gw", net.gateway, sizeof net.gateway)) (void)pct_property(net0, "gw6", net.gateway, sizeof net.gateway);
  }
  if (pct_value(c, "net1")) found_problem(&f, "it has more than one network interface");
  if (!unprivileged || strcmp(unprivileged, "1")) found_problem(&f, "it is privileged: root in it is root of the host");
  if (pct_value(c, "lock")) found_problem(&f, "it is locked: %s", pct_value(c, "lock"));
  tell_network(&f, &net);
  tell_limit(&f, c, "memory", "memory", 1u << 20);
  tell_limit(&f, c, "swap", "swap", 1u << 20);
  tell_limit(&f, c, "cores", "cpu", 100);
  return found_tell(&f);
}

int inspect_pct(const char *name) {
  const char *list[] = {places.pct, "list", NULL};
  char number[16], state[24] = "";
  struct buf out, status;
  struct pct_config c;
  if (!pct_there()) return job_failed("this is no Proxmox VE host: pct is not installed here");
  int code = read_pct(list, &out, "pct cannot list the containers");
  uint32_t id = code ? 0 : pct_number((char *)out.p, name);
  buf_free(&out);
  if (code || id == 0) return code ? code : job_failed("pct knows no container \"%s\"", name);
  snprintf(number, sizeof number, "%u", id);
  const char *about[] = {places.pct, "config", number, NULL}, *ask[] = {places.pct, "status", number, NULL};
  code = read_pct(ask, &status, "pct does not say how it is");
  if (!code) pct_status((char *)status.p, state);
  buf_free(&status);
  if (code) return code;
  code = read_pct(about, &out, "pct does not tell its config");
  if (!code) {
    pct_cut(&out, &c);
    code = tell_pct(id, &c, !strcmp(state, "running"));
  }
  buf_free(&out);
  return code;
}
