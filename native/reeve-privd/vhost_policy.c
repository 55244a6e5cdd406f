/* What the policy says of what a site asks for, and what no policy can allow. */
#include "vhost.h"

#define FIRST_OWN 7420u  /* shared/model/nat.ts */
#define LAST_OWN 7424u

uint16_t vhost_refused(struct call *c, const char *site, const struct vhost_wrong *w) {
  char rule[260];
  if (w->line) snprintf(rule, sizeof rule, "line %u: %s", w->line, w->says);
  else snprintf(rule, sizeof rule, "%s", w->says);
  return fail(c, REEVE_E_VHOST_CONTENT, "value", site, "rule", rule, NULL);
}

static uint16_t ask(struct call *c, int op, const char *const *args) {
  struct verdict v = policy_evaluate(&c->policy, op, args);
  return v.allowed ? REEVE_OK : policy_refused(c, op, args, v);
}

static bool is_own_port(uint16_t port) { return port >= FIRST_OWN && port <= LAST_OWN; }

static bool is_loopback(const char *address) { return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strcmp(address, "0.0.0.0") || !strcmp(address, "::"); }

/* sshd's own ports. Where it cannot be asked, 22. */
static bool is_ssh_port(struct call *c, uint16_t port) {
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE];
  uint64_t v;
  if (access("/usr/sbin/sshd", X_OK)) return false;
  if (sshd_ask(c, NULL, &text)) return port == 22;
  for (const char *at = text; sshd_next(&at, "port", line);) if (parse_number(line, strlen(line), 65535, &v) && v == port) return true;
  return false;
}

static uint16_t never(struct call *c, const char *site, const char *says) {
  struct vhost_wrong w = {0};
  snprintf(w.says, sizeof w.says, "%s", says);
  return vhost_refused(c, site, &w);
}

static uint16_t ask_listen(struct call *c, const struct vhost_fact *name, uint16_t port) {
  char number[8];
  const char *args[REEVE_MAX_KEYS] = {0};
  snprintf(number, sizeof number, "%u", port);
  args[REEVE_K_VHOST_WRITE_NAME] = name->text;
  args[REEVE_K_VHOST_WRITE_PORT] = number;
  args[REEVE_K_VHOST_WRITE_WILDCARD] = name->text[0] == '*' ? "yes" : "no";
  return ask(c, REEVE_P_VHOST_WRITE, args);
}

/* Only root writes it and what it lies in, and its hash is the one that the policy names. */
static uint16_t ask_snippet(struct call *c, const char *name) {
  char file[80], sum_text[65];
  uint8_t sum[32];
  struct stat st, up;
  size_t n;
  const char *args[REEVE_MAX_KEYS] = {0};
  snprintf(file, sizeof file, "%s.conf", name);
  AUTO_FD dir = open_under("/", &SNIPPET_DIR[1], O_RDONLY | O_DIRECTORY);
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 || fstat(fd, &st) || fstat(dir, &up)) return fail(c, REEVE_E_VHOST_SNIPPET, "value", name, "rule", "it is not there", NULL);
  if (st.st_uid != 0 || st.st_mode & 022 || up.st_uid != 0 || up.st_mode & 022) return fail(c, REEVE_E_VHOST_SNIPPET, "value", name, "rule", "others than root can write it", NULL);
  AUTO_TEXT text = read_open(fd, VHOST_FILE_MAX, &n);
  if (!text) return fail(c, REEVE_E_VHOST_SNIPPET, "value", name, "rule", "it is no plain file of at most 1 MiB", NULL);
  sha256_of(text, n, sum);
  hex(sum_text, sum, sizeof sum);
  args[REEVE_K_VHOST_SNIPPET_NAME] = name;
  args[REEVE_K_VHOST_SNIPPET_SHA256] = sum_text;
  return ask(c, REEVE_P_VHOST_SNIPPET, args);
}

static uint16_t ask_fact(struct call *c, const char *site, const struct vhost_fact *fact) {
  char number[8];
  const char *args[REEVE_MAX_KEYS] = {0};
  switch (fact->kind) {
    case VHOST_FOLDER:
      args[REEVE_K_VHOST_SERVE_FOLDER] = fact->text;
      return ask(c, REEVE_P_VHOST_SERVE, args);
    case VHOST_UPSTREAM:
      if (is_loopback(fact->text) && is_own_port(fact->port)) return never(c, site, "ports 7420 to 7424 are Reeve's own");
      snprintf(number, sizeof number, "%u", fact->port);
      args[REEVE_K_VHOST_PROXY_TO] = fact->text;
      args[REEVE_K_VHOST_PROXY_PORT] = number;
      return ask(c, REEVE_P_VHOST_PROXY, args);
    case VHOST_SOCKET:
      args[REEVE_K_VHOST_SOCKET_PATH] = fact->text;
      return ask(c, REEVE_P_VHOST_SOCKET, args);
    case VHOST_SNIPPET: return ask_snippet(c, fact->text);
    case VHOST_PORT:
      if (is_own_port(fact->port)) return never(c, site, "ports 7420 to 7424 are Reeve's own");
      return fact->port != 80 && fact->port != 443 && is_ssh_port(c, fact->port) ? never(c, site, "sshd listens on that port") : REEVE_OK;
    case VHOST_NAME:
    case VHOST_CERT: break;
  }
  return REEVE_OK;
}

/* Every name with every port, and all else that is asked for. */
uint16_t vhost_ask_policy(struct call *c, const char *site, const struct vhost_facts *facts) {
  for (size_t i = 0; i < facts->n; i++) {
    uint16_t status = ask_fact(c, site, &facts->list[i]);
    if (status) return status;
    for (size_t k = 0; facts->list[i].kind == VHOST_NAME && k < facts->n; k++) {
      status = facts->list[k].kind == VHOST_PORT ? ask_listen(c, &facts->list[i], facts->list[k].port) : REEVE_OK;
      if (status) return status;
    }
  }
  return REEVE_OK;
}
