/* What no policy can allow a container: an engine that is not there, ports of the host's own administration, what another container has. */
#include "container.h"
#include "nat.h"

bool container_is_proxmox(void) { return !access("/etc/pve", F_OK) && !access("/usr/sbin/pct", X_OK); }

static uint16_t no_engine(struct call *c, const char *rule, const char *remedy) { return fail(c, REEVE_E_CONTAINER_ENGINE, "rule", rule, "remedy", remedy, NULL); }

static uint16_t guard_engine(struct call *c, enum spec_engine engine) {
  if (engine == SPEC_PCT) return container_is_proxmox() ? REEVE_OK : no_engine(c, "it is no Proxmox VE host", "Choose --engine lxc.");
  if (engine == SPEC_LXC && container_is_proxmox()) return no_engine(c, "on a Proxmox VE host the containers of lxc are those of pct", "Choose --engine pct.");
  if (engine == SPEC_LXC) return access("/usr/bin/lxc-start", X_OK) ? no_engine(c, "lxc is not installed there", "Install it there: apt install lxc") : REEVE_OK;
  return access("/usr/bin/podman", X_OK) ? no_engine(c, "podman is not installed there", "Install it there: apt install podman") : REEVE_OK;
}

static uint16_t no_port(struct call *c, uint32_t port, const char *rule) {
  char text[16];
  snprintf(text, sizeof text, "%u", port);
  return fail(c, REEVE_E_CONTAINER_PORT, "value", text, "rule", rule, NULL);
}

static uint16_t guard_reserved(struct call *c, const struct spec *s) {
  bool any = false;
  for (size_t i = 0; i < s->ports.n; i++) any = any || !s->ports.items[i].udp;
  if (!any) return REEVE_OK;
  struct nat_reserved *reserved = calloc(1, sizeof *reserved);
  uint16_t status = reserved ? nat_reserved_fill(c, reserved) : io_failed(c, "out of memory");
  for (size_t i = 0; !status && i < s->ports.n; i++) {
    const struct spec_port *p = &s->ports.items[i];
    if (!p->udp && reserved->why[p->port]) status = no_port(c, p->port, reserved->why[p->port]);
  }
  free(reserved);
  return status;
}

static bool is_any(const char *address) { return !strcmp(address, "0.0.0.0") || !strcmp(address, "::"); }

static bool same_port(const struct spec_port *a, const struct spec_port *b) {
  if (a->udp != b->udp || a->port != b->port || !strchr(a->address, ':') != !strchr(b->address, ':')) return false;
  return is_any(a->address) || is_any(b->address) || !strcmp(a->address, b->address);
}

static bool same_address(const char *a, const char *b) {
  size_t n = a ? strcspn(a, "/") : 0, m = b ? strcspn(b, "/") : 0;
  return n > 0 && n == m && !memcmp(a, b, n);
}

static uint16_t guard_other(struct call *c, const struct spec *s, const struct container *other) {
  char rule[128];
  snprintf(rule, sizeof rule, "container \"%s\" has it", other->name);
  for (size_t i = 0; i < s->ports.n; i++)
    for (size_t j = 0; j < other->spec.ports.n; j++)
      if (same_port(&s->ports.items[i], &other->spec.ports.items[j])) return no_port(c, s->ports.items[i].port, rule);
  if (same_address(s->address, other->spec.address)) return fail(c, REEVE_E_CONTAINER_ADDRESS, "value", s->address, "rule", rule, "remedy", "Choose another one.", NULL);
  if (s->id && s->id == other->spec.id) return fail(c, REEVE_E_FIELD_INVALID, "field", "id", "value", other->name, "rule", "this container has that number", NULL);
  return REEVE_OK;
}

static uint16_t guard_others(struct call *c, const char *name, const struct spec *s) {
  struct dirent **names;
  uint16_t status = REEVE_OK;
  int n = container_names(&names);
  for (int i = 0; !status && i < n; i++) {
    AUTO_CONTAINER other = {0};
    if (strcmp(names[i]->d_name, name) && container_read(names[i]->d_name, &other) && other.there) status = guard_other(c, s, &other);
  }
  end_names(names, n);
  return status;
}

uint16_t container_guard(struct call *c, const char *name, const struct spec *s) {
  uint16_t status = guard_engine(c, s->engine);
  if (!status) status = guard_reserved(c, s);
  if (!status) status = guard_others(c, name, s);
  if (!status && s->bridge && !s->adopted && !nat_interface_there(s->bridge))
    status = fail(c, REEVE_E_CONTAINER_PLACE, "value", s->bridge, "rule", "there is no such interface", "remedy", "Make the bridge there first, or name one that is there.", NULL);
  return status;
}
