/* Unit tests of what a site may say: nginx's words, the list of directives, files of other kinds. Runs under ASan and UBSan. */
#include "globals.h"
#include "vhost.h"
#include "vhost_word.h"

static int failures, checks;
#define CHECK(what) (checks++, (what) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #what)))
#define MODEL "abababababababababababababababababababababababababababababababab"
#define HEAD "# Managed by Reeve: changes made here are told and not overwritten. model " MODEL "\n"

/* Directives as "LINE word|word;" or "LINE word|word{", "}", and what stopped it. */
static void told(const char *text, size_t n, char *out, size_t room) {
  static struct nginx_reader r;
  size_t used = 0;
  enum nginx_kind kind;
  nginx_reader_init(&r, text, n);
  out[0] = 0;
  while ((kind = nginx_next(&r)) != NGINX_END && kind != NGINX_BAD && used < room) {
    if (kind != NGINX_CLOSE) used += (size_t)snprintf(out + used, room - used, "%u ", r.from);
    for (size_t i = 0; i < r.nwords && used < room; i++) used += (size_t)snprintf(out + used, room - used, "%s%s", i ? "|" : "", r.words[i]);
    if (used < room) used += (size_t)snprintf(out + used, room - used, "%s", kind == NGINX_SIMPLE ? ";" : kind == NGINX_OPEN ? "{" : "}");
  }
  if (kind == NGINX_BAD && used < room) snprintf(out + used, room - used, "!%u", r.line);
}

/* Each as nginx 1.22 reads it. */
static void test_words(void) {
  static const char *const cases[][2] = {
    {"", ""}, {" \t\r\n", ""}, {"# only\n# comments", ""}, {"a;", "1 a;"}, {"a b  c\t;", "1 a|b|c;"}, {"\n\na\nb\n;\nc;", "3 a|b;6 c;"}, {"a{b;}", "1 a{1 b;}"}, {"a { b; } c;", "1 a{1 b;}1 c;"},
    {"a \"b c\";", "1 a|b c;"}, {"a 'b \" c';", "1 a|b \" c;"}, {"a \"b ' c\";", "1 a|b ' c;"}, {"a \"\";", "1 a|;"}, {"a \"b\\\"c\\\\d\";", "1 a|b\"c\\d;"}, {"a \"b\\tc\";", "1 a|b\tc;"}, {"a \"b\\xc\";", "1 a|b\\xc;"},
    {"a b\\ c;", "1 a|b\\ c;"}, {"a \\;b;", "1 a|\\;b;"}, {"a \\\"b;", "1 a|\"b;"}, {"a b\"c\";", "1 a|b\"c\";"}, {"a b#c;", "1 a|b#c;"}, {"a b #c;\nd;", "1 a|b|d;"}, {"a ${b};", "1 a|${b};"}, {"a $b{c;}", "1 a|$b{1 c;}"},
    {"a \"${b}{};\";", "1 a|${b}{};;"}, {"if ($a = \"b\") { c; }", "1 if|($a|=|b|){1 c;}"}, {"if ($a = b) { c; }", "1 if|($a|=|b){1 c;}"}, {"a \"b\"{c;}", "1 a|b{1 c;}"}, {"a \"b\nc\" d;e;", "1 a|b\nc|d;2 e;"},
    {"a \\\nb;c;", "1 a|\\\nb;2 c;"}, {"a }b;", "!1"}, {"}", "}"}, {";", "!1"}, {"{", "!1"}, {"a", "!1"}, {"a;\nb \"c", "1 a;!2"}, {"a 'b", "!1"}, {"a \"b\"c;", "!1"}, {"a \"b\"#c\n;", "!1"}, {"a \"b\"}", "!1"}, {"a \"b\"\n;", "1 a|b;"},
    {"a }", "!1"}, {"a b;}", "1 a|b;}"}, {"a \\", "!1"}, {"a \"\\\"", "!1"}, {"{}", "!1"}, {"a {;", "1 a{!1"}, {"a b};", "1 a|b};"},
    {"a_by_lua_block { b(\"}\\\"\", '}', [==[ }\n]=]}]==], {c}) --[[ } ]] -- }\n}\nd;", "1 a_by_lua_block;4 d;"}, {"a_by_lua_block $b {}c;", "1 a_by_lua_block|$b;1 c;"}, {"a_by_lua_block {\n'}", "!2"}, {"a_by_lua_block { [[ }", "!1"}, {"_by_lua_block {}", "1 _by_lua_block{}"},
  };
  char out[400];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    told(cases[i][0], strlen(cases[i][0]), out, sizeof out);
    if (strcmp(out, cases[i][1])) printf("%s -> %s\n", cases[i][0], out);
    CHECK(!strcmp(out, cases[i][1]));
  }
  static char longest[2 * NGINX_WORD_MAX];
  for (size_t n = NGINX_WORD_MAX - 2; n < NGINX_WORD_MAX + 2; n++) {
    memset(longest, 'a', n);
    strcpy(longest + n, ";");
    told(longest, n + 1, out, sizeof out);
    CHECK((out[0] == '!') == (n >= NGINX_WORD_MAX));
  }
  told("a\0b;", 4, out, sizeof out);
  told("\0;", 2, out, sizeof out);
  CHECK(!strcmp(out, "!1"));
}

