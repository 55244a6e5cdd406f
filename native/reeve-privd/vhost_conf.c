/* What a SITE.conf may say: every directive has a row, and each word a check. agent/vhost/nginx writes nothing else. */
#include "vhost_word.h"

enum place { TOP = 1, SERVER = 2, LOCATION = 4, NESTED = 8, IF = 16, TYPES = 32 };
#define BOTH (SERVER | LOCATION | NESTED)
#define INSIDE (LOCATION | NESTED)

struct conf { const char *site; struct vhost_facts *facts; struct vhost_wrong *wrong; enum place in; const char *why; };
typedef bool check_fn(struct conf *c, const char *const *w, size_t n);

static bool add_fact(struct conf *c, enum vhost_fact_kind kind, const char *text, uint16_t port) {
  struct vhost_fact *grown = realloc(c->facts->list, (c->facts->n + 1) * sizeof *grown);
  char *copy = strdup(text);
  if (grown) c->facts->list = grown;
  if (!grown || !copy) {
    free(copy);
    return false;
  }
  c->facts->list[c->facts->n++] = (struct vhost_fact){kind, copy, port};
  return true;
}

/* A file of the site's own in the set in place. */
static bool own_file(const struct conf *c, const char *s, enum vhost_kind kind) {
  char site[SITE_MAX_LEN + 1];
  size_t n = sizeof VHOST_CURRENT;
  return !strncmp(s, VHOST_CURRENT "/", n) && vhost_kind(s + n, site) == kind && !strcmp(site, c->site);
}

static bool cert_file(struct conf *c, const char *s, const char *name, enum vhost_kind kind) {
  size_t n = sizeof CERT_DIR;
  if (own_file(c, s, kind)) return true;
  const char *slash = strncmp(s, CERT_DIR "/", n) ? NULL : strchr(s + n, '/');
  if (!slash || strcmp(slash, name) || !word_cert_name(s + n, (size_t)(slash - s) - n)) return false;
  char cert[65];
  snprintf(cert, sizeof cert, "%.*s", (int)((size_t)(slash - s) - n), s + n);
  return add_fact(c, VHOST_CERT, cert, 0);
}

static bool listen_at(struct conf *c, const char *const *w, size_t n) {
  static const char *const flags[] = {"default_server", "ssl", "http2", NULL};
  uint16_t port;
  if (n < 2 || !word_listen(w[1], &port)) return false;
  for (size_t i = 2; i < n; i++) if (!word_is(w[i], flags)) return false;
  return add_fact(c, VHOST_PORT, w[1], port);
}

static bool server_name(struct conf *c, const char *const *w, size_t n) {
  for (size_t i = 1; i < n; i++) if (!word_domain(w[i]) || !add_fact(c, VHOST_NAME, w[i], 0)) return false;
  return n > 1 && n <= 66;
}

static bool certificate(struct conf *c, const char *const *w, size_t n) { return n == 2 && cert_file(c, w[1], "/cert.pem", VHOST_CRT); }
static bool certificate_key(struct conf *c, const char *const *w, size_t n) { return n == 2 && cert_file(c, w[1], "/key.pem", VHOST_KEY); }
static bool authorities(struct conf *c, const char *const *w, size_t n) { return n == 2 && own_file(c, w[1], VHOST_CA); }
static bool revoked(struct conf *c, const char *const *w, size_t n) { return n == 2 && own_file(c, w[1], VHOST_CRL); }
static bool users(struct conf *c, const char *const *w, size_t n) { return n == 2 && own_file(c, w[1], VHOST_AUTH); }

static bool protocols(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 3 && !strcmp(w[1], "TLSv1.2") && !strcmp(w[2], "TLSv1.3");
}

