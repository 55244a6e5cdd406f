/* What the policy says of what a site asks for, and what no policy can allow. */
#include "vhost.h"
#include "vhost_word.h"

#define FIRST_OWN 7420u  /* shared/model/nat.ts */
#define LAST_OWN 7424u

/* The line that would allow it. */
static bool ask(const struct policy *policy, int op, const char *const *args, char why[VHOST_WHY]) {
  char line[512];
  struct verdict v = policy_evaluate(policy, op, args);
  if (v.allowed) return true;
  policy_wanted_line(line, sizeof line, op, args, v);
  snprintf(why, VHOST_WHY, "the policy of the host does not allow it; this line would: %s", line);
  return false;
}

static bool never(const char *says, char why[VHOST_WHY]) {
  snprintf(why, VHOST_WHY, "%s", says);
  return false;
}

static bool is_own_port(uint16_t port) { return port >= FIRST_OWN && port <= LAST_OWN; }

/* Addresses are in their shortest form (vhost_word.c). */
static bool is_loopback(const char *address) { return !strncmp(address, "127.", 4) || !strcmp(address, "::1"); }

/* sshd's own ports, asked for once in a request. Where it cannot be asked, 22. */
static bool is_ssh_port(struct call *c, uint16_t port) {
  static bool asked, ports[65536];
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE];
  uint64_t v;
  if (asked) return ports[port];
  asked = true;
  if (access("/usr/sbin/sshd", X_OK)) return false;
  if (sshd_ask(c, NULL, &text)) ports[22] = true;
  for (const char *at = text ? text : ""; sshd_next(&at, "port", line);) if (parse_number(line, strlen(line), 65535, &v)) ports[v] = true;
  return ports[port];
}

/* A policy has no "*" at the beginning of a word: it is asked for what a wildcard stands above, and whether wildcards may be. */
static bool ask_listen(const struct policy *policy, const char *name, uint16_t port, char why[VHOST_WHY]) {
  char number[8];
  bool wildcard = name[0] == '*';
  const char *args[REEVE_MAX_KEYS] = {0};
  snprintf(number, sizeof number, "%u", port);
  args[REEVE_K_VHOST_WRITE_NAME] = name + (wildcard ? 2 : 0);
  args[REEVE_K_VHOST_WRITE_PORT] = number;
  args[REEVE_K_VHOST_WRITE_WILDCARD] = wildcard ? "yes" : "no";
  return ask(policy, REEVE_P_VHOST_WRITE, args, why);
}

/* Only root writes it and what it lies in. */
bool vhost_snippet(const char *name, uint8_t sha256[32], const char **why) {
  char file[80];
  struct stat st, up;
  size_t n;
  snprintf(file, sizeof file, "%s.conf", name);
  AUTO_FD dir = open_under("/", &SNIPPET_DIR[1], O_RDONLY | O_DIRECTORY);
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, file, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  *why = "its snippet is not there";
  if (!word_name(name, strlen(name), "_-") || fd < 0 || fstat(fd, &st) || fstat(dir, &up)) return false;
  *why = "others than root can write its snippet";
  if (st.st_uid != 0 || st.st_mode & 022 || up.st_uid != 0 || up.st_mode & 022) return false;
  *why = "its snippet is no plain file of at most 1 MiB";
  AUTO_TEXT text = read_open(fd, VHOST_FILE_MAX, &n);
  if (text) sha256_of(text, n, sha256);
  return text != NULL;
}

/* Its hash is the one that the policy names. */
static bool ask_snippet(const struct policy *policy, const char *name, char why[VHOST_WHY]) {
  char text[65];
  uint8_t sum[32];
  const char *problem, *args[REEVE_MAX_KEYS] = {[REEVE_K_VHOST_SNIPPET_NAME] = name, [REEVE_K_VHOST_SNIPPET_SHA256] = text};
  if (!vhost_snippet(name, sum, &problem)) return never(problem, why);
  hex(text, sum, sizeof sum);
  return ask(policy, REEVE_P_VHOST_SNIPPET, args, why);
}

/* A link there leads to no folder that is never served, either. One that is not there yet is no folder. */
static bool ask_folder(const struct policy *policy, const char *folder, char why[VHOST_WHY]) {
  const char *args[REEVE_MAX_KEYS] = {[REEVE_K_VHOST_SERVE_FOLDER] = folder};
  AUTO_TEXT real = realpath(folder, NULL);
  if (real && vhost_folder_closed(real)) return never("a folder of it is a link to one that no policy lets be served", why);
  return ask(policy, REEVE_P_VHOST_SERVE, args, why);
}

static bool ask_fact(struct call *c, const struct vhost_fact *fact, char why[VHOST_WHY]) {
  char number[8];
  const char *args[REEVE_MAX_KEYS] = {0};
  switch (fact->kind) {
    case VHOST_FOLDER: return ask_folder(&c->policy, fact->text, why);
    case VHOST_UPSTREAM:
      if (is_loopback(fact->text) && is_own_port(fact->port)) return never("ports 7420 to 7424 are Reeve's own", why);
      snprintf(number, sizeof number, "%u", fact->port);
      args[REEVE_K_VHOST_PROXY_TO] = fact->text;
      args[REEVE_K_VHOST_PROXY_PORT] = number;
      return ask(&c->policy, REEVE_P_VHOST_PROXY, args, why);
    case VHOST_SOCKET:
      args[REEVE_K_VHOST_SOCKET_PATH] = fact->text;
      return ask(&c->policy, REEVE_P_VHOST_SOCKET, args, why);
    case VHOST_SNIPPET: return ask_snippet(&c->policy, fact->text, why);
    case VHOST_PORT:
      if (is_own_port(fact->port)) return never("ports 7420 to 7424 are Reeve's own", why);
      return fact->port == 80 || fact->port == 443 || !is_ssh_port(c, fact->port) || never("sshd listens on that port", why);
    case VHOST_NAME:
    case VHOST_CERT:
    case VHOST_SCRIPT: break;
  }
  return true;
}

/* Every name with every port, and all else that is asked for. */
bool vhost_allowed(struct call *c, const struct vhost_facts *facts, char why[VHOST_WHY]) {
  for (size_t i = 0; i < facts->n; i++) {
    if (!ask_fact(c, &facts->list[i], why)) return false;
    for (size_t k = 0; facts->list[i].kind == VHOST_NAME && k < facts->n; k++)
      if (facts->list[k].kind == VHOST_PORT && !ask_listen(&c->policy, facts->list[i].text, facts->list[k].port, why)) return false;
  }
  return true;
}