/* A site with one of each. */
static const char good[] = HEAD
  "server {\n    listen 80;\n    listen [::]:80 default_server;\n    server_name \"a.example.org\" \"*.b.example\";\n"
  "    location = \"/.well-known/reeve-probe\" {\n        if ($reeve_local = 0) {\n            return 404;\n        }\n        default_type text/plain;\n        return 200 \"" MODEL "\";\n    }\n"
  "    location \"/\" {\n        return 301 \"https://$host:8443$request_uri\";\n    }\n}\n"
  "server {\n    listen \"192.0.2.7:443\" ssl http2;\n    listen \"[2001:db8::7]:8443\" default_server ssl http2;\n    server_name \"a.example.org\";\n"
  "    ssl_certificate \"/etc/ssl/reeve/web/cert.pem\";\n    ssl_certificate_key \"/etc/nginx/reeve/current/a.example.org.key\";\n    ssl_protocols TLSv1.2 TLSv1.3;\n"
  "    ssl_client_certificate \"/etc/nginx/reeve/current/a.example.org.ca\";\n    ssl_verify_client optional;\n    client_max_body_size 1048576;\n"
  "    allow \"10.0.0.0/8\";\n    deny all;\n    auth_basic \"a.example.org\";\n    auth_basic_user_file \"/etc/nginx/reeve/current/a.example.org.auth\";\n"
  "    include \"/etc/reeve/snippets/own_1.conf\";\n    add_header X-A \"1 ${reeve_dollar} \\\"2\\\"\" always;\n"
  "    location = \"/app\" {\n        proxy_pass \"http://127.0.0.1:8080/\";\n    }\n"
  "    location ^~ \"/app/\" {\n        if ($ssl_server_name != \"$host\") {\n            return 421;\n        }\n"
  "        if ($request_uri !~ \"(?s)^/app(?<reeve_rest>/.*)\") {\n            return 400;\n        }\n        proxy_pass \"http://127.0.0.1:8080$reeve_rest\";\n"
  "        proxy_set_header Host \"$host$reeve_port\";\n        proxy_set_header Forwarded \"\";\n        proxy_read_timeout 60s;\n        error_page 502 @reeve_502;\n    }\n"
  "    location ^~ \"/sock/\" {\n        proxy_pass \"https://unix:/run/app.sock:/\";\n    }\n"
  "    location ^~ \"/py/\" {\n        if ($uri !~ \"(?s)^/py(?<reeve_rest>/.*)\") {\n            return 400;\n        }\n        uwsgi_pass \"unix:/run/uwsgi/a.sock\";\n        uwsgi_param PATH_INFO \"$reeve_rest\";\n"
  "        uwsgi_param HTTP_PROXY \"\";\n        uwsgi_param HTTPS \"$https\" if_not_empty;\n    }\n"
  "    location ^~ \"/files/\" {\n        if ($uri ~ \"(?s)^/files/(?:.*/)?\\\\.(?!well-known(?:/|\\\\z))\") {\n            return 403;\n        }\n        alias \"/srv/files/\";\n        index index.html;\n        autoindex off;\n    }\n"
  "    location ^~ \"/old/\" {\n        if ($request_uri !~ \"(?s)^/old(?<reeve_rest>(?:[/?].*)?)\\\\z\") {\n            return 400;\n        }\n        return 308 \"https://c.example$reeve_rest\";\n    }\n"
  "    location \"/\" {\n        if ($uri ~ \"^/wp\\\\.d/x(?:/|\\\\z)\") {\n            return 403;\n        }\n        root \"/srv/php\";\n        try_files $uri $uri/ @reeve_r0;\n"
  "        location ~* \"\\\\.php\\\\z\" {\n            fastcgi_pass \"unix:/run/php/a.sock\";\n            fastcgi_param SCRIPT_FILENAME \"$request_filename\";\n        }\n    }\n"
  "    location @reeve_r0 {\n        fastcgi_pass \"[fd00::5]:9000\";\n        fastcgi_param SCRIPT_FILENAME \"/srv/php/web/index.php\";\n        fastcgi_param DOCUMENT_ROOT \"/srv/php\";\n    }\n"
  "    location @reeve_502 {\n        types { }\n        default_type \"text/html; charset=utf-8\";\n        return 502 \"<h1>&#36;</h1>\";\n    }\n}\n";

