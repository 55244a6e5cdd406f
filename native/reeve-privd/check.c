/* The grammar of single values, and the floors that no policy can lower (SECURITY.md section 6, R37). */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool is_listed(const char *const *list, const char *s) {
  for (; *list; list++) if (!strcmp(*list, s)) return true;
  return false;
}

bool has_listed_prefix(const char *const *list, const char *s) {
  for (; *list; list++) if (!strncmp(*list, s, strlen(*list))) return true;
  return false;
}

static bool among(char c, const char *extra) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(extra, c)); }

/* [a-z_][a-z0-9_-]{0,30}, not ending in "-". */
bool grammar_name(const char *s) {
  size_t n = strlen(s);
  if (n < 1 || n > NAME_MAX_LEN || !((s[0] >= 'a' && s[0] <= 'z') || s[0] == '_') || s[n - 1] == '-') return false;
  for (size_t i = 0; i < n; i++) if (!among(s[i], "_-")) return false;
  return true;
}

/* An absolute path without empty, "." or ".." parts. */
bool grammar_shell(const char *s) {
  size_t n = strlen(s);
  if (n < 2 || n > 127 || s[0] != '/' || s[n - 1] == '/') return false;
  for (size_t i = 0; i < n; i++) {
    if (!among(s[i], "/._-+") && !(s[i] >= 'A' && s[i] <= 'Z')) return false;
    if (s[i] == '/' && (s[i + 1] == '/' || s[i + 1] == '.')) return false;
  }
  return true;
}

/* [A-Za-z0-9 .'@_-]{0,100}; a comma would begin a second GECOS field. */
bool grammar_comment(const char *s) {
  size_t n = strlen(s);
  if (n > 100) return false;
  for (size_t i = 0; i < n; i++) if (!among(s[i], " .'@_-") && !(s[i] >= 'A' && s[i] <= 'Z')) return false;
  return true;
}

bool name_reserved(const char *s) { return is_listed(reeve_reserved, s) || has_listed_prefix(reeve_reserved_prefixes, s); }
bool group_dangerous(const char *s) { return is_listed(reeve_dangerous_groups, s) || has_listed_prefix(reeve_dangerous_prefixes, s); }

bool uid_forbidden(uint64_t uid) {
  if (uid < REEVE_MIN_UID || uid > UINT32_MAX) return true;
  for (size_t i = 0; i < reeve_nforbidden_uids; i++) if (reeve_forbidden_uids[i] == uid) return true;
  return false;
}

static uint16_t invalid(struct call *c, size_t field, const char *rule) {
  return fail(c, REEVE_E_FIELD_INVALID, "field", c->verb->fields[field].name, "value", c->f[field].text, "rule", rule, NULL);
}

uint16_t check_name(struct call *c, size_t field) {
  if (!grammar_name(c->f[field].text)) return invalid(c, field, "1 to 31 of a-z, 0-9, _ and -, beginning with a letter or _, not ending with -");
  return REEVE_OK;
}

uint16_t check_shell(struct call *c, size_t field) {
  if (c->f[field].set && !grammar_shell(c->f[field].text)) return invalid(c, field, "an absolute path of letters, digits and ._+- is wanted");
  return REEVE_OK;
}

uint16_t check_comment(struct call *c, size_t field) {
  if (c->f[field].set && !grammar_comment(c->f[field].text)) return invalid(c, field, "at most 100 of letters, digits, space and .'@_- are wanted");
  return REEVE_OK;
}

/* Listed in /etc/shells (the two that refuse a login need not be) and an executable file. */
uint16_t shell_usable(struct call *c, const char *shell) {
  static const char *const refusing[] = {"/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", NULL};
  bool listed = is_listed(refusing, shell);
  if (!listed) {
    size_t n = 0;
    char *text = read_whole("/etc/shells", 65536, &n), *rest = text;
    for (char *line; rest && (line = strsep(&rest, "\n"));) if (!strcmp(line, shell)) listed = true;
    free(text);
  }
  struct stat st;
  if (!listed || stat(shell, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111)) return fail(c, REEVE_E_SHELL_ABSENT, "value", shell, NULL);
  return REEVE_OK;
}

uint16_t check_nothing(struct call *c) { (void)c; return REEVE_OK; }
uint16_t check_observe_user(struct call *c) { (void)c; return REEVE_OK; }

/* The verbs whose only policy key is the name. */
uint16_t check_user_named(struct call *c) {
  c->args[0] = c->f[0].text;
  return check_name(c, 0);
}
