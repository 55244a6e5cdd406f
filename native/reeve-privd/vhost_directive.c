/* The list of directives that a SITE.conf may have: where, and with which words. agent/vhost/nginx writes nothing else. */
#include "vhost_conf.h"
#include "vhost_word.h"

#define BOTH (VHOST_SERVER | INSIDE)
#define INSIDE (VHOST_LOCATION | VHOST_NESTED)
#define FACTS_MAX 1024u
#define LISTENS_MAX 64u  /* of one server */

typedef bool check_fn(struct vhost_conf *c, const char *const *w, size_t n);
#define CHECK(name) static bool name(struct vhost_conf *c __attribute__((unused)), const char *const *w __attribute__((unused)), size_t n __attribute__((unused)))

static bool no(struct vhost_conf *c, const char *why) {
  snprintf(c->why, sizeof c->why, "%s", why);
  return false;
}

static bool is(const char *s, const char *word) { return !strcmp(s, word); }
static bool starts(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* Exactly these words, in this order. */
static bool are(const char *const *w, size_t n, const char *const *words) {
  for (size_t i = 1; i < n; i++) if (!words[i - 1] || strcmp(w[i], words[i - 1])) return false;
  return !words[n - 1];
}
#define ARE(...) are(w, n, (const char *const[]){__VA_ARGS__, NULL})

/* Each only once: a site has many routes to the same place. */
static bool add_fact(struct vhost_conf *c, enum vhost_fact_kind kind, const char *text, uint16_t port) {
  struct vhost_facts *f = c->facts;
  for (size_t i = 0; i < f->n; i++) if (f->list[i].kind == kind && f->list[i].port == port && is(f->list[i].text, text)) return true;
  if (f->n == FACTS_MAX) return no(c, "it asks for too many names, places and folders");
  struct vhost_fact *grown = realloc(f->list, (f->n + 1) * sizeof *grown);
  if (grown) f->list = grown;
  char *copy = grown ? strdup(text) : NULL;
  if (!copy) return no(c, "out of memory");
  f->list[f->n++] = (struct vhost_fact){kind, copy, port};
  return true;
}

/* The server. */
CHECK(listen_at) {
  uint16_t port;
  size_t i = 2;
  if (n < 2 || !word_listen(w[1], &port)) return false;
  if (i < n && is(w[i], "default_server")) i++;
  if (i + 2 == n && is(w[i], "ssl") && is(w[i + 1], "http2")) i += 2;
  return i == n && ++c->listens <= LISTENS_MAX && add_fact(c, VHOST_PORT, w[1], port);
}

/* The file is named after the first one. */
CHECK(server_name) {
  c->names++;
  if (n < 2 || n > 66 || strcmp(w[1] + (w[1][0] == '*'), c->site + (c->site[0] == '_')) || (w[1][0] == '*') != (c->site[0] == '_')) return false;
  for (size_t i = 1; i < n; i++) if (!word_domain(w[i]) || !add_fact(c, VHOST_NAME, w[i], 0)) return false;
  return true;
}

/* A file of the site's own in the set in place. */
static bool own_file(const struct vhost_conf *c, const char *s, enum vhost_kind kind) {
  char site[SITE_MAX_LEN + 1];
  return starts(s, VHOST_CURRENT "/") && vhost_kind(s + sizeof VHOST_CURRENT, site) == kind && is(site, c->site);
}

static bool cert_file(struct vhost_conf *c, const char *s, const char *name, enum vhost_kind kind) {
  char cert[65];
  if (own_file(c, s, kind)) return true;
  const char *from = starts(s, CERT_DIR "/") ? s + sizeof CERT_DIR : NULL, *slash = from ? strchr(from, '/') : NULL;
  if (!slash || strcmp(slash, name) || !word_name(from, (size_t)(slash - from), "._-")) return false;
  snprintf(cert, sizeof cert, "%.*s", (int)(slash - from), from);
  return add_fact(c, VHOST_CERT, cert, 0);
}
CHECK(certificate) { return n == 2 && cert_file(c, w[1], "/cert.pem", VHOST_CRT); }
CHECK(certificate_key) { return n == 2 && cert_file(c, w[1], "/key.pem", VHOST_KEY); }
CHECK(authorities) { return n == 2 && own_file(c, w[1], VHOST_CA); }
CHECK(revoked) { return n == 2 && own_file(c, w[1], VHOST_CRL); }
CHECK(users) { return n == 2 && own_file(c, w[1], VHOST_AUTH); }
CHECK(protocols) { return ARE("TLSv1.2", "TLSv1.3"); }
CHECK(optional) { return ARE("optional"); }
CHECK(depth) { return n == 2 && word_number(w[1], 1, 9, NULL); }

CHECK(snippet) {
  char name[SNIPPET_NAME + 1];
  size_t from = sizeof SNIPPET_DIR, length = n == 2 ? strlen(w[1]) : 0;
  if (length < from + 6 || length - from - 5 > SNIPPET_NAME || !starts(w[1], SNIPPET_DIR "/") || strcmp(w[1] + length - 5, ".conf") || !word_name(w[1] + from, length - from - 5, "_-")) return false;
  snprintf(name, sizeof name, "%.*s", (int)(length - from - 5), w[1] + from);
  return add_fact(c, VHOST_SNIPPET, name, 0);
}

/* Of servers and locations. */
CHECK(none) { return n == 1; }
CHECK(on) { return ARE("on"); }
CHECK(off) { return ARE("off"); }
CHECK(all) { return ARE("all"); }
CHECK(bytes) { return n == 2 && word_number(w[1], 0, 1ull << 40, NULL); }
CHECK(network) { return n == 2 && word_network(w[1]); }
CHECK(realm) { return n == 2 && word_plain(w[1]); }

static const char *const no_variables[] = {NULL};
CHECK(add_header) { return n == 4 && word_header(w[1]) && word_text(w[2], no_variables) && is(w[3], "always"); }

/* `return` is what a location does; in a condition it is one code. */
CHECK(answer) {
  static const char *const variables[] = {"args", "host", "is_args", "reeve_port", "reeve_rest", "request_uri", "scheme", NULL};
  uint64_t code;
  if (n < 2 || !word_number(w[1], 200, 599, &code)) return false;
  if (c->in == VHOST_IF) return n == 2 && code == c->code;
  c->answers = true;
  if (c->in != VHOST_LOCATION || n > 3) return false;
  return n == 2 || (word_text(w[2], variables) && (c->raw || !strstr(w[2], "reeve_rest")));
}

CHECK(default_type) { return ARE("text/plain") || ARE("text/plain; charset=utf-8") || ARE("text/html; charset=utf-8"); }

/* Folders that no policy opens, and those around them. */
static bool folder_closed(const char *path) {
  static const char *const closed[] = {"/etc", "/proc", "/sys", "/dev", "/run", "/root", "/boot", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/backups", NULL};
  for (const char *const *at = closed; *at; at++) if (paths_meet(path, *at)) return true;
  return false;
}
bool vhost_folder_closed(const char *path) { return is(path, "/") || folder_closed(path); }

static bool folder(struct vhost_conf *c, const char *s, size_t n) {
  char path[256];
  if (n >= sizeof path) return false;
  snprintf(path, sizeof path, "%.*s", (int)n, s);
  if (!word_folder(path, 255)) return false;
  return vhost_folder_closed(path) ? no(c, "no policy lets that folder be served") : add_fact(c, VHOST_FOLDER, path, 0);
}
CHECK(root) {
  c->answers = true;
  return n == 2 && c->location == VHOST_ALL && folder(c, w[1], strlen(w[1]));
}

/* Only in "^~ /PATH/": else what follows the path could lead out of the folder. */
CHECK(alias) {
  size_t length = n == 2 ? strlen(w[1]) : 0;
  c->answers = true;
  return length > 1 && c->location == VHOST_BELOW && w[1][length - 1] == '/' && folder(c, w[1], length - 1);
}

CHECK(index_files) {
  size_t length = n == 4 ? strlen(w[3]) : 0;
  return ARE("index.html") || ARE("index.php", "index.html") || (length > 4 && is(w[1], "index.php") && is(w[2], "index.html") && word_route(w[3], length) && is(w[3] + length - 4, ".php"));
}

/* Nothing is below a device: the last one does not ask for files at all. */
CHECK(try_files) {
  const char *last = w[n - 1];
  bool leads = is(last, "=404") || word_named(last, "r");
  if (c->in == VHOST_LOCATION && ARE("/dev/null/none", last)) return c->answers = true, word_named(last, "r");
  return ARE("$uri", "/index.html", "=404") || ARE("$uri", "index.html", "=404") || (leads && (ARE("$uri", last) || ARE("$uri", "$uri/", last)));
}

CHECK(error_page) { return n == 3 && (is(w[1], "502") || is(w[1], "504")) && word_named(w[2], w[1]); }

/* What requests are passed on to. */
static bool upstream(struct vhost_conf *c, const char *s, bool http) {
  static const char *const behind[] = {"", "/", "$reeve_rest", "${reeve_rest}", NULL};
  static const char *const closed[] = {"/run/reeve/", "/run/reeved/", "/run/systemd/", "/run/dbus/", "/var/run/", "/proc/", "/dev/", "/sys/", NULL};
  char address[64], path[256];
  uint16_t port = 0;
  const char *rest = word_upstream(s, http, address, &port, path);
  if (!rest || (http ? !is_listed(behind, rest) : *rest != 0)) return false;
  if (http && strchr(rest, '$') && !c->raw) return no(c, "what is passed on has to be cut out of $request_uri");
  if (c->in == VHOST_NESTED) c->scripts = true;
  else c->answers = true;
  if (!path[0]) return add_fact(c, VHOST_UPSTREAM, address, port);
  return has_listed_prefix(closed, path) ? no(c, "no policy lets requests be passed on to that socket") : add_fact(c, VHOST_SOCKET, path, 0);
}

CHECK(proxy_pass) {
  size_t scheme = n < 2 ? 0 : starts(w[1], "http://") ? 7 : starts(w[1], "https://") ? 8 : 0;
  return n == 2 && scheme > 0 && c->in == VHOST_LOCATION && upstream(c, w[1] + scheme, true);
}
CHECK(uwsgi_pass) { return n == 2 && c->in == VHOST_LOCATION && upstream(c, w[1], false); }
CHECK(fastcgi_pass) { return n == 2 && upstream(c, w[1], false); }

CHECK(version11) { return ARE("1.1"); }
CHECK(seconds) { return n == 2 && word_seconds(w[1]); }
CHECK(one_header) { return n == 2 && word_header(w[1]); }
CHECK(proxy_name) { return n == 2 && (is(w[1], "$host") || word_plain(w[1])); }

/* Without what nginx decodes: line ends in it would begin another header. */
CHECK(set_header) {
  static const char *const sent[] = {"host", "reeve_connection", "reeve_port", "reeve_upgrade", "remote_addr", "remote_user", "scheme", "server_port", "ssl_client_serial", "ssl_client_verify", NULL};
  return n == 3 && word_header(w[1]) && word_text(w[2], sent);
}

static const char *const told[] = {"args", "content_length", "content_type", "document_uri", "host", "https", "is_args", "query_string", "reeve_port", "reeve_rest", "remote_addr",
  "remote_port", "remote_user", "request_method", "request_uri", "scheme", "server_addr", "server_name", "server_port", "server_protocol", "ssl_client_serial", "ssl_client_verify", "uri", NULL};

/* By no other name: some make what is behind load a program (UWSGI_FILE) or change its settings (PHP_VALUE). Those of HTTP are headers. */
CHECK(parameter) {
  static const char *const names[] = {"CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_URI", "GATEWAY_INTERFACE", "HTTPS", "PATH_INFO", "QUERY_STRING", "REDIRECT_STATUS", "REMOTE_ADDR", "REMOTE_PORT",
    "REMOTE_USER", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_NAME", "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", NULL};
  if (n != 3 && (n != 4 || strcmp(w[3], "if_not_empty"))) return false;
  bool header = starts(w[1], "HTTP_") && strlen(w[1]) <= 64 && strspn(w[1], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(w[1]);
  return (header || is_listed(names, w[1])) && word_text(w[2], told);
}

CHECK(fastcgi_parameter) {
  if (n == 3 && is(w[1], "DOCUMENT_ROOT")) return folder(c, w[2], strlen(w[2]));
  if (n != 3 || strcmp(w[1], "SCRIPT_FILENAME")) return parameter(c, w, n);
  size_t length = strlen(w[2]);
  if (is(w[2], "$request_filename")) return c->in == VHOST_NESTED;
  return word_folder(w[2], 512) && length > 4 && is(w[2] + length - 4, ".php") && add_fact(c, VHOST_SCRIPT, w[2], 0);
}

/* Blocks. */
CHECK(location) {
  size_t length = n == 3 ? strlen(w[2]) : 0;
  if (c->in == VHOST_LOCATION) return c->location != VHOST_EXACT && c->location != VHOST_APART && ARE("~*", "\\.php\\z");
  if (n < 2 || n > 3) return false;
  c->location = n == 2 ? is(w[1], "/") ? VHOST_ALL : VHOST_APART : is(w[1], "=") ? VHOST_EXACT : VHOST_BELOW;
  c->catches += c->location == VHOST_ALL;
  switch (c->location) {
    case VHOST_ALL: return true;
    case VHOST_APART: return word_named(w[1], NULL);
    case VHOST_EXACT: return word_route(w[2], length);
    case VHOST_BELOW: break;
  }
  return is(w[1], "^~") && length > 1 && w[2][length - 1] == '/' && word_route(w[2], length - 1);
}

/* Words are "($VARIABLE", the operator, the operand and ")", which stands alone behind quotes. */
CHECK(condition) {
  const char *name = n > 1 ? w[1] : "", *operator = n > 2 ? w[2] : "", *operand = n > 3 ? w[3] : "";
  bool same = is(operator, "="), other = is(operator, "!="), fits = is(operator, "~"), misfits = is(operator, "!~");
  c->code = 404;
  if (is(name, "($reeve_local")) return n == 4 && same && is(operand, "0)");
  if (n != 5 || strcmp(w[4], ")")) return false;
  c->code = misfits ? 400 : is(name, "($ssl_server_name") ? 421 : 403;
  if (is(name, "($ssl_server_name")) return other && is(operand, "$host");
  if (is(name, "($ssl_client_verify")) return other && is(operand, "SUCCESS");
  if (is(name, "($request_uri")) return c->raw = c->in == VHOST_LOCATION && misfits && word_rest(operand, true);
  if (strcmp(name, "($uri")) return false;
  if (misfits) return c->raw = false, c->in == VHOST_LOCATION && word_rest(operand, false);
  return fits && (word_hidden(operand) || word_denied(operand));
}

struct row { const char *name; unsigned in; check_fn *check; int opens; };
static const struct row rows[] = {
  {"server", VHOST_TOP, none, VHOST_SERVER}, {"location", VHOST_SERVER | VHOST_LOCATION, location, VHOST_LOCATION}, {"if", INSIDE, condition, VHOST_IF}, {"types", INSIDE, none, VHOST_TYPES},
  {"listen", VHOST_SERVER, listen_at, 0}, {"server_name", VHOST_SERVER, server_name, 0}, {"include", VHOST_SERVER, snippet, 0},
  {"ssl_certificate", VHOST_SERVER, certificate, 0}, {"ssl_certificate_key", VHOST_SERVER, certificate_key, 0}, {"ssl_protocols", VHOST_SERVER, protocols, 0},
  {"ssl_session_tickets", VHOST_SERVER, off, 0}, {"ssl_verify_client", VHOST_SERVER, optional, 0}, {"ssl_verify_depth", VHOST_SERVER, depth, 0},
  {"ssl_client_certificate", VHOST_SERVER, authorities, 0}, {"ssl_crl", VHOST_SERVER, revoked, 0}, {"absolute_redirect", VHOST_SERVER, off, 0},
  {"client_max_body_size", BOTH, bytes, 0}, {"satisfy", BOTH, all, 0}, {"allow", BOTH, network, 0}, {"deny", BOTH, all, 0},
  {"auth_basic", BOTH, realm, 0}, {"auth_basic_user_file", BOTH, users, 0}, {"add_header", BOTH, add_header, 0},
  {"return", VHOST_LOCATION | VHOST_IF, answer, 0}, {"default_type", INSIDE, default_type, 0}, {"root", VHOST_LOCATION, root, 0}, {"alias", VHOST_LOCATION, alias, 0},
  {"index", INSIDE, index_files, 0}, {"autoindex", INSIDE, off, 0}, {"try_files", INSIDE, try_files, 0}, {"error_page", INSIDE, error_page, 0},
  {"proxy_pass", INSIDE, proxy_pass, 0}, {"proxy_http_version", INSIDE, version11, 0}, {"proxy_set_header", INSIDE, set_header, 0}, {"proxy_hide_header", INSIDE, one_header, 0},
  {"proxy_buffering", INSIDE, off, 0}, {"proxy_connect_timeout", INSIDE, seconds, 0}, {"proxy_send_timeout", INSIDE, seconds, 0}, {"proxy_read_timeout", INSIDE, seconds, 0},
  {"proxy_ssl_server_name", INSIDE, on, 0}, {"proxy_ssl_name", INSIDE, proxy_name, 0}, {"proxy_ssl_protocols", INSIDE, protocols, 0},
  {"uwsgi_pass", INSIDE, uwsgi_pass, 0}, {"uwsgi_param", INSIDE, parameter, 0}, {"uwsgi_hide_header", INSIDE, one_header, 0}, {"uwsgi_buffering", INSIDE, off, 0},
  {"uwsgi_connect_timeout", INSIDE, seconds, 0}, {"uwsgi_send_timeout", INSIDE, seconds, 0}, {"uwsgi_read_timeout", INSIDE, seconds, 0},
  {"fastcgi_pass", INSIDE, fastcgi_pass, 0}, {"fastcgi_param", INSIDE, fastcgi_parameter, 0}, {"fastcgi_hide_header", INSIDE, one_header, 0}, {"fastcgi_buffering", INSIDE, off, 0},
  {"fastcgi_connect_timeout", INSIDE, seconds, 0}, {"fastcgi_send_timeout", INSIDE, seconds, 0}, {"fastcgi_read_timeout", INSIDE, seconds, 0},
};

static const struct row *row_of(const char *name) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) if (is(rows[i].name, name)) return &rows[i];
  return NULL;
}

int vhost_directive(struct vhost_conf *c, const char *const *words, size_t n, bool opens) {
  const struct row *row = row_of(words[0]);
  c->why[0] = 0;
  if (!row || !(row->in & (unsigned)c->in)) {
    snprintf(c->why, sizeof c->why, "\"%.60s\" is not allowed there", words[0]);
    return -1;
  }
  bool nested = c->in == VHOST_LOCATION && row->opens == VHOST_LOCATION;
  if ((row->opens != 0) != opens) snprintf(c->why, sizeof c->why, "\"%s\" has a block, or has none", row->name);
  else if (row->check(c, words, n)) return nested ? VHOST_NESTED : row->opens;
  else if (!c->why[0]) snprintf(c->why, sizeof c->why, "these words of \"%s\" are not allowed", row->name);
  return -1;
}