/* The good one with `from` exchanged for `to`. */
static bool fits_with(const char *from, const char *to, struct vhost_wrong *w) {
  static char text[16384];
  const char *at = strstr(good, from);
  AUTO_FACTS facts = {0};
  if (!at) {
    CHECK(!"there is no such text");
    return true;
  }
  int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
  *w = (struct vhost_wrong){0};
  return vhost_content(VHOST_CONF, "a.example.org", text, (size_t)n, &facts, w);
}

static void test_good(void) {
  static const struct { enum vhost_fact_kind kind; const char *text; uint16_t port; } wanted[] = {
    {VHOST_PORT, "80", 80}, {VHOST_PORT, "[::]:80", 80}, {VHOST_NAME, "a.example.org", 0}, {VHOST_NAME, "*.b.example", 0}, {VHOST_PORT, "192.0.2.7:443", 443}, {VHOST_PORT, "[2001:db8::7]:8443", 8443},
    {VHOST_CERT, "web", 0}, {VHOST_SNIPPET, "own_1", 0}, {VHOST_UPSTREAM, "127.0.0.1", 8080}, {VHOST_SOCKET, "/run/app.sock", 0}, {VHOST_SOCKET, "/run/uwsgi/a.sock", 0}, {VHOST_FOLDER, "/srv/files", 0},
    {VHOST_FOLDER, "/srv/php", 0}, {VHOST_SOCKET, "/run/php/a.sock", 0}, {VHOST_UPSTREAM, "fd00::5", 9000}, {VHOST_SCRIPT, "/srv/php/web/index.php", 0}};
  AUTO_FACTS facts = {0};
  struct vhost_wrong w = {0};
  bool fits = vhost_content(VHOST_CONF, "a.example.org", good, sizeof good - 1, &facts, &w);
  if (!fits) printf("line %u: %s\n", w.line, w.says);
  CHECK(fits && facts.n == sizeof wanted / sizeof *wanted);
  for (size_t i = 0; fits && i < facts.n; i++) CHECK(facts.list[i].kind == wanted[i].kind && !strcmp(facts.list[i].text, wanted[i].text) && facts.list[i].port == wanted[i].port);
}