static bool on_off(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 2 && (!strcmp(w[1], "on") || !strcmp(w[1], "off"));
}
static bool off(struct conf *c, const char *const *w, size_t n) { return on_off(c, w, n) && w[1][1] == 'f'; }
static bool optional(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && !strcmp(w[1], "optional"); }
static bool depth(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_number(w[1], 1, 9, NULL); }
static bool bytes(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_number(w[1], 0, INT64_MAX, NULL); }
static bool all(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && !strcmp(w[1], "all"); }
static bool network(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_network(w[1]); }
static bool one_text(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_text(w[1]); }
static bool seconds(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_seconds(w[1]); }
static bool one_header(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && word_header(w[1]); }
static bool version11(struct conf *c, const char *const *w, size_t n) { (void)c; return n == 2 && !strcmp(w[1], "1.1"); }

static bool snippet(struct conf *c, const char *const *w, size_t n) {
  size_t from = sizeof SNIPPET_DIR, len = n == 2 ? strlen(w[1]) : 0;
  if (len < from + 6 || strncmp(w[1], SNIPPET_DIR "/", from) || strcmp(w[1] + len - 5, ".conf") || !word_cert_name(w[1] + from, len - from - 5)) return false;
  char name[65];
  snprintf(name, sizeof name, "%.*s", (int)(len - from - 5), w[1] + from);
  return add_fact(c, VHOST_SNIPPET, name, 0);
}

static bool add_header(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 4 && word_header(w[1]) && word_text(w[2]) && !strcmp(w[3], "always");
}

static bool set_header(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 3 && word_header(w[1]) && word_text(w[2]);
}

static bool parameter(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return (n == 3 || (n == 4 && !strcmp(w[3], "if_not_empty"))) && word_param(w[1]) && word_text(w[2]);
}

static bool answer(struct conf *c, const char *const *w, size_t n) {
  return (n == 2 || (n == 3 && c->in != IF && word_text(w[2]))) && word_code(w[1]);
}

