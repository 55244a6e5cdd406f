/* Where nginx listens, and where it cannot. */
#include "vhost_set.h"
#include <arpa/inet.h>
#include <ifaddrs.h>

#define LISTENING 10u  /* TCP_LISTEN, include/net/tcp_states.h */

/* The port of a listen directive as nginx reads it: PORT, ADDRESS:PORT, ADDRESS; 0: a Unix socket. */
static uint16_t port_of(const char *where) {
  uint64_t port;
  const char *colon = strrchr(where, ':'), *bracket = strrchr(where, ']');
  if (!strncmp(where, "unix:", 5)) return 0;
  if (parse_number(where, strlen(where), 65535, &port)) return (uint16_t)port;
  if (colon && colon > bracket && parse_number(colon + 1, strlen(colon + 1), 65535, &port)) return (uint16_t)port;
  return 80;
}

static void meet(void *data, const struct nginx_at *at) {
  struct nginx_ports *ports = data;
  bool in_server = at->depth > 0 && !strcmp(at->blocks[at->depth - 1], "server");
  if (at->kind == NGINX_SIMPLE && in_server && at->nwords > 1 && !strcmp(at->words[0], "listen")) ports->nginx[port_of(at->words[1])] = true;
}

/* Ports of the configuration that is in place are nginx's own; whoever else listens is another program: its descriptors cannot be looked at from here. */
void nginx_listens(struct nginx_ports *ports) {
  static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
  struct nginx_walk w = {.meet = meet, .data = ports};
  *ports = (struct nginx_ports){0};
  nginx_walk(&w);
  for (size_t t = 0; t < 2; t++) {
    FILE *file = fopen(tables[t], "re");
    AUTO_TEXT line = NULL;
    size_t room = 0;
    unsigned port, state;
    while (file && getline(&line, &room, file) > 0)
      if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &port, &state) == 2 && port < 65536 && state == LISTENING && !ports->nginx[port]) ports->others[port] = true;
    if (file) fclose(file);
  }
}

static bool has_address(const uint8_t *bytes, bool v6) {
  struct ifaddrs *all = NULL;
  bool found = getifaddrs(&all) != 0;  /* where it cannot be told, nginx has the last word */
  for (const struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != (v6 ? AF_INET6 : AF_INET)) continue;
    const void *own = v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr : (const void *)&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
    found = !memcmp(own, bytes, v6 ? 16 : 4);
  }
  if (all) freeifaddrs(all);
  return found;
}

/* `where` is a word of a listen directive of ours. */
bool nginx_can_listen(const struct nginx_ports *ports, const char *where, uint16_t port, char why[200]) {
  char address[64];
  uint8_t bytes[16];
  const char *colon = strrchr(where, ':');
  bool v6 = where[0] == '[';
  if (ports->others[port]) return snprintf(why, 200, "another program listens on port %u of the host", port), false;
  if (!colon) return true;
  snprintf(address, sizeof address, "%.*s", (int)(v6 ? colon - where - 2 : colon - where), where + (v6 ? 1 : 0));
  if (inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes) != 1 || !strcmp(address, "::") || !strcmp(address, "0.0.0.0")) return true;
  if (has_address(bytes, v6)) return true;
  return snprintf(why, 200, "the host does not have the address %s", address), false;
}