/* What somebody would try who has taken over the agent. The good text stands once before what is exchanged. */
static const char *const tries[][2] = {
  {"# Managed", "# managed"}, {MODEL "\n", "\n"}, {"server {\n    listen 80", "load_module modules/a.so;\nserver {\n    listen 80"}, {"server {\n    listen 80", "http {\nserver {\n    listen 80"},
  {"    listen 80;\n    listen [::]:80 default_server;\n", ""}, {"    server_name \"a.example.org\" \"*.b.example\";\n", ""}, {"\"a.example.org\" \"*.b.example\"", "\"b.example.org\""}, {"\"*.b.example\"", "\"~^.*\""},
  {"\"*.b.example\"", "_"}, {"\"*.b.example\"", "\"b.*\""}, {"\"*.b.example\"", "\"*\""}, {"\"*.b.example\"", ".b.example"}, {"\"*.b.example\"", "\"B.example\""}, {"\"*.b.example\"", "\"1.2.3.4\""}, {"\"*.b.example\"", "$host"},
  {"listen 80;", "listen 80 proxy_protocol;"}, {"listen 80;", "listen unix:/run/a.sock;"}, {"listen 80;", "listen 0;"}, {"listen 80;", "listen 65536;"}, {"listen 80;", "listen localhost:80;"}, {"listen 80;", "listen 80-90;"},
  {"listen 80;", "listen 80 ssl;"}, {"192.0.2.7:443", "0.0.0.0:443"}, {"192.0.2.7:443", "192.0.2.07:443"}, {"192.0.2.7:443", "224.0.0.1:443"}, {"[2001:db8::7]", "[2001:db8:0::7]"}, {"[2001:db8::7]", "[::ffff:10.0.0.1]"}, {"[2001:db8::7]", "[fe80::1]"},
  {"/etc/ssl/reeve/web/cert.pem", "/etc/ssl/private/cert.pem"}, {"/etc/ssl/reeve/web/cert.pem", "/etc/ssl/reeve/../web/cert.pem"}, {"/etc/ssl/reeve/web/cert.pem", "/etc/ssl/reeve/web/key.pem"}, {"/etc/ssl/reeve/web/cert.pem", "data:$host"},
  {"/etc/ssl/reeve/web/cert.pem", "/etc/ssl/reeve/a/b/cert.pem"}, {"current/a.example.org.key", "current/b.example.org.key"}, {"current/a.example.org.key", "current/a.example.org.crt"}, {"current/a.example.org.ca", "current/../../a.example.org.ca"},
  {"ssl_verify_client optional", "ssl_verify_client optional_no_ca"}, {"client_max_body_size 1048576", "client_max_body_size 1g"}, {"allow \"10.0.0.0/8\"", "allow \"10.0.0.0/33\""}, {"allow \"10.0.0.0/8\"", "allow unix:"}, {"deny all", "allow all"},
  {"current/a.example.org.auth", "current/a.example.org.key"}, {"\"/etc/nginx/reeve/current/a.example.org.auth\"", "/etc/shadow"}, {"own_1.conf", "../policy.conf"}, {"own_1.conf", "*.conf"}, {"own_1.conf", "own.1.conf"}, {"/etc/reeve/snippets/own_1.conf", "/etc/nginx/nginx.conf"},
  {"always;", ";"}, {"${reeve_dollar}", "$ssl_client_cert"}, {"${reeve_dollar}", "$document_uri"}, {"${reeve_dollar}", "$"}, {"${reeve_dollar}", "${reeve_dollar"}, {"X-A", "\"X-A: b\""}, {"\\\"2\\\"", "\\n"},
  {"location = \"/app\"", "location = \"/app/\""}, {"location = \"/app\"", "location = \"/../app\""}, {"location = \"/app\"", "location = \"/a$host\""}, {"location = \"/app\"", "location ~ \"/app\""}, {"location = \"/app\"", "location @own"}, {"location = \"/app\"", "location"}, {"location = \"/app\"", "location = \"/app\" b"}, {"listen 80;", "listen;"}, {"always;", "always b;"}, {"return 421", "return"}, {"= 0)", ")"},
  {"502 @reeve_502;", "502;"}, {"autoindex off", "autoindex"}, {"index index.html", "index"}, {"$uri $uri/ @reeve_r0", ""}, {"alias \"/srv/files/\"", "alias"}, {"http://127.0.0.1:8080/\"", "http://127.0.0.1:8080/\" b"},
  {"http://127.0.0.1:8080/\"", "http://127.0.0.1/\""}, {"http://127.0.0.1:8080/\"", "http://localhost:8080/\""}, {"http://127.0.0.1:8080/\"", "http://127.0.0.1:8080/x\""}, {"http://127.0.0.1:8080/\"", "http://$host:8080/\""},
  {"http://127.0.0.1:8080/\"", "http://127.0.0.1:8080$request_uri\""}, {"http://127.0.0.1:8080/\"", "http://127.0.0.1:8080$reeve_rest\""}, {"http://127.0.0.1:8080/\"", "http://[::ffff:7f00:1]:8080/\""}, {"http://127.0.0.1:8080/\"", "http://0.0.0.0:8080/\""},
  {"http://127.0.0.1:8080/\"", "http://[::]:8080/\""}, {"http://127.0.0.1:8080/\"", "http://[0:0:0:0:0:0:0:1]:8080/\""}, {"http://127.0.0.1:8080/\"", "http://127.1:8080/\""}, {"http://127.0.0.1:8080/\"", "ftp://127.0.0.1:8080/\""}, {"http://127.0.0.1:8080/\"", "http://a@127.0.0.1:8080/\""},
  {"(?s)^/app(?<reeve_rest>/.*)", "(?s)^/app(?<reeve_rest>.*)"}, {"(?s)^/app(?<reeve_rest>/.*)", "(?s)^/app(?<reeve_rest>/?.*)"}, {"(?s)^/app(?<reeve_rest>/.*)", "(?s)^/a.p(?<reeve_rest>/.*)"}, {"(?s)^/app(?<reeve_rest>/.*)", "(?s)^/(a+)+(?<reeve_rest>/.*)"},
  {"$request_uri !~ \"(?s)^/app(?<reeve_rest>/.*)\"", "$uri !~ \"(?s)^/app(?<reeve_rest>/.*)\""}, {"$request_uri !~", "$request_uri ~"}, {"return 421", "return 403"}, {"return 421", "return 200 \"a\""}, {"return 421", "proxy_pass \"http://127.0.0.1:1\""}, {"!= \"$host\"", "!= \"$http_host\""},
  {"\"$host$reeve_port\"", "\"$http_authorization\""}, {"\"$host$reeve_port\"", "\"$document_uri\""}, {"proxy_read_timeout 60s", "proxy_read_timeout 1d"}, {"proxy_read_timeout 60s", "proxy_store on"}, {"proxy_read_timeout 60s", "proxy_ssl_certificate /etc/ssl/a"},
  {"502 @reeve_502;", "502 /etc/passwd;"}, {"502 @reeve_502;", "502 =200 @reeve_502;"}, {"/run/app.sock", "/run/reeve/priv.sock"}, {"/run/app.sock", "/run/../app.sock"}, {"/run/app.sock", "run/app.sock"}, {"unix:/run/uwsgi/a.sock", "unix:/run/systemd/private"},
  {"uwsgi_param PATH_INFO", "uwsgi_param UWSGI_FILE"}, {"uwsgi_param PATH_INFO", "uwsgi_param SCRIPT_FILENAME"}, {"uwsgi_param PATH_INFO", "uwsgi_param DOCUMENT_ROOT"}, {"HTTP_PROXY", "HTTP-PROXY"}, {"$https\"", "$ssl_client_raw_cert\""},
  {"alias \"/srv/files/\"", "alias \"/srv/files\""}, {"alias \"/srv/files/\"", "root \"/srv/files\""}, {"alias \"/srv/files/\"", "alias \"/srv/../files/\""}, {"alias \"/srv/files/\"", "alias \"/etc/\""}, {"alias \"/srv/files/\"", "alias \"/srv/$host/\""}, {"alias \"/srv/files/\"", "alias \"/\""},
  {"alias \"/srv/files/\"", "alias \"/var/\""}, {"alias \"/srv/files/\"", "alias \"/var/log/a/\""}, {"alias \"/srv/files/\"", "alias \"/srv//files/\""}, {"alias \"/srv/files/\"", "alias \"/srv/.files/\""}, {"        alias \"/srv/files/\";\n", ""},
  {"location ^~ \"/files/\"", "location ^~ \"/files\""}, {"location ^~ \"/files/\"", "location = \"/files\""}, {"location ^~ \"/files/\"", "location \"/files/\""}, {"location ^~ \"/files/\"", "location ~ \"/files/\""}, {"autoindex off", "autoindex on"},
  {"https://c.example$reeve_rest", "https://c.example$uri"}, {"$request_uri !~ \"(?s)^/old(?<reeve_rest>(?:[/?].*)?)\\\\z\"", "$uri !~ \"(?s)^/old(?<reeve_rest>/.*)\""}, {"^/wp\\\\.d/x(?:/|\\\\z)", "^/wp\\\\.d/x(?<args>/|\\\\z)"}, {"^/wp\\\\.d/x(?:/|\\\\z)", ".*"},
  {"root \"/srv/php\"", "root \"/home/../srv\""}, {"root \"/srv/php\"", "root \"/root\""}, {"root \"/srv/php\"", "root \"srv/php\""}, {"        root \"/srv/php\";\n", ""}, {"$uri $uri/ @reeve_r0", "$uri /etc/passwd =404"}, {"$uri $uri/ @reeve_r0", "$uri $uri/ @reeve_502"},
  {"fastcgi_pass \"unix:/run/php/a.sock\"", "proxy_pass \"http://127.0.0.1:1\""}, {"            fastcgi_pass \"unix:/run/php/a.sock\";\n", ""}, {"\"$request_filename\"", "\"$document_root/a.php\""}, {"\"$request_filename\"", "\"/etc/a.php\""},
  {"fastcgi_param SCRIPT_FILENAME \"$request_filename\"", "fastcgi_param PHP_VALUE \"auto_prepend_file=php://input\""}, {"fastcgi_param SCRIPT_FILENAME \"$request_filename\"", "fastcgi_param PHP_ADMIN_VALUE \"a=b\""},
  {"\"/srv/php/web/index.php\"", "\"/srv/phpweb/index.php\""}, {"\"/srv/php/web/index.php\"", "\"/srv/php/a.png\""}, {"DOCUMENT_ROOT \"/srv/php\"", "DOCUMENT_ROOT \"/etc\""}, {"\"\\\\.php\\\\z\"", "\"\\\\.\""}, {"location @reeve_r0", "location @r0"},
  {"types { }", "types { text/html php; }"}, {"types { }", "charset_map a b { }"}, {"text/html; charset=utf-8", "application/x"}, {"return 502", "return 999"}, {"&#36;", "$document_root"}, {"&#36;", "$request_filename"},
  {"\"<h1>", "\"\\t<h1>"}, {"    location @reeve_502", "    rewrite ^ /;\n    location @reeve_502"}, {"    location @reeve_502", "    set $a b;\n    location @reeve_502"}, {"    location @reeve_502", "    access_log /srv/a;\n    location @reeve_502"},
  {"    location @reeve_502", "    error_log /srv/a;\n    location @reeve_502"}, {"    location @reeve_502", "    perl b;\n    location @reeve_502"}, {"    location @reeve_502", "    js_content a;\n    location @reeve_502"}, {"    location @reeve_502", "    resolver 1.1.1.1;\n    location @reeve_502"},
  {"    location @reeve_502", "    content_by_lua_block { os.execute() }\n    location @reeve_502"}, {"    location @reeve_502", "    ssl_engine a;\n    location @reeve_502"}, {"    location @reeve_502", "    return 200;\n    location @reeve_502"}, {"    location @reeve_502", "    server_name \"c.example\";\n    location @reeve_502"},
  {"    location @reeve_502", "    location \"/\" {\n return 200;\n}\n    location @reeve_502"}, {"    location @reeve_502", "}\n server {\n listen 1024;\n server_name \"a.example.org\";\n location \"/\" {\n return 200;\n}\n    location @reeve_502"},
  {"    location \"/\" {\n        return 301 \"https://$host:8443$request_uri\";\n    }\n", ""}, {"        return 301 \"https://$host:8443$request_uri\";\n", ""}, {"server {\n    listen 80", "}\nserver {\n    listen 80"},
};

