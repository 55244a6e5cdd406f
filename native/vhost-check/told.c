/* What `nginx -t` prints, for people and for the helper. Files of others may hold what nobody but root reads, and nginx quotes them: of those only the place is told. */
#include "check.h"

#define MESSAGE_MOST 300

/* By what nginx says; the first that fits. */
static const struct { const char *says, *kind; } kinds[] = {
  {"unknown directive", "a directive that nginx does not know"},
  {"is not allowed here", "a directive in the wrong place"},
  {"is duplicate", "a directive that is there twice"},
  {"invalid number of arguments", "a directive with too few or too many words"},
  {"duplicate default server", "a second default server"},
  {"duplicate location", "a location that is there twice"},
  {"duplicate upstream", "an upstream that is there twice"},
  {"conflicting parameter", "a name that is there twice"},
  {"host not found", "a name that is not resolved"},
  {"invalid host", "a host that is none"},
  {"unexpected", "something where nothing, or something else, is wanted"},
  {"unknown", "something that nginx does not know"},
  {"cannot load certificate key", "a key that cannot be loaded"},
  {"cannot load certificate", "a certificate that cannot be loaded"},
  {"PrivateKey", "a key that is not that of its certificate"},
  {"no \"ssl_certificate\"", "TLS without a certificate"},
  {"SSL_CTX_", "something that the TLS library does not take"},
  {"bind()", "an address that cannot be listened on"},
  {"could not build", "names that are too long or too many"},
  {"open()", "a file that cannot be opened"},
  {"read()", "a file that cannot be read"},
  {"mkdir()", "a folder that cannot be made"},
  {"pcre", "a regular expression that is none"},
  {"invalid", "something that is not valid"},
};

static const char *kind_of(const char *message) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) if (strstr(message, kinds[i].says)) return kinds[i].kind;
  return "an error";
}

static bool starts(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* Of Reeve, or listed with its hash in the policy of the host. */
static bool is_ours(const char *path) { return starts(path, VHOST_CURRENT "/") || starts(path, SNIPPET_DIR "/"); }

/* Nothing is quoted in it but what Reeve wrote: paths in a message are between double quotes, or behind a bracket in what OpenSSL says of them. */
static bool is_harmless(const char *message) {
  static const char *const about[] = {"cannot load certificate", "SSL_CTX_", "SSL_load_", "X509_", "PEM_", "SSL_use_", NULL};
  if (starts(message, "bind() to ")) return true;
  bool known = false;
  for (const char *const *word = about; *word; word++) known = known || starts(message, *word);
  if (!known) return false;
  for (const char *at = message; (at = strchr(at, '/')); at++) {
    if (at == message || !strchr("\"(", at[-1])) continue;
    if (!is_ours(at) && !starts(at, CERT_DIR "/")) return false;
  }
  return true;
}

/* Cuts " in /FILE:LINE" off the end of a message. */
static unsigned take_place(char *message, char file[PATH_MOST]) {
  uint64_t line;
  char *colon = strrchr(message, ':'), *in = NULL;
  file[0] = 0;
  if (!colon || !parse_number(colon + 1, strlen(colon + 1), 1u << 30, &line)) return 0;
  for (char *at = message; (at = strstr(at, " in /")) && at < colon; at++) in = at;
  if (!in || (size_t)(colon - in - 4) >= PATH_MOST) return 0;
  snprintf(file, PATH_MOST, "%.*s", (int)(colon - in - 4), in + 4);
  *in = 0;
  return (unsigned)line;
}

/* host not found in upstream "name:port", in resolver "name", in "name:80" of the "listen" directive */
static void take_missing(const char *message, char missing[256]) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  const char *quote = starts(message, "host not found") ? strchr(message, '"') : NULL;
  size_t n = quote ? strspn(quote + 1, allowed) : 0;
  if (n > 0 && n < 256 && strchr("\":/", quote[1 + n])) snprintf(missing, 256, "%.*s", (int)n, quote + 1);
}

/* What is quoted, and is no place, but of Reeve: a file of a site, or of a certificate. */
static void take_quoted(const char *message, char file[PATH_MOST]) {
  for (const char *at = message; (at = strchr(at, '"')); at++) {
    if (!starts(at + 1, VHOST_CURRENT "/") && !starts(at + 1, CERT_DIR "/")) continue;
    snprintf(file, PATH_MOST, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
    return;
  }
}

static void tell(struct told *t, char *message) {
  unsigned line = take_place(message, t->file);
  const char *name = starts(t->file, VHOST_CURRENT "/") ? strrchr(t->file, '/') + 1 : t->file;
  if (!is_ours(t->file) && *t->file) take_missing(message, t->missing);
  if (is_ours(t->file)) snprintf(t->reason, sizeof t->reason, "%.*s, in line %u of %.160s", MESSAGE_MOST, message, line, name);
  else if (*t->file) snprintf(t->reason, sizeof t->reason, "%s, in line %u of %.300s", kind_of(message), line, t->file);
  else if (is_harmless(message)) snprintf(t->reason, sizeof t->reason, "%.*s", MESSAGE_MOST, message);
  else snprintf(t->reason, sizeof t->reason, "%s; nginx names no file", kind_of(message));
  for (char *at = t->reason; *at; at++) if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e) *at = '?';
  if (!*t->file) take_quoted(message, t->file);
}

/* conflicting server name "NAME" on ADDRESS, ignored */
static void take_conflict(struct told *t, const char *message) {
  static const char head[] = "conflicting server name \"";
  const char *name = starts(message, head) ? message + sizeof head - 1 : NULL, *end = name ? strchr(name, '"') : NULL;
  if (!end || strncmp(end, "\" on ", 5)) return;
  size_t room = strcspn(end + 5, ",\n ");
  if (end - name < 256 && room < 80) buf_say(&t->conflicts, "conflict=%.*s %.*s\n", (int)(end - name), name, (int)room, end + 5);
}

/* "nginx: [LEVEL] MESSAGE", or "TIME [LEVEL] PROCESS#THREAD: MESSAGE"; NULL: another level. */
static char *message_of(char *line, const char *level) {
  char *message = strstr(line, level);
  if (!message) return NULL;
  message += strlen(level);
  size_t process = strspn(message, "0123456789"), thread = message[process] == '#' ? strspn(message + process + 1, "0123456789") : 0;
  char *behind = message + process + 1 + thread;
  return process > 0 && thread > 0 && !strncmp(behind, ": ", 2) ? behind + 2 : message;
}

/* The text is taken apart. */
void told_parse(struct told *t, char *text, int code) {
  static const char *const bad[] = {"[emerg] ", "[alert] ", "[crit] ", NULL};
  *t = (struct told){.good = code == 0};
  buf_init(&t->conflicts, CONFLICTS_MOST * 400u);
  if (!t->good) snprintf(t->reason, sizeof t->reason, code < 0 ? "it took longer than it may" : "it ended with %d and gave no reason", code);
  bool found = t->good;
  for (char *line, *message; (line = strsep(&text, "\n"));) {
    if ((message = message_of(line, "[warn] "))) take_conflict(t, message);
    for (const char *const *level = bad; !found && *level; level++) {
      if (!(message = message_of(line, *level))) continue;
      tell(t, message);
      found = true;
    }
  }
}

void told_free(struct told *t) { buf_free(&t->conflicts); }
