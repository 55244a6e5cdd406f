/* What values of a spec must be beyond their single characters, and how they fit together. */
#include "container_rule.h"
#include <arpa/inet.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define WORD LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool storage(const char *s, size_t n) {
  if (n < 1 || n > 64 || !strchr(WORD, s[0]) || (s[0] >= '0' && s[0] <= '9')) return false;
  for (size_t i = 1; i < n; i++) if (!strchr(WORD "._-", s[i])) return false;
  return true;
}

bool rule_storage(const char *s) { return storage(s, strlen(s)); }

bool rule_template(const char *s) {
  const char *file = strstr(s, ":vztmpl/");
  if (!file || !storage(s, (size_t)(file - s))) return false;
  file += strlen(":vztmpl/");
  size_t n = strlen(file);
  return n >= 1 && n <= 201 && strspn(file, WORD "._+~-") == n && !strchr("._+~-", file[0]);
}

bool rule_address(const char *s) {
  int family;
  return container_address(s, &family);
}

/* Into address and length; false: it is none. */
static bool cidr(const char *s, uint8_t bytes[16], int *family, unsigned *bits) {
  char bare[64];
  uint64_t n;
  const char *slash = strchr(s, '/');
  if (!slash || slash - s >= (ptrdiff_t)sizeof bare) return false;
  snprintf(bare, sizeof bare, "%.*s", (int)(slash - s), s);
  if (!container_address(bare, family) || inet_pton(*family, bare, bytes) != 1) return false;
  if (!parse_number(slash + 1, strlen(slash + 1), *family == AF_INET ? 32 : 128, &n) || n == 0) return false;
  *bits = (unsigned)n;
  return true;
}

static bool all_zero(const uint8_t *p, size_t n) {
  for (size_t i = 0; i < n; i++) if (p[i]) return false;
  return true;
}

bool rule_cidr(const char *s) {
  uint8_t bytes[16];
  int family;
  unsigned bits;
  return cidr(s, bytes, &family, &bits) && !all_zero(bytes, family == AF_INET ? 4 : 16);
}

/* A gateway is on the network of the address, and is another one. */
static bool gateway_fits(const char *address, const char *gateway) {
  uint8_t a[16], g[16];
  int family, other;
  unsigned bits;
  if (!cidr(address, a, &family, &bits) || !container_address(gateway, &other) || other != family || inet_pton(other, gateway, g) != 1) return false;
  size_t whole = bits / 8, size = family == AF_INET ? 4 : 16;
  uint8_t mask = (uint8_t)(0xff00u >> bits % 8);
  return !memcmp(a, g, whole) && (bits % 8 == 0 || ((a[whole] ^ g[whole]) & mask) == 0) && memcmp(a, g, size);
}

/* No colon: podman cuts there. */
bool rule_device(const char *s) { return !strncmp(s, "/dev/", 5) && container_path(s); }

static bool in_or_around(const char *path, const char *other) {
  size_t n = strlen(path), m = strlen(other), least = n < m ? n : m;
  return !strncmp(path, other, least) && (n == m || (n > m ? path[m] == '/' : other[n] == '/'));
}

bool rule_target(const char *s) {
  static const char *const never[] = {"/proc", "/sys", "/dev", "/run/secrets", NULL};
  for (const char *const *n = never; *n; n++) if (in_or_around(s, *n)) return false;
  return true;
}

/* The helper does nothing with it; the agent asks for it. */
bool rule_url_path(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= 201 && s[0] == '/' && strspn(s, WORD "._~/?=&%-") == n;
}

/* Its form; the helper reads the blob itself. */
bool rule_key(const char *type, const char *blob) {
  size_t n = strlen(blob);
  if (strlen(type) > 63 || strspn(type, LOWER "0123456789@.-") != strlen(type) || type[0] == '-' || n < 16 || n > 8192 || n % 4) return false;
  size_t plain = strspn(blob, WORD "+/");
  return plain + strspn(blob + plain, "=") == n && n - plain <= 2;
}

static bool is_any(const char *address) { return !strcmp(address, "0.0.0.0") || !strcmp(address, "::"); }

bool rule_port_order(const struct spec *s) {
  const struct spec_port *last = &s->ports.items[s->ports.n - 1];
  for (size_t i = 0; i + 1 < s->ports.n; i++) {
    const struct spec_port *p = &s->ports.items[i];
    if (p->udp != last->udp) {
      if (p->udp) return false;
      continue;
    }
    if (p->port != last->port) {
      if (p->port > last->port) return false;
      continue;
    }
    if (strcmp(p->address, last->address) >= 0) return false;
    if (!strchr(p->address, ':') == !strchr(last->address, ':') && (is_any(p->address) || is_any(last->address))) return false;
  }
  return true;
}

