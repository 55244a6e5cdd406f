/* What no policy can allow noun nat: ports that lead to this host's own administration, interfaces that are not there, losing the route that came by itself. */
#include "nat.h"

#define FIRST_OWN 7420u  /* shared/model/nat.ts */
#define LAST_OWN 7424u
#define LISTENING 10u    /* TCP_LISTEN, include/net/tcp_states.h */
#define NO_UID UINT32_MAX
#define RTF_DEFAULT 0x00010000u
#define RTF_ADDRCONF 0x00040000u

static const struct nat_forward *meets(const struct nat_rules *r, unsigned port) {
  for (size_t i = 0; i < r->nforwards; i++) {
    const struct nat_forward *f = &r->forwards[i];
    if (!f->udp && f->ports.first <= port && port <= f->ports.last) return f;
  }
  return NULL;
}

/* Ports on which a process of these users listens. */
static void add_sockets(struct nat_reserved *reserved, const char *path, uint32_t agent, uint32_t coordinator) {
  FILE *file = fopen(path, "re");
  AUTO_TEXT line = NULL;
  size_t room = 0;
  while (file && getline(&line, &room, file) > 0) {
    unsigned port, state, uid;
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u", &port, &state, &uid) != 3 || port > 65535 || state != LISTENING) continue;
    if (uid == agent || uid == coordinator) reserved->why[port] = "Reeve listens on it";
  }
  if (file) fclose(file);
}

uint16_t nat_reserved_fill(struct call *c, struct nat_reserved *reserved) {
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE];
  uint64_t port;
  uint16_t status = access("/usr/sbin/sshd", X_OK) ? REEVE_OK : sshd_ask(c, NULL, &text);
  if (!status) status = accounts_load(c);
  if (status) return status;
  const struct user *agent = user_by_name(&c->accounts, "reeve-agent"), *coordinator = user_by_name(&c->accounts, "reeved");
  add_sockets(reserved, "/proc/net/tcp", agent ? agent->uid : NO_UID, coordinator ? coordinator->uid : NO_UID);
  add_sockets(reserved, "/proc/net/tcp6", agent ? agent->uid : NO_UID, coordinator ? coordinator->uid : NO_UID);
  reserved->why[0] = NULL;
  for (const char *at = text ? text : ""; sshd_next(&at, "port", line);) if (parse_number(line, strlen(line), 65535, &port)) reserved->why[port] = "sshd listens on it";
  for (unsigned own = FIRST_OWN; own <= LAST_OWN; own++) reserved->why[own] = "it is one of Reeve's own";
  return REEVE_OK;
}

static uint16_t guard_ports(struct call *c, const struct nat_rules *r) {
  char text[16];
  bool any = false;
  for (size_t i = 0; i < r->nforwards; i++) any = any || !r->forwards[i].udp;
  if (!any) return REEVE_OK;
  struct nat_reserved *reserved = calloc(1, sizeof *reserved);
  uint16_t status = reserved ? nat_reserved_fill(c, reserved) : io_failed(c, "out of memory");
  for (unsigned port = 1; !status && port < 65536; port++) {
    if (!reserved->why[port] || !meets(r, port)) continue;
    snprintf(text, sizeof text, "%u", port);
    status = fail(c, REEVE_E_NAT_PORT_RESERVED, "value", text, "rule", reserved->why[port], NULL);
  }
  free(reserved);
  return status;
}

/* Each interface has a folder there, in the network namespace of who asks; names come from a checked form. */
bool nat_interface_there(const char *name) {
  char path[64];
  if (!strcmp(name, "all") || !strcmp(name, "default")) return false;
  snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s", name);
  if (!access(path, F_OK)) return true;
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s", name);
  return !access(path, F_OK);
}

static uint16_t guard_interfaces(struct call *c, const struct nat_rules *r) {
  for (size_t i = 0; i < r->nforwards; i++) {
    const char *name = r->forwards[i].interface;
    if (name && !nat_interface_there(name)) return fail(c, REEVE_E_NAT_INTERFACE, "value", name, NULL);
  }
  return REEVE_OK;
}

static bool takes_adverts(const char *interface) {
  char path[80], value = 0;
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_ra", interface);
  AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, &value, 1) == 1 && value == '1';
}

/* A host that forwards does not listen to router advertisements any more, unless it is told to (accept_ra = 2). */
static uint16_t guard_route(struct call *c, const struct nat_rules *r) {
  bool v4, v6;
  uint16_t status = REEVE_OK;
  nat_forwarding(&v4, &v6);
  FILE *file = r->v6 && !v6 ? fopen("/proc/net/ipv6_route", "re") : NULL;
  AUTO_TEXT line = NULL;
  size_t room = 0;
  while (file && !status && getline(&line, &room, file) > 0) {
    unsigned flags;
    char interface[32];
    if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %x %31s", &flags, interface) != 2) continue;
    if ((flags & RTF_DEFAULT) && (flags & RTF_ADDRCONF) && takes_adverts(interface)) status = fail(c, REEVE_E_NAT_FORWARDING, "value", interface, NULL);
  }
  if (file) fclose(file);
  return status;
}

uint16_t nat_guard(struct call *c, const struct nat_rules *r) {
  uint16_t status = guard_ports(c, r);
  if (!status) status = guard_interfaces(c, r);
  return status ? status : guard_route(c, r);
}

uint16_t nat_failed(struct call *c, int status, const struct nat_problem *p) {
  return fail(c, status, "value", *p->where ? p->where : "of the set", "rule", p->says, NULL);
}