static void test_tries(void) {
  struct vhost_wrong w;
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    bool fits = fits_with(tries[i][0], tries[i][1], &w);
    if (fits) printf("taken: %s -> %s\n", tries[i][0], tries[i][1]);
    CHECK(!fits && w.says[0]);
  }
  CHECK(!fits_with("autoindex off", "autoindex on", &w) && w.line == 67 && !strcmp(w.says, "these words of \"autoindex\" are not allowed"));
  CHECK(fits_with("http://127.0.0.1:8080/\"", "http://[::1]:8080\"", &w) && fits_with("alias \"/srv/files/\"", "alias \"/var/www/files/\"", &w) && fits_with("alias \"/srv/files/\"", "alias \"/run2/files/\"", &w));
}

static bool file_fits(const char *file, const char *text) {
  char site[SITE_MAX_LEN + 1] = "";
  AUTO_FACTS facts = {0};
  struct vhost_wrong w = {0};
  return vhost_content(vhost_kind(file, site), site, text, strlen(text), &facts, &w);
}

#define HASH "$2b$12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
#define BLOCK(label) "-----BEGIN " label "-----\nMIIB+/==\n-----END " label "-----\n"
static void test_files(void) {
  static const char *const good_files[][2] = {{"a.b.auth", "a:" HASH "\nb:" HASH "\n"}, {"_.a.b.auth1", "a@b.c-d_E:" HASH "\n"}, {"a.b.auth4294967295", "a:" HASH "\n"}, {"a.b.ca", BLOCK("CERTIFICATE") BLOCK("CERTIFICATE")},
    {"a.b.crl", BLOCK("X509 CRL")}, {"a.b.crt", BLOCK("CERTIFICATE")}, {"a.b.key", BLOCK("PRIVATE KEY")}, {"a.b.key", BLOCK("EC PRIVATE KEY")}};
  static const char *const bad_files[][2] = {{"a.b.auth", ""}, {"a.b.auth", "a:" HASH}, {"a.b.auth", "b:" HASH "\na:" HASH "\n"}, {"a.b.auth", "a:" HASH "\na:" HASH "\n"}, {"a.b.auth", "a:{PLAIN}b\n"}, {"a.b.auth", ":" HASH "\n"}, {"a.b.auth", "a:" HASH ":x\n"},
    {"a.b.auth", "a:$2y$" "12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n"}, {"a.b.auth", "a:$2b$15$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n"}, {"a.b.auth01", "a:" HASH "\n"}, {"a.b.auth0", "a:" HASH "\n"}, {"a.b.authx", "a:" HASH "\n"},
    {"a.b.ca", ""}, {"a.b.ca", BLOCK("PRIVATE KEY")}, {"a.b.ca", BLOCK("CERTIFICATE") BLOCK("PRIVATE KEY")}, {"a.b.ca", "x\n" BLOCK("CERTIFICATE")}, {"a.b.ca", BLOCK("CERTIFICATE") "\n"}, {"a.b.ca", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
    {"a.b.ca", "-----BEGIN CERTIFICATE-----\nMI IB\n-----END CERTIFICATE-----\n"}, {"a.b.ca", "-----BEGIN CERTIFICATE-----\nMIIB\n"}, {"a.b.crl", BLOCK("CERTIFICATE")}, {"a.b.key", BLOCK("CERTIFICATE")}, {"a.b.key", BLOCK("PRIVATE KEY") BLOCK("PRIVATE KEY")},
    {"a.b.key", BLOCK("ENCRYPTED PRIVATE KEY")}, {"a.b.txt", "x"}, {"a.b", "x"}, {".conf", "x"}, {"../a.conf", "x"}, {"a..b.conf", "x"}, {"A.b.conf", "x"}, {"a/b.conf", "x"}, {"_a.conf", "x"}, {"__.a.conf", "x"}, {"00-reeve.conf", "x"}};
  for (size_t i = 0; i < sizeof good_files / sizeof *good_files; i++) CHECK(file_fits(good_files[i][0], good_files[i][1]));
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    if (file_fits(bad_files[i][0], bad_files[i][1])) printf("%s: %s\n", bad_files[i][0], bad_files[i][1]);
    CHECK(!file_fits(bad_files[i][0], bad_files[i][1]));
  }
}