bool rule_volume_order(const struct spec *s) { return s->volumes.n < 2 || strcmp(s->volumes.items[s->volumes.n - 2].target, s->volumes.items[s->volumes.n - 1].target) < 0; }

/* Sockets of a sleeping container are named after the port alone. */
static bool one_inside(const struct spec *s, const struct spec_port *p) {
  for (size_t i = 0; i < s->ports.n; i++) if (s->ports.items[i].port == p->port && s->ports.items[i].inside != p->inside) return false;
  return true;
}

static bool ports_fit(const struct spec *s, struct spec_problem *why) {
  if (s->idle && s->ports.n == 0) return spec_missing(why, "port", "a container that sleeps is woken by one");
  if (s->idle && !s->running) return spec_bad(why, "idle", "", "only a container that runs sleeps");
  if (s->idle && s->host_network) return spec_bad(why, "idle", "", "a container with the network of the host cannot sleep");
  if (s->idle && s->engine != SPEC_PODMAN && !s->address) return spec_missing(why, "address", "a container that sleeps is reached by one");
  for (size_t i = 0; i < s->ports.n; i++) {
    const struct spec_port *p = &s->ports.items[i];
    char text[16];
    snprintf(text, sizeof text, "%u", p->port);
    if (s->engine != SPEC_PODMAN && !s->idle) return spec_bad(why, "port", text, "a container of lxc or pct has ports of the host only when it sleeps");
    if (s->idle && p->udp) return spec_bad(why, "port", text, "a container that sleeps is woken by tcp only");
    if (s->idle && !one_inside(s, p)) return spec_bad(why, "port", text, "it leads to two ports of a container that sleeps");
    if (s->host_network) return spec_bad(why, "port", text, "a container with the network of the host has all of its ports");
  }
  return true;
}

static bool health_fits(const struct spec *s, struct spec_problem *why) {
  char text[16];
  bool found = false;
  if (s->health == SPEC_HEALTH_COMMAND ? s->health_args.n == 0 : s->health_args.n > 0) return spec_bad(why, "health-arg", "", "the words of health=command, at least one, and of nothing else");
  if (s->health == SPEC_HEALTH_COMMAND && !*s->health_args.items[0]) return spec_bad(why, "health-arg", "", "the first one is a program");
  if (s->health == SPEC_HEALTH_NONE && s->health_start != 60) return spec_bad(why, "health-start", "", "it belongs to health");
  for (size_t i = 0; i < s->ports.n; i++) found = found || (!s->ports.items[i].udp && s->ports.items[i].port == s->health_port);
  snprintf(text, sizeof text, "%u", s->health_port);
  return !s->health_port || found || s->host_network ? true : spec_bad(why, "health", text, "it asks a tcp port that the container has on the host");
}

static bool network_fits(const struct spec *s, struct spec_problem *why) {
  if (s->address && !s->bridge) return spec_missing(why, "bridge", "an address is one on a bridge");
  if (s->gateway && !s->address) return spec_missing(why, "address", "a gateway belongs to an address");
  if (s->gateway && !gateway_fits(s->address, s->gateway)) return spec_bad(why, "gateway", s->gateway, "another address of the network of the container is wanted");
  return true;
}

/* Where it comes from. */
static bool origin_fits(const struct spec *s, struct spec_problem *why) {
  if (s->engine == SPEC_PODMAN) return s->image ? true : spec_missing(why, "image", "a container of podman has one");
  if (s->engine == SPEC_PCT && !s->id) return spec_missing(why, "id", "a container of pct has one");
  if (s->adopted && (s->archive || s->template || s->storage || s->keys.n > 0)) return spec_bad(why, "adopted", "yes", "what is there already is not made of an archive or template, and gets no first keys");
  if (s->adopted) return true;
  if (!s->bridge) return spec_missing(why, "bridge", "a container of lxc or pct is plugged into one");
  if (s->engine == SPEC_LXC) return s->archive ? true : spec_missing(why, "archive", "a container of lxc is made of one");
  if (!s->template) return spec_missing(why, "template", "a container of pct is made of one");
  return s->storage ? true : spec_missing(why, "storage", "a container of pct lies in one");
}

bool rule_whole(const struct spec *s, struct spec_problem *why) {
  if (s->part < 3) return spec_missing(why, "state", "running or stopped is wanted");
  if (!s->has_boot) return spec_missing(why, "boot", "yes or no is wanted");
  if (s->boot && !s->running) return spec_bad(why, "boot", "yes", "only a container that runs is started with the host");
  if (s->has_swap && !s->has_memory) return spec_missing(why, "memory", "swap is what it may have beside a limit of memory");
  return origin_fits(s, why) && ports_fit(s, why) && network_fits(s, why) && health_fits(s, why);
}
