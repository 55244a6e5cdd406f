/* One line of a key file. Read as leniently as sshd does; a line that is managed must besides be exactly what formatting it again gives. */
#include "reeve.h"
#include <time.h>

static const char *skip_blanks(const char *s, const char *end) {
  while (s < end && (*s == ' ' || *s == '\t')) s++;
  return s;
}

static const char *word_end(const char *s, const char *end) {
  while (s < end && *s != ' ' && *s != '\t') s++;
  return s;
}

/* The first blank outside of quotes; NULL: a quote is not closed. */
static const char *options_end(const char *s, const char *end) {
  bool quoted = false;
  for (; s < end && (quoted || (*s != ' ' && *s != '\t')); s++) {
    if (*s == '\\' && s + 1 < end && s[1] == '"') s++;
    else if (*s == '"') quoted = !quoted;
  }
  return quoted ? NULL : s;
}

/* TYPE KEY [COMMENT] from `s` on. */
static bool take_key(struct key_line *k, const char *s, const char *end) {
  const char *stop = word_end(s, end), *key = skip_blanks(stop, end), *key_end = word_end(key, end);
  if (!key_blob_parse(k, key, (size_t)(key_end - key), s, (size_t)(stop - s))) return false;
  k->comment = skip_blanks(key_end, end);
  while (end > k->comment && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
  k->ncomment = (size_t)(end - k->comment);
  return true;
}

/* A line without its line end. False: it is blank or a comment. */
bool key_line_parse(struct key_line *k, const char *s, size_t n) {
  k->type[0] = k->options[0] = k->problem[0] = 0;
  k->nblob = k->ncomment = 0;
  k->expires = 0;
  k->comment = "";
  const char *end = s + strnlen(s, n), *at = skip_blanks(s, end), *stop;
  if (at == end || *at == '#' || (*at == '\r' && at + 1 == end)) return false;
  if (take_key(k, at, end)) return true;
  if (!(stop = options_end(at, end))) key_problem(k, "a quote is not closed");
  else if (!take_key(k, skip_blanks(stop, end), end)) key_problem(k, "there is no key in it");
  else key_options_parse(k, at, (size_t)(stop - at));
  return true;
}

/* [ -~]{0,128} without " and \, not beginning with # or a blank, not ending with a blank. */
static bool comment_fits(const char *s, size_t n) {
  if (n > 128 || (n > 0 && (s[0] == '#' || s[0] == ' ' || s[n - 1] == ' '))) return false;
  for (size_t i = 0; i < n; i++) if (s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' || s[i] == '\\') return false;
  /* sshd takes a second key for a comment; whoever wrote it did not. */
  for (size_t i = 0, word = 0; i <= n; i++) {
    if (i < n && s[i] != ' ') continue;
    if (key_type_known(s + word, i - word)) return false;
    word = i + 1;
  }
  return true;
}

/* The line that a parsed one would be written as; how long it is. */
static size_t format(char *out, size_t room, const struct key_line *k) {
  char time[40] = "";
  time_t at = (time_t)k->expires;
  struct tm t;
  if (k->expires && gmtime_r(&at, &t)) strftime(time, sizeof time, "expiry-time=\"%Y%m%d%H%M%SZ\"", &t);
  size_t n = (size_t)snprintf(out, room, "%s%s%s%s%s ", k->options, *k->options && *time ? "," : "", time, *k->options || *time ? " " : "", k->type);
  n += key_base64(out + n, k->blob, k->nblob);
  return n + (size_t)snprintf(out + n, room - n, "%s%.*s", k->ncomment ? " " : "", (int)k->ncomment, k->comment);
}

/* Is a parsed line, of which `s` is the text, one that may be managed, in the one form in which it is written? */
bool key_line_canonical(const struct key_line *k, const char *s, size_t n) {
  char again[sizeof k->options + 64 + sizeof k->type + 4 * (KEY_BLOB_MAX / 3 + 1) + 160];
  if (k->problem[0] || !k->nblob || !comment_fits(k->comment, k->ncomment)) return false;
  return format(again, sizeof again, k) == n && !memcmp(again, s, n);
}

/* Says of each line of a file whether it may be managed, and why not; for the differential test. */
int check_keys(const char *path) {
  size_t n;
  AUTO_TEXT text = read_whole(path, 64u << 20, &n);
  if (!text) return 1;
  for (const char *s = text, *stop; s < text + n; s = stop + 1) {
    struct key_line k;
    stop = memchr(s, '\n', (size_t)(text + n - s));
    if (!stop) stop = text + n;
    bool content = key_line_parse(&k, s, (size_t)(stop - s));
    bool managed = content && key_line_canonical(&k, s, (size_t)(stop - s));
    printf("%s\t%s\t%s\t%llu\t%s\n", managed ? "managed" : !content ? "nothing" : k.nblob ? "key" : "none", k.type, k.options, (unsigned long long)k.expires, k.problem);
  }
  return 0;
}