static void test_paths(void) {
  static const char *const closed[] = {"/", "/etc", "/etc/a", "/var", "/var/lib", "/var/lib/a", "/run", "/root/a", "/dev/shm", "/proc/self/root", NULL};
  static const char *const open[] = {"/srv", "/var/www", "/var/libs", "/home", "/runs", "/etcetera", NULL};
  uint8_t sum[32], model[32];
  for (const char *const *path = closed; *path; path++) CHECK(vhost_folder_closed(*path));
  for (const char *const *path = open; *path; path++) CHECK(!vhost_folder_closed(*path));
  CHECK(vhost_path("/a/b.conf") && !vhost_path("/a/../b") && !vhost_path("/a//b") && !vhost_path("a") && !vhost_path("/") && !vhost_path("/a/") && !vhost_path("/a/./b") && !vhost_path("/a\nb"));
  CHECK(vhost_model(good, sizeof good - 1, model) && unhex(sum, MODEL, 32) && !memcmp(sum, model, 32) && !vhost_model("# model", 7, model) && !vhost_model("", 0, model));
}

static void ignore(void *data, int line, const char *text) { (void)data, (void)line, (void)text; }

/* What a policy says of one name that listens on port 80, and of one more thing. */
static bool allowed(const char *policy, const char *name, enum vhost_fact_kind kind, const char *text, uint16_t port, char why[VHOST_WHY]) {
  static char number[] = "80";
  char one[256], other[256];
  struct vhost_fact list[] = {{VHOST_NAME, one, 0}, {VHOST_PORT, number, 80}, {kind, other, port}};
  struct vhost_facts facts = {list, 3};
  static struct call c;
  call_init(&c);
  snprintf(one, sizeof one, "%s", name);
  snprintf(other, sizeof other, "%s", text);
  why[0] = 0;
  CHECK(policy_parse(&c.policy, policy, strlen(policy), ignore, NULL));
  bool ok = vhost_allowed(&c, &facts, why);
  call_free(&c);
  return ok;
}

