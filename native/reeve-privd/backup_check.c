/* The grammar of noun backup (shared/model/backup.ts has the same), and what the policy says of folders. */
#include "backup.h"

#define PATH_MOST 1024u
#define LIST_MOST 200u

static bool has_odd_part(const char *s) {
  for (const char *at = s; *at;) {
    size_t n = strcspn(at, "/");
    if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.')) return true;
    at += n;
    if (*at == '/' && !at[1]) return true;
    at += *at == '/';
  }
  return false;
}

bool backup_folder(const char *s) {
  if (!strcmp(s, "/")) return true;
  return s[0] == '/' && s[1] && strlen(s) <= PATH_MOST && !strpbrk(s, "*?[\\") && text_plain(s) && !has_odd_part(s + 1);
}

static bool is_stars(const char *s) {
  const char *at = strstr(s, "***");
  return at && !(s[0] == '/' && at > s && at[-1] == '/' && !at[3]);
}

bool backup_exclude(const char *s) {
  size_t n = strlen(s);
  int open = 0;
  if (n < 1 || n > 1024 || !text_plain(s) || strchr("!;#", s[0]) || (strchr("+-.:", s[0]) && s[1] == ' ') || s[0] == ' ' || s[n - 1] == ' ' || is_stars(s)) return false;
  for (const char *at = s; *at; at++) open += (*at == '[') - (*at == ']');
  for (const char *at = s; *at; at++) if ((at == s || at[-1] == '/') && at[0] == '.' && at[1] == '.' && (!at[2] || at[2] == '/')) return false;
  return open == 0;
}

static uint16_t bad(struct call *c, const char *field, const char *value, const char *rule) { return fail(c, REEVE_E_FIELD_INVALID, "field", field, "value", value, "rule", rule, NULL); }

uint16_t backup_check_folder(struct call *c, const char *field, const struct value *v) {
  if (strlen(v->text) == v->n && backup_folder(v->text)) return REEVE_OK;
  return bad(c, field, v->text, "an absolute path without . and .., control characters, *, ?, [ and \\ is wanted");
}

uint16_t backup_check_list(struct call *c, const char *field, const struct value *v, bool (*fits)(const char *), size_t most) {
  size_t n = 0;
  if (!v->set) return REEVE_OK;
  if (strlen(v->text) != v->n) return bad(c, field, "", "text without NUL is wanted");
  AUTO_TEXT copy = strdup(v->text);
  char *rest = copy;
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    if (!*line && !rest) break;
    if (!fits(line)) return bad(c, field, line, "it does not follow its grammar");
    if (++n > most) return bad(c, field, line, "there are too many");
  }
  return REEVE_OK;
}

uint16_t backup_check_id(struct call *c, const char *field, const struct value *v) { return backup_id(v->text) ? REEVE_OK : bad(c, field, v->text, "a UUID in lower case is wanted"); }
uint16_t backup_check_snapshot(struct call *c, const struct value *v) { return !v->set || backup_snapshot(v->text) ? REEVE_OK : bad(c, "snapshot", v->text, "the name of a snapshot, as 2026-01-31T090500Z, is wanted"); }
uint16_t backup_check_database(struct call *c, const struct value *v) { return backup_database(v->text) ? REEVE_OK : bad(c, "database", v->text, "1 to 63 of letters, digits, _ and -, beginning with a letter or _, are wanted"); }

/* Any bytes: names in a snapshot are what they are. It is opened so that nothing leads out. */
uint16_t backup_check_path(struct call *c, const struct value *v) {
  if (!v->set || v->n == 0) return REEVE_OK;
  if (v->n < 4096 && strlen(v->text) == v->n && v->text[0] != '/' && !has_odd_part(v->text)) return REEVE_OK;
  return bad(c, "path", v->text, "a path from the root of the source, without . and .., is wanted");
}

static bool in_or_around(const char *path, const char *other) {
  size_t n = strlen(path), m = strlen(other), least = n < m ? n : m;
  return !strncmp(path, other, least) && (n == m || (n > m ? path[m] == '/' : other[n] == '/'));
}

uint16_t backup_check_target(struct call *c, const struct value *v) {
  static const char *const never[] = {"/proc", "/sys", "/dev", "/run", "/boot", "/etc/reeve", "/etc/systemd", "/var/lib/reeve-agent", "/var/lib/reeve-privd", "/var/lib/reeved", "/var/lib/reeve-backup", "/usr", NULL};
  uint16_t status = backup_check_folder(c, "folder", v);
  if (status) return status;
  if (!strcmp(v->text, "/")) return bad(c, "folder", v->text, "not the root of the host");
  for (const char *const *n = never; *n; n++) if (in_or_around(v->text, *n)) return bad(c, "folder", v->text, "no folder in or around those of the kernel, of the system's programs and of Reeve itself");
  return REEVE_OK;
}

uint16_t backup_allow_send(struct call *c, const struct value *folders) {
  const char *args[REEVE_MAX_KEYS] = {0};
  if (!folders->set) return REEVE_OK;
  AUTO_TEXT copy = strdup(folders->text);
  char *rest = copy;
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    if (!*line) continue;
    args[REEVE_K_BACKUP_SEND_FOLDER] = line;
    struct verdict v = policy_evaluate(&c->policy, REEVE_P_BACKUP_SEND, args);
    if (!v.allowed) return policy_refused(c, REEVE_P_BACKUP_SEND, args, v);
  }
  return REEVE_OK;
}
