/* What sshd of this host says of its own configuration: `sshd -T` for the values, `sshd -t` for whether it would start. */
#include "reeve.h"
#include "pending.h"
#include <fnmatch.h>
#include <stdarg.h>

#define SSHD "/usr/sbin/sshd"
#define MAIN_FILE "/etc/ssh/sshd_config"

uint16_t sshd_refused(struct call *c, const char *format, ...) {
  char rule[400];
  va_list list;
  va_start(list, format);
  vsnprintf(rule, sizeof rule, format, list);
  va_end(list);
  return fail(c, REEVE_E_SSHD_CHECK, "rule", rule, NULL);
}

/* Also its folder: systemd makes it for the outside check, and takes it away when ssh.service stops. */
static uint16_t installed(struct call *c) {
  struct outside o;
  if (access(SSHD, X_OK)) return fail(c, REEVE_E_SSHD_ABSENT, "rule", "there is no " SSHD, NULL);
  return access("/run/sshd", F_OK) ? outside_check(c, "prepare", "", &o) : REEVE_OK;
}

/* What went wrong is in its last line that is not empty. */
static uint16_t complaint(struct call *c, uint16_t status, char *text) {
  if (status != REEVE_E_TOOL_FAILED || !text) return status;
  size_t n = strlen(text);
  while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) text[--n] = 0;
  const char *line = strrchr(text, '\n');
  return sshd_refused(c, "it refuses its configuration: %.300s", line ? line + 1 : text);
}

uint16_t sshd_test(struct call *c) {
  AUTO_TEXT text = NULL;
  uint16_t status = installed(c);
  if (status) return status;
  status = run_tool_text(c, (const char *const[]){"sshd", "-t", NULL}, &text);
  return complaint(c, status, text);
}

/* Its values, a line each, keys in lower case; for a login of `user` from this host itself, or without one. The caller frees them. */
uint16_t sshd_ask(struct call *c, const char *user, char **text) {
  char connection[128];
  uint16_t status = installed(c);
  *text = NULL;
  if (status) return status;
  snprintf(connection, sizeof connection, "user=%s,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22", user ? user : "");
  const char *const whole[] = {"sshd", "-T", NULL}, *const one[] = {"sshd", "-T", "-C", connection, NULL};
  status = run_tool_text(c, user ? one : whole, text);
  status = complaint(c, status, *text);
  if (!status && !*text) status = io_failed(c, "out of memory");
  return status;
}

/* The next value of `key` in what sshd_ask gave; values of more than a line's room are left out. */
bool sshd_next(const char **at, const char *key, char out[SSHD_LINE]) {
  size_t length = strlen(key);
  while (**at) {
    const char *line = *at, *stop = strchrnul(line, '\n');
    *at = *stop ? stop + 1 : stop;
    if (strncmp(line, key, length) || line[length] != ' ' || (size_t)(stop - line) - length > SSHD_LINE) continue;
    snprintf(out, SSHD_LINE, "%.*s", (int)(stop - line - (ptrdiff_t)length - 1), line + length + 1);
    return true;
  }
  return false;
}

/* Keyword of a line of sshd_config(5); what follows it in `rest`. */
static bool keyword(char *line, const char *word, char **rest) {
  line += strspn(line, " \t");
  size_t n = strlen(word);
  if (strncasecmp(line, word, n) || !line[n] || !strchr(" \t=", line[n])) return false;
  *rest = line + n + strspn(line + n, " \t=");
  return true;
}

static bool includes_us(char *patterns) {
  static const char drop_in[] = SSHD_DROPIN_DIR "/" SSHD_DROPIN;
  for (char *word; (word = strsep(&patterns, " \t\r"));) {
    char path[SSHD_LINE];
    size_t n = strlen(word);
    if (n > 1 && word[0] == '"' && word[n - 1] == '"') word[n - 1] = 0, word++;
    if (!*word) continue;
    snprintf(path, sizeof path, "%s%s", word[0] == '/' ? "" : "/etc/ssh/", word);
    if (!fnmatch(path, drop_in, FNM_PATHNAME)) return true;
  }
  return false;
}

/* Says it plainly when no drop-in could have an effect: the first value that sshd reads counts, and what stands below a Match is for some logins only. */
uint16_t sshd_include(struct call *c) {
  AUTO_TEXT text = read_whole(MAIN_FILE, 1u << 20, NULL);
  char *at = text, *rest;
  bool matched = false;
  if (!text) return sshd_refused(c, MAIN_FILE " cannot be read (%s)", strerrorname_np(errno));
  for (char *line; (line = strsep(&at, "\n"));) {
    if (keyword(line, "Match", &rest)) matched = true;
    if (!keyword(line, "Include", &rest) || !includes_us(rest)) continue;
    if (!matched) return REEVE_OK;
    return sshd_refused(c, "in " MAIN_FILE " \"Include " SSHD_DROPIN_DIR "/*.conf\" stands below a Match; it must stand above every other line");
  }
  return sshd_refused(c, MAIN_FILE " has no \"Include " SSHD_DROPIN_DIR "/*.conf\"; it must be its first line");
}
