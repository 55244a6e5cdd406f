/* observe.sshd: what sshd would do with keys of an account, and the state of our drop-in. */
#include "reeve.h"

#define TAG(field) REEVE_R_OBSERVE_SSHD_##field
#define NAME(c) ((c)->f[REEVE_F_OBSERVE_SSHD_NAME].text)

/* "none" stands for no value. */
static void put_paths(struct buf *b, const char *text) {
  char line[SSHD_LINE];
  if (!sshd_next(&text, "authorizedkeysfile", line)) return;
  char *rest = line;
  for (char *path; (path = strsep(&rest, " "));) if (*path && strcmp(path, "none")) reply_string(b, TAG(PATH), path);
}

static void put_others(struct buf *b, const char *text) {
  static const struct { const char *key, *name; } others[] = {
    {"authorizedkeyscommand", "AuthorizedKeysCommand"}, {"trustedusercakeys", "TrustedUserCAKeys"}, {"authorizedprincipalsfile", "AuthorizedPrincipalsFile"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    char line[SSHD_LINE], both[SSHD_LINE + 40];
    const char *at = text;
    if (!sshd_next(&at, others[i].key, line) || !strcmp(line, "none")) continue;
    snprintf(both, sizeof both, "%s %s", others[i].name, line);
    reply_string(b, TAG(OTHER), both);
  }
}

uint16_t op_observe_sshd(struct call *c) {
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE];
  struct dropin d;
  uint64_t port;
  struct buf *b = &c->reply;
  uint16_t status = sshd_ask(c, NAME(c), &text);
  if (!status) status = dropin_read(c, &d);
  if (status) return status;
  put_paths(b, text);
  for (const char *at = text; sshd_next(&at, "port", line);) if (parse_number(line, strlen(line), 65535, &port)) reply_u32(b, TAG(PORT), (uint32_t)port);
  put_others(b, text);
  const char *at = text;
  reply_bool(b, TAG(PUBKEY), sshd_next(&at, "pubkeyauthentication", line) && !strcmp(line, "yes"));
  reply_string(b, TAG(DROP_IN), dropin_state(&d));
  reply_bytes(b, TAG(DROP_IN_SHA256), d.sha256, d.there ? sizeof d.sha256 : 0);
  reply_string(b, TAG(EXCLUSIVE), d.canonical ? d.exclusive : "");
  dropin_free(&d);
  return REEVE_OK;
}