/* Folders that no policy opens. */
static bool folder_closed(const char *path) {
  static const char *const closed[] = {"/etc", "/proc", "/sys", "/dev", "/run", "/root", "/boot", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/backups", NULL};
  for (const char *const *at = closed; *at; at++) {
    size_t n = strlen(*at);
    if (!strncmp(path, *at, n) && (path[n] == '/' || path[n] == 0)) return true;
  }
  return false;
}

static bool folder(struct conf *c, const char *s) {
  char path[1026];
  size_t n = strlen(s);
  if (n < 2 || n > 1024) return false;
  snprintf(path, sizeof path, "%.*s", (int)(s[n - 1] == '/' ? n - 1 : n), s);
  if (!vhost_path(path) || folder_closed(path)) return c->why = "this folder is never served", false;
  return add_fact(c, VHOST_FOLDER, path, 0);
}
static bool root(struct conf *c, const char *const *w, size_t n) { return n == 2 && folder(c, w[1]); }
static bool alias(struct conf *c, const char *const *w, size_t n) { return n == 2 && w[1][0] && w[1][strlen(w[1]) - 1] == '/' && folder(c, w[1]); }

static bool index_files(struct conf *c, const char *const *w, size_t n) {
  static const char *const names[] = {"index.html", "index.php", NULL};
  (void)c;
  for (size_t i = 1; i < n; i++) if (!word_is(w[i], names) && !word_place(w[i])) return false;
  return n > 1 && n <= 5;
}

/* Each is a file below the folder, a code, or a location of our own. */
static bool try_files(struct conf *c, const char *const *w, size_t n) {
  static const char *const words[] = {"$uri", "$uri/", "=404", "/dev/null/none", "index.html", NULL};
  (void)c;
  for (size_t i = 1; i < n; i++) if (!word_is(w[i], words) && !word_named(w[i]) && !word_place(w[i])) return false;
  return n >= 3 && n <= 5;
}

static bool error_page(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 3 && word_code(w[1]) && word_named(w[2]);
}

static bool upstream(struct conf *c, const char *s, bool http) {
  char address[64], path[256];
  uint16_t port = 0;
  const char *rest = word_upstream(s, http, address, &port, path);
  static const char *const behind[] = {"", "/", "$reeve_rest", "${reeve_rest}", NULL};
  if (!rest || (http ? !word_is(rest, behind) : *rest != 0)) return false;
  if (!path[0]) return add_fact(c, VHOST_UPSTREAM, address, port);
  static const char *const closed[] = {"/run/reeve/", "/run/reeved/", "/run/systemd/", "/run/dbus/", "/var/run/", "/proc/", NULL};
  if (has_listed_prefix(closed, path)) return c->why = "this socket is never passed on to", false;
  return add_fact(c, VHOST_SOCKET, path, 0);
}

static bool proxy_pass(struct conf *c, const char *const *w, size_t n) {
  bool plain = n == 2 && !strncmp(w[1], "http://", 7), tls = n == 2 && !strncmp(w[1], "https://", 8);
  return (plain || tls) && upstream(c, w[1] + (plain ? 7 : 8), true);
}
static bool gateway_pass(struct conf *c, const char *const *w, size_t n) { return n == 2 && upstream(c, w[1], false); }

static bool proxy_name(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  return n == 2 && (!strcmp(w[1], "$host") || word_plain(w[1]));
}

static bool none(struct conf *c, const char *const *w, size_t n) {
  (void)c;
  (void)w;
  return n == 1;
}

static bool location(struct conf *c, const char *const *w, size_t n) {
  if (c->in == LOCATION) return n == 3 && !strcmp(w[1], "~*") && !strcmp(w[2], "\\.php\\z");
  if (n == 3) return (!strcmp(w[1], "=") || !strcmp(w[1], "^~")) && word_place(w[2]);
  return n == 2 && (!strcmp(w[1], "/") || word_named(w[1]));
}

/* "($VARIABLE", operator, operand, and the brace by itself or at the end. */
static bool condition(struct conf *c, const char *const *w, size_t n) {
  static const char *const asked[] = {"($reeve_local", "($ssl_server_name", "($ssl_client_verify", "($request_uri", "($uri", NULL};
  static const char *const operators[] = {"=", "!=", "~", "!~", NULL};
  (void)c;
  if (n < 4 || n > 5 || !word_is(w[1], asked) || !word_is(w[2], operators)) return false;
  if (n == 4) return !strcmp(w[3], "0)") || !strcmp(w[3], "$host)");
  return !strcmp(w[4], ")") && word_plain(w[3]);
}

struct row { const char *name; unsigned in; check_fn *check; unsigned opens; };
static const struct row rows[] = {
  {"server", TOP, none, SERVER}, {"location", SERVER | LOCATION, location, LOCATION}, {"if", INSIDE, condition, IF}, {"types", INSIDE, none, TYPES},
  {"listen", SERVER, listen_at, 0}, {"server_name", SERVER, server_name, 0}, {"include", SERVER, snippet, 0},
  {"ssl_certificate", SERVER, certificate, 0}, {"ssl_certificate_key", SERVER, certificate_key, 0}, {"ssl_protocols", SERVER, protocols, 0}, {"ssl_session_tickets", SERVER, off, 0},
  {"ssl_verify_client", SERVER, optional, 0}, {"ssl_verify_depth", SERVER, depth, 0}, {"ssl_client_certificate", SERVER, authorities, 0}, {"ssl_crl", SERVER, revoked, 0},
  {"absolute_redirect", SERVER, off, 0}, {"client_max_body_size", BOTH, bytes, 0}, {"satisfy", BOTH, all, 0}, {"allow", BOTH, network, 0}, {"deny", BOTH, all, 0},
  {"auth_basic", BOTH, one_text, 0}, {"auth_basic_user_file", BOTH, users, 0}, {"add_header", BOTH, add_header, 0},
  {"return", SERVER | INSIDE | IF, answer, 0}, {"default_type", INSIDE, one_text, 0}, {"root", INSIDE, root, 0}, {"alias", INSIDE, alias, 0}, {"index", INSIDE, index_files, 0},
  {"autoindex", INSIDE, off, 0}, {"try_files", INSIDE, try_files, 0}, {"error_page", INSIDE, error_page, 0},
  {"proxy_pass", INSIDE, proxy_pass, 0}, {"proxy_http_version", INSIDE, version11, 0}, {"proxy_set_header", INSIDE, set_header, 0}, {"proxy_hide_header", INSIDE, one_header, 0},
  {"proxy_buffering", INSIDE, off, 0}, {"proxy_connect_timeout", INSIDE, seconds, 0}, {"proxy_send_timeout", INSIDE, seconds, 0}, {"proxy_read_timeout", INSIDE, seconds, 0},
  {"proxy_ssl_server_name", INSIDE, on_off, 0}, {"proxy_ssl_name", INSIDE, proxy_name, 0}, {"proxy_ssl_protocols", INSIDE, protocols, 0},
  {"uwsgi_pass", INSIDE, gateway_pass, 0}, {"uwsgi_param", INSIDE, parameter, 0}, {"uwsgi_hide_header", INSIDE, one_header, 0}, {"uwsgi_buffering", INSIDE, off, 0},
  {"uwsgi_connect_timeout", INSIDE, seconds, 0}, {"uwsgi_send_timeout", INSIDE, seconds, 0}, {"uwsgi_read_timeout", INSIDE, seconds, 0},
  {"fastcgi_pass", INSIDE, gateway_pass, 0}, {"fastcgi_param", INSIDE, parameter, 0}, {"fastcgi_hide_header", INSIDE, one_header, 0}, {"fastcgi_buffering", INSIDE, off, 0},
  {"fastcgi_connect_timeout", INSIDE, seconds, 0}, {"fastcgi_send_timeout", INSIDE, seconds, 0}, {"fastcgi_read_timeout", INSIDE, seconds, 0},
};

static const struct row *row_of(const char *name) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

static bool wrong(struct conf *c, unsigned line, const char *format, const char *word) {
  c->wrong->line = line;
  snprintf(c->wrong->says, sizeof c->wrong->says, format, word);
  for (char *at = c->wrong->says; *at; at++) if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
  return false;
}

/* One directive in its place; gives the place inside of its block, 0 for none, or -1. */
static int directive(struct conf *c, const struct nginx_reader *r, enum nginx_kind kind) {
  const struct row *row = row_of(r->words[0]);
  c->why = NULL;
  if (!row || !(row->in & c->in)) return wrong(c, r->from, "\"%.60s\" is not allowed there", r->words[0]) - 1;
  if ((row->opens != 0) != (kind == NGINX_OPEN)) return wrong(c, r->from, "\"%s\" has a block, or has none", row->name) - 1;
  if (!row->check(c, r->words, r->nwords)) return wrong(c, r->from, c->why ? c->why : "these arguments of \"%s\" are not allowed", row->name) - 1;
  return row->opens == LOCATION && c->in == LOCATION ? NESTED : (int)row->opens;
}

/* Reads the whole text; nothing but the rows above may be in it. */
bool vhost_conf(const char *site, const char *text, size_t n, struct vhost_facts *facts, struct vhost_wrong *w) {
  enum place places[5] = {TOP};
  unsigned deep = 0, servers = 0;
  struct nginx_reader *r = malloc(sizeof *r);
  struct conf c = {.site = site, .facts = facts, .wrong = w, .in = TOP};
  if (!r) return wrong(&c, 0, "%s", "out of memory");
  bool ok = true;
  nginx_reader_init(r, text, n);
  for (enum nginx_kind kind; ok && (kind = nginx_next(r)) != NGINX_END;) {
    if (kind == NGINX_BAD) {
      ok = wrong(&c, r->line, "%s", r->why);
    } else if (kind == NGINX_CLOSE) {
      if (deep == 0) ok = wrong(&c, r->from, "%s", "unexpected \"}\"");
      else c.in = places[--deep];
    } else {
      int inside = directive(&c, r, kind);
      ok = inside >= 0;
      if (inside > 0) places[deep++] = c.in, c.in = (enum place)inside;
      servers += inside == SERVER;
    }
  }
  if (ok && deep > 0) ok = wrong(&c, r->line, "%s", "a block does not end");
  if (ok && (servers < 1 || servers > 2)) ok = wrong(&c, 1, "%s", "it has no server block, or more than two");
  free(r);
  return ok;
}