#define ALL "version 1\nallow vhost.write port=1-65535 wildcard=no,yes\nallow vhost.serve folder=/*\nallow vhost.proxy to=* port=1-65535\nallow vhost.socket path=/*\nallow vhost.snippet name=a sha256=b\n"
static void test_policy(void) {
  static const char usual[] = "version 1\nallow vhost.write\nallow vhost.serve\nallow vhost.proxy\nallow vhost.socket\n";
  char why[VHOST_WHY], link[64] = "/tmp/reeve-vhost-XXXXXX", path[80];
  CHECK(allowed(usual, "a.example", VHOST_FOLDER, "/srv/a", 0, why) && allowed(usual, "a.example", VHOST_UPSTREAM, "10.0.0.1", 8080, why) && allowed(usual, "a.example", VHOST_SOCKET, "/run/php/a.sock", 0, why));
  CHECK(!allowed(usual, "*.a.example", VHOST_CERT, "a", 0, why) && strstr(why, "allow vhost.write name=a.example port=80 wildcard=yes"));
  CHECK(!allowed(usual, "a.example", VHOST_FOLDER, "/home/a", 0, why) && strstr(why, "allow vhost.serve folder=/home/a"));
  CHECK(!allowed(usual, "a.example", VHOST_UPSTREAM, "198.51.100.7", 80, why) && strstr(why, "allow vhost.proxy to=198.51.100.7 port=80"));
  CHECK(!allowed(usual, "a.example", VHOST_SOCKET, "/run/docker.sock", 0, why) && strstr(why, "allow vhost.socket path=/run/docker.sock"));
  CHECK(!allowed("version 1\nallow vhost.write name=b.*\n", "a.example", VHOST_CERT, "a", 0, why) && allowed("version 1\nallow vhost.write name=a.* wildcard=yes\n", "*.a.example", VHOST_CERT, "a", 0, why));
  CHECK(allowed(ALL, "*.a.example", VHOST_FOLDER, "/tmp", 0, why) && allowed(ALL, "a.example", VHOST_UPSTREAM, "10.0.0.1", 7420, why));
  /* What no policy can allow. */
  CHECK(!allowed(ALL, "a.example", VHOST_UPSTREAM, "127.0.0.1", 7420, why) && !allowed(ALL, "a.example", VHOST_UPSTREAM, "127.9.9.9", 7424, why) && !allowed(ALL, "a.example", VHOST_UPSTREAM, "::1", 7421, why));
  CHECK(!allowed(ALL, "a.example", VHOST_PORT, "7422", 7422, why) && !allowed(ALL, "a.example", VHOST_PORT, "[::]:7420", 7420, why));
  CHECK(!allowed(ALL, "a.example", VHOST_SNIPPET, "a", 0, why) && !allowed(ALL, "a.example", VHOST_SNIPPET, "../a", 0, why));
  CHECK(mkdtemp(link) != NULL);
  snprintf(path, sizeof path, "%s/etc", link);
  CHECK(!symlink("/etc", path) && !allowed(ALL, "a.example", VHOST_FOLDER, path, 0, why) && strstr(why, "link"));
  CHECK(!unlink(path) && !symlink("/", path) && !allowed(ALL, "a.example", VHOST_FOLDER, path, 0, why));
  CHECK(!unlink(path) && !rmdir(link));
}

int main(void) {
  test_words();
  test_good();
  test_tries();
  test_files();
  test_paths();
  test_policy();
  printf("%d checks, %d failures\n", checks, failures);
  return failures ? 1 : 0;
}
