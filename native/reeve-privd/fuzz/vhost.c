/* Fuzz target: a site's text, and a set of files. Whatever was taken asks for what it leads to, in one form, and can be read again by nginx's own rules. */
#include "../tests/globals.h"
#include "../vhost_set.h"
#include "../vhost_word.h"

#define SITE "a.example.org"

static bool asks(const struct vhost_facts *facts, enum vhost_fact_kind kind, const char *text, size_t n) {
  for (size_t i = 0; i < facts->n; i++) if (facts->list[i].kind == kind && strlen(facts->list[i].text) == n && !memcmp(facts->list[i].text, text, n)) return true;
  return false;
}

/* Each word that names something outside is among the facts; no word has what would begin another directive's file or program. */
static void check_directive(const struct nginx_reader *r, const struct vhost_facts *facts) {
  const char *name = r->words[0], *last = r->words[r->nwords - 1];
  static const char *const never[] = {"load_module", "ssl_engine", "perl", "perl_set", "js_import", "lua_package_path", "set", "rewrite", "access_log", "error_log", "proxy_store", "dav_methods", "resolver",
    "proxy_ssl_certificate", "proxy_temp_path", "scgi_pass", "grpc_pass", "memcached_pass", "upstream", "map", "geo", "internal", "mirror", "limit_except", "auth_request", "sub_filter", NULL};
  size_t n = strlen(last);
  if (is_listed(never, name)) abort();
  for (size_t i = 0; i < r->nwords; i++) if (strpbrk(r->words[i], "\r\n\t\x7f")) abort();
  if (!strcmp(name, "include") && (strncmp(last, SNIPPET_DIR "/", sizeof SNIPPET_DIR) || !asks(facts, VHOST_SNIPPET, last + sizeof SNIPPET_DIR, n - sizeof SNIPPET_DIR - 5))) abort();
  if (!strcmp(name, "root") && (!asks(facts, VHOST_FOLDER, last, n) || vhost_folder_closed(last))) abort();
  if (!strcmp(name, "alias") && (last[n - 1] != '/' || !asks(facts, VHOST_FOLDER, last, n - 1))) abort();
  if (!strcmp(name, "server_name") && !asks(facts, VHOST_NAME, last, n)) abort();
  if (!strcmp(name, "listen") && !asks(facts, VHOST_PORT, r->words[1], strlen(r->words[1]))) abort();
  if (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, "_pass")) {
    char address[64], path[256];
    uint16_t port;
    bool http = !strncmp(last, "http", 4);
    if (!word_upstream(http ? strstr(last, "://") + 3 : last, http, address, &port, path)) abort();
    if (!asks(facts, *path ? VHOST_SOCKET : VHOST_UPSTREAM, *path ? path : address, strlen(*path ? path : address))) abort();
  }
}

static void check_conf(const char *text, size_t n, const struct vhost_facts *facts) {
  static struct nginx_reader r;
  unsigned deep = 0, servers = 0;
  nginx_reader_init(&r, text, n);
  for (enum nginx_kind kind; (kind = nginx_next(&r)) != NGINX_END;) {
    if (kind == NGINX_BAD || (kind == NGINX_CLOSE && deep == 0)) abort();
    if (kind != NGINX_CLOSE) check_directive(&r, facts);
    if (deep == 0 && strcmp(r.words[0], "server")) abort();
    servers += deep == 0 && kind == NGINX_OPEN;
    deep += kind == NGINX_OPEN;
    deep -= kind == NGINX_CLOSE;
  }
  if (deep != 0 || servers < 1 || servers > 2) abort();
  if (!asks(facts, VHOST_NAME, SITE, sizeof SITE - 1)) abort();
}

static void check_facts(const struct vhost_facts *facts) {
  for (size_t i = 0; i < facts->n; i++) {
    const struct vhost_fact *f = &facts->list[i];
    if (strstr(f->text, "..") || strpbrk(f->text, "$\"'\\; {}\n")) abort();
    if (f->kind == VHOST_FOLDER && (!vhost_path(f->text) || vhost_folder_closed(f->text))) abort();
    if (f->kind == VHOST_SOCKET && (!vhost_path(f->text) || !strncmp(f->text, "/run/reeve/", 11))) abort();
    if ((f->kind == VHOST_PORT || f->kind == VHOST_UPSTREAM) && f->port == 0) abort();
  }
}

static void check_set(const char *text, size_t n) {
  struct vhost_want want;
  for (size_t at = 0, before = 0; vhost_want_next(text, n, &at, &want); before = at)
    if (at > n || at <= before || (want.put && (want.text < text || want.text + want.n > text + n))) abort();
}

/* As files of others are read: to the end or to what is wrong, each directive with its line. */
static void check_words(const char *text, size_t n) {
  static struct nginx_reader r;
  unsigned line = 1;
  nginx_reader_init(&r, text, n);
  for (enum nginx_kind kind; (kind = nginx_next(&r)) != NGINX_END && kind != NGINX_BAD; line = r.from)
    if (r.at > n || r.from < line || r.line < r.from || (r.nwords == 0) != (kind == NGINX_CLOSE)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  char site[SITE_MAX_LEN + 1], name[300];
  static const enum vhost_kind others[] = {VHOST_AUTH, VHOST_CA, VHOST_CRL, VHOST_CRT, VHOST_KEY};
  uint8_t model[32];
  AUTO_FACTS facts = {0};
  AUTO_FACTS none = {0};
  struct vhost_wrong w = {0};
  /* Without its first line too: fuzzers do not find that. */
  if (vhost_conf(SITE, text, size, &facts, &w)) {
    check_conf(text, size, &facts);
    check_facts(&facts);
  } else if (!w.says[0]) abort();
  if (vhost_content(VHOST_CONF, SITE, text, size, &none, &w) && !vhost_model(text, size, model)) abort();
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) (void)vhost_content(others[i], SITE, text, size, &none, &w);
  check_set(text, size);
  check_words(text, size);
  snprintf(name, sizeof name, "%.*s", (int)(size < 290 ? size : 290), text);
  if (vhost_kind(name, site) != VHOST_NONE && (strchr(name, '/') || name[0] == '.' || !site[0])) abort();
  return 0;
}
