/* The grammar of single values, and the floors that no policy can lower (SECURITY.md section 6, R37). */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include "container_spec.h"

bool has_listed_prefix(const char *const *list, const char *s) {
  for (; *list; list++) if (!strncmp(*list, s, strlen(*list))) return true;
  return false;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS_DIGITS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* [a-z_][a-z0-9_-]{0,30}, not ending in "-". */
bool grammar_name(const char *s) {
  size_t n = strlen(s);
  return n >= 1 && n <= NAME_MAX_LEN && strchr(LOWER "_", s[0]) && s[n - 1] != '-' && strspn(s, LOWER "0123456789_-") == n;
}

/* An absolute path without empty, "." or ".." parts. */
bool grammar_shell(const char *s) {
  size_t n = strlen(s);
  if (n < 2 || n > 127 || s[0] != '/' || s[n - 1] == '/') return false;
  return strspn(s, LETTERS_DIGITS "/._-+") == n && !strstr(s, "//") && !strstr(s, "/.");
}

/* [A-Za-z0-9 .'@_-]{0,100}; a comma would begin a second GECOS field. */
bool grammar_comment(const char *s) {
  size_t n = strlen(s);
  return n <= 100 && strspn(s, LETTERS_DIGITS " .'@_-") == n;
}

bool name_reserved(const char *s) { return is_listed(reeve_reserved, s) || has_listed_prefix(reeve_reserved_prefixes, s); }
bool group_dangerous(const char *s) { return is_listed(reeve_dangerous_groups, s) || has_listed_prefix(reeve_dangerous_prefixes, s); }

bool uid_forbidden(uint64_t uid) {
  if (uid < REEVE_MIN_UID || uid > UINT32_MAX) return true;
  for (size_t i = 0; i < reeve_nforbidden_uids; i++) if (reeve_forbidden_uids[i] == uid) return true;
  return false;
}

#define NAME_RULE "1 to 31 of a-z, 0-9, _ and -, beginning with a letter or _, not ending with -"

/* A field has one grammar, whichever verb it belongs to; but names of containers are others than those of accounts. */
static const struct { const char *field; bool (*fits)(const char *s); const char *rule; } grammars[] = {
  {"name", grammar_name, NAME_RULE},
  {"group", grammar_name, NAME_RULE},
  {"shell", grammar_shell, "an absolute path of letters, digits and ._+- is wanted"},
  {"comment", grammar_comment, "at most 100 of letters, digits, space and .'@_- are wanted"},
};

static uint16_t check_field(struct call *c, const char *name, const char *text) {
  if (!strcmp(name, "name") && strstr(c->verb->name, "container")) {
    if (container_name(text)) return REEVE_OK;
    return fail(c, REEVE_E_FIELD_INVALID, "field", name, "value", text, "rule", "1 to 63 of a-z, 0-9 and -, beginning with a letter or digit, not digits only, and not \"host\" or \"none\"", NULL);
  }
  for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
    if (strcmp(grammars[i].field, name) || grammars[i].fits(text)) continue;
    return fail(c, REEVE_E_FIELD_INVALID, "field", name, "value", text, "rule", grammars[i].rule, NULL);
  }
  return REEVE_OK;
}

/* The grammar of each field, and the policy keys that are fields of the same name. */
uint16_t check_fields(struct call *c) {
  const struct reeve_operation *op = c->verb->policy == REEVE_P_NONE ? NULL : &reeve_operations[c->verb->policy];
  for (size_t i = 0; i < c->verb->nfields; i++) {
    const char *name = c->verb->fields[i].name, *text = c->f[i].text;
    uint16_t status = text ? check_field(c, name, text) : REEVE_OK;
    if (status) return status;
    for (size_t k = 0; op && k < op->nkeys; k++) if (!strcmp(op->keys[k].name, name)) c->args[k] = text;
  }
  return REEVE_OK;
}

/* Listed in /etc/shells (the two that refuse a login need not be) and an executable file. */
uint16_t shell_usable(struct call *c, const char *shell) {
  static const char *const refusing[] = {"/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", NULL};
  bool listed = is_listed(refusing, shell);
  if (!listed) {
    AUTO_TEXT text = read_whole("/etc/shells", 65536, NULL);
    char *rest = text;
    for (char *line; rest && (line = strsep(&rest, "\n"));) if (!strcmp(line, shell)) listed = true;
  }
  struct stat st;
  if (!listed || stat(shell, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111)) return fail(c, REEVE_E_SHELL_ABSENT, "value", shell, NULL);
  return REEVE_OK;
}
