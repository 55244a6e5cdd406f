/* What nginx's test cannot see in a network of its own: addresses that the host does not have, and ports that another program listens on. */
#include "vhost_set.h"
#include <arpa/inet.h>
#include <ifaddrs.h>

#define LISTENING 10u  /* TCP_LISTEN, include/net/tcp_states.h */

struct place { bool v6; uint8_t bytes[16]; uint16_t port; };
struct nginx_ports { bool nginx[65536]; struct place *others; size_t n; };

/* The port of a listen directive as nginx reads it: PORT, ADDRESS:PORT, ADDRESS; 0: a Unix socket. */
static uint16_t port_of(const char *where) {
  uint64_t port;
  const char *colon = strrchr(where, ':'), *bracket = strrchr(where, ']');
  if (!strncmp(where, "unix:", 5)) return 0;
  if (parse_number(where, strlen(where), 65535, &port)) return (uint16_t)port;
  if (colon && (!bracket || colon > bracket) && parse_number(colon + 1, strlen(colon + 1), 65535, &port)) return (uint16_t)port;
  return 80;
}

static void meet(void *data, const struct nginx_at *at) {
  struct nginx_ports *ports = data;
  bool in_server = at->depth > 0 && !strcmp(at->blocks[at->depth - 1], "server");
  if (at->kind == NGINX_SIMPLE && in_server && at->nwords > 1 && !strcmp(at->words[0], "listen")) ports->nginx[port_of(at->words[1])] = true;
}

/* Words of 32 bits in the order of bytes of this machine, as the kernel prints them. */
static bool parse_hex(const char *text, struct place *p) {
  size_t n = strlen(text) / 8;
  p->v6 = n == 4;
  for (size_t i = 0; i < n && n <= 4; i++) {
    unsigned word;
    if (sscanf(text + 8 * i, "%8x", &word) != 1) return false;
    memcpy(p->bytes + 4 * i, &word, 4);
  }
  return n == 1 || n == 4;
}

/* Whoever listens on a port that no site of the configuration in place has, or is not root, is another program: whose a socket is cannot be looked up from here. */
static bool add_sockets(struct nginx_ports *ports, const char *table) {
  FILE *file = fopen(table, "re");
  AUTO_TEXT line = NULL;
  size_t room = 0;
  bool ok = true;
  while (file && ok && getline(&line, &room, file) > 0) {
    char address[40];
    unsigned port, state, uid;
    struct place p = {0};
    if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u", address, &port, &state, &uid) != 4 || state != LISTENING || port > 65535) continue;
    if ((ports->nginx[port] && uid == 0) || !parse_hex(address, &p)) continue;
    p.port = (uint16_t)port;
    struct place *grown = realloc(ports->others, (ports->n + 1) * sizeof *grown);
    ok = grown != NULL;
    if (ok) ports->others = grown, ports->others[ports->n++] = p;
  }
  if (file) fclose(file);
  return ok;
}

struct nginx_ports *nginx_listens(void) {
  struct nginx_ports *ports = calloc(1, sizeof *ports);
  struct nginx_walk w = {.meet = meet, .data = ports};
  if (!ports) return NULL;
  nginx_walk(&w);
  if (add_sockets(ports, "/proc/net/tcp") && add_sockets(ports, "/proc/net/tcp6")) return ports;
  nginx_ports_free(ports);
  return NULL;
}

void nginx_ports_free(struct nginx_ports *ports) {
  if (ports) free(ports->others);
  free(ports);
}

static bool is_any(const struct place *p) {
  static const uint8_t none[16];
  return !memcmp(p->bytes, none, p->v6 ? 16 : 4);
}

/* A socket on all IPv6 addresses takes those of IPv4 as well, unless its program forbade it; nginx does. */
static bool in_the_way(const struct place *other, const struct place *wanted) {
  if (other->port != wanted->port) return false;
  if (other->v6 != wanted->v6) return other->v6 && is_any(other);
  return is_any(other) || is_any(wanted) || !memcmp(other->bytes, wanted->bytes, other->v6 ? 16 : 4);
}

static bool may_be_foreign(void) {
  char value = 0;
  AUTO_FD fd = open("/proc/sys/net/ipv4/ip_nonlocal_bind", O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, &value, 1) == 1 && value == '1';
}

static bool has_address(const struct place *p) {
  struct ifaddrs *all = NULL;
  bool found = may_be_foreign() || getifaddrs(&all) != 0;  /* where it cannot be told, nginx has the last word */
  for (const struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != (p->v6 ? AF_INET6 : AF_INET)) continue;
    const void *own = p->v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr : (const void *)&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
    found = !memcmp(own, p->bytes, p->v6 ? 16 : 4);
  }
  if (all) freeifaddrs(all);
  return found;
}

/* `where` is the first word of a listen directive of ours: PORT, ADDRESS:PORT, [ADDRESS]:PORT. */
bool nginx_can_listen(const struct nginx_ports *ports, const char *where, uint16_t port, char why[200]) {
  char address[64] = "0.0.0.0";
  struct place p = {.v6 = where[0] == '[', .port = port};
  const char *colon = strrchr(where, ':');
  if (colon) snprintf(address, sizeof address, "%.*s", (int)(colon - where) - (p.v6 ? 2 : 0), where + p.v6);
  if (inet_pton(p.v6 ? AF_INET6 : AF_INET, address, p.bytes) != 1) return true;
  for (size_t i = 0; i < ports->n; i++)
    if (in_the_way(&ports->others[i], &p)) return snprintf(why, 200, "another program listens on port %u of the host", port), false;
  if (is_any(&p) || has_address(&p)) return true;
  return snprintf(why, 200, "the host does not have the address %s", address), false;
}
