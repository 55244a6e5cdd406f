/* Unit tests of the parts that touch no machine, and the table of policy cases that the TypeScript tests read too. Runs under ASan and UBSan. */
#define REEVE_TABLE_DATA
#include "globals.h"
#include "nat.h"
#include "cert.h"
#include "unit_word.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures, checks;
#define CHECK(what) (checks++, (what) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #what)))

static void unescape(char *s) {
  char *out = s;
  for (; *s; s++) {
    if (*s != '\\' || !s[1]) { *out++ = *s; continue; }
    s++;
    *out++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s == 'r' ? '\r' : *s == '0' ? 1 : *s;  /* NUL as another control character */
  }
  *out = 0;
}

struct seen { char text[256]; };
static void collect(void *data, int line, const char *text) {
  struct seen *seen = data;
  (void)text;
  size_t n = strlen(seen->text);
  snprintf(seen->text + n, sizeof seen->text - n, "%s%d", n ? "," : "problem ", line);
}

static bool ask(const struct policy *p, char *request, struct verdict *v) {
  const char *args[REEVE_MAX_KEYS] = {0};
  char *name = strsep(&request, " ");
  int op = policy_operation(name, strlen(name));
  if (op < 0) return false;
  for (char *word; (word = strsep(&request, " "));) {
    char *value = strchr(word, '=');
    if (!value) return false;
    *value++ = 0;
    size_t k = 0;
    while (k < reeve_operations[op].nkeys && strcmp(reeve_operations[op].keys[k].name, word)) k++;
    if (k == reeve_operations[op].nkeys || args[k]) return false;
    args[k] = value;
  }
  *v = policy_evaluate(p, op, args);
  return true;
}

static bool rules_fit(const char *text) {
  AUTO_RULES r = {0};
  struct nat_problem p = {0};
  return nat_rules_parse(&r, text, strlen(text), &p);
}

static void test_nat_rules(void) {
  static const char *const good[] = {"", "forward 1 tcp - - 80 10.0.0.2 80 - -\n", "forward 2147483647 udp 10.0.0.1 - 1-65535 10.0.0.2 1-65535 10.0.0.0/8,10.0.0.1 10.0.0.0/24\n",
    "forward 1 tcp - br-0.1 1-1024 fd00::2 2-1025 2001:db8::/32 fd00::/64\nmasquerade 1 fd00::/64 - 2001:db8::1\n", "masquerade 1 10.0.0.0/9 eth0 1.2.3.4\n", NULL};
  static const char *const bad[] = {"\n", "forward 1 tcp - - 80 10.0.0.2 80 - -", "forward 1 tcp - - 80 10.0.0.2 80 - - \n", " forward 1 tcp - - 80 10.0.0.2 80 - -\n", "forward 2147483648 tcp - - 80 10.0.0.2 80 - -\n",
    "forward 1 tcp - - 80 10.0.0.2 80 - 10.1.0.0/24\n", "forward 1 tcp - - 80 1.2.3.4.5 80 - -\n", "forward 1 tcp - - 80 ::1.2.3.4 80 - -\n", "masquerade 1 10.0.0.0/0 - -\n", "masquerade 1 10.0.0.0/08 - -\n", NULL};
  for (const char *const *text = good; *text; text++) CHECK(rules_fit(*text));
  for (const char *const *text = bad; *text; text++) CHECK(!rules_fit(*text));
  AUTO_RULES r = {0};
  struct nat_problem p = {0};
  struct buf b;
  buf_init(&b, 65536);
  CHECK(nat_rules_parse(&r, good[1], strlen(good[1]), &p));
  nat_batch(&b, &r);
  buf_put(&b, "", 1);
  CHECK(!strncmp((char *)b.p, "# forwarding=4\nadd table inet reeve\n", 36) && strstr((char *)b.p, "\nadd counter inet reeve f1\n"));
  buf_free(&b);
}

#define CERT_BLOCK "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
#define KEY_BLOCK "-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n"
static void test_cert(void) {
  static const char *const names[] = {"a", "0", "mail.example.org", "a_b-c.", "a012345678901234567890123456789012345678901234567890123456789012", NULL};
  static const char *const no_names[] = {"", ".", "..", ".a", "-a", "_a", "A", "a/b", "a b", "a\n", "\xc3\xa4", "a0123456789012345678901234567890123456789012345678901234567890123", NULL};
  for (const char *const *s = names; *s; s++) CHECK(cert_name(*s));
  for (const char *const *s = no_names; *s; s++) CHECK(!cert_name(*s));
  static const char *const units[] = {"postfix.service", "a.service,b.service", "postgresql@15-main.service", "A.service,a.service", NULL};
  static const char *const no_units[] = {"", ",", "postfix", ".service", "postfix.socket", "postfix.service,", ",postfix.service", "b.service,a.service", "a.service,a.service", "reeve-agent.service", "-H.service",
    "a b.service", "a/b.service", "a*.service", "a.service\n", "a.service,b.service,c.service,d.service,e.service,f.service,g.service,h.service,i.service", NULL};
  for (const char *const *s = units; *s; s++) CHECK(cert_units(*s));
  for (const char *const *s = no_units; *s; s++) CHECK(!cert_units(*s));
  static const char *const chains[] = {CERT_BLOCK, CERT_BLOCK CERT_BLOCK, NULL};
  static const char *const no_chains[] = {"", "x", CERT_BLOCK "\n", " " CERT_BLOCK, "# a\n" CERT_BLOCK, CERT_BLOCK KEY_BLOCK, KEY_BLOCK, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n", "-----BEGIN CERTIFICATE-----\nMAM;AQE=\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END X509 CRL-----\n", "-----BEGIN CERTIFICATE-----\nMAMCAQE=\r\n-----END CERTIFICATE-----\n",
    CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK CERT_BLOCK, NULL};
  for (const char *const *s = chains; *s; s++) CHECK(cert_chain(*s, strlen(*s)));
  for (const char *const *s = no_chains; *s; s++) CHECK(!cert_chain(*s, strlen(*s)));
  CHECK(!cert_chain(CERT_BLOCK "\0", sizeof CERT_BLOCK) && cert_private_key(KEY_BLOCK, strlen(KEY_BLOCK)) && !cert_private_key(KEY_BLOCK KEY_BLOCK, 2 * strlen(KEY_BLOCK)) && !cert_private_key(CERT_BLOCK, strlen(CERT_BLOCK)));
  static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n", old[] = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nMAMCAQE=\n-----END RSA PRIVATE KEY-----\n";
  CHECK(!cert_private_key(locked, strlen(locked)) && !cert_private_key(old, strlen(old)));
  CHECK(cert_is_folder(".a.0123456789abcdef", "a") && cert_is_folder(".a.b.0123456789abcdef", "a.b") && !cert_is_folder(".a.b.0123456789abcdef", "a") && !cert_is_folder(".a.0123456789abcdeF", "a") && !cert_is_folder(".a.new", "a") && !cert_is_folder("a.0123456789abcdef", "a"));
  struct cert_record r = {.cert = {1}, .key = {2}, .spki = {3}, .gid = 110, .group = "ssl-cert", .units = "a.service,b.service", .note = "self-signed 90 x"}, again;
  char text[4096], copy[4096];
  CHECK(cert_record_format(&r, text, sizeof text) > 0);
  strcpy(copy, text);
  CHECK(cert_record_parse(&again, copy) && !memcmp(again.spki, r.spki, 32) && again.gid == 110 && !strcmp(again.group, r.group) && !strcmp(again.units, r.units) && !strcmp(again.note, r.note));
  static const char *const tails[] = {"", "x", "note=\n", NULL};
  for (const char *const *s = tails; *s; s++) {
    snprintf(copy, sizeof copy, "%.*s%s", (int)(strlen(text) - (**s ? 0 : 1)), text, *s);
    CHECK(!cert_record_parse(&again, copy));
  }
}

static void test_unit(void) {
  static const char *const names[] = {"nginx.service", "a.timer", "x.socket", "postgresql@15-main.service", "A_b:c.service", "a@b@c.service", "reeve-agent.service", NULL};
  static const char *const no_names[] = {"", ".service", "@.service", "@a.service", "foo@.service", "foo@.timer", "-x.service", "--now.service", "nginx", "init.scope", "a b.service", "a/b.service", "../a.service", "a*.service", "a?.service",
    "a\\x2db.service", "a.service\n", "\xc3\xa4.service", "a,b.service", "a.SERVICE", "a%i.service", NULL};
  static const char *const kept[] = {"reeve-agent.service", "reeved.service", "reeve-container-web.service", "ssh.service", "sshd.service", "ssh.socket", "ssh@1.service", "sshd@x.service", "dbus.service", "dbus-broker.service",
    "dbus-org.freedesktop.login1.service", "systemd-journald.service", NULL};
  static const char *const free_ones[] = {"nginx.service", "sshguard.service", "ssh-agent.service", "my-systemd-x.service", "areeve.service", "ssh.x.service", NULL};
  for (const char *const *s = names; *s; s++) CHECK(unit_name(*s));
  for (const char *const *s = no_names; *s; s++) CHECK(!unit_name(*s));
  for (const char *const *s = kept; *s; s++) CHECK(unit_name(*s) && unit_floor(*s));
  for (const char *const *s = free_ones; *s; s++) CHECK(unit_name(*s) && !unit_floor(*s));
  char longest[UNIT_NAME_MAX + 2], unit[UNIT_NAME_MAX + 1];
  memset(longest, 'a', sizeof longest);
  strcpy(longest + UNIT_NAME_MAX - 8, ".service");
  CHECK(unit_name(longest));
  strcpy(longest + UNIT_NAME_MAX - 7, ".service");
  const char *at = longest;
  CHECK(!unit_name(longest) && !unit_next(&at, unit));
  at = "a.service,b.timer";
  CHECK(unit_next(&at, unit) && !strcmp(unit, "a.service") && unit_next(&at, unit) && !strcmp(unit, "b.timer") && !unit_next(&at, unit));
}

static void test_range(void) {
  static const char text[] = "version 1\nallow nat.forward port=1-100,200-300\nallow nat.forward port=150\ndeny nat.forward port=50\n";
  static const struct { uint64_t first, last; const char *stops; } cases[] = {
    {1, 49, NULL}, {1, 50, "50"}, {51, 100, NULL}, {51, 101, "101"}, {150, 150, NULL}, {149, 150, "149"}, {150, 151, "151"}, {200, 300, NULL}, {200, 65535, "301"}, {65535, 65535, "65535"}};
  struct policy policy = {0};
  struct seen seen = {""};
  CHECK(policy_parse(&policy, text, strlen(text), collect, &seen));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *args[REEVE_MAX_KEYS] = {[REEVE_K_NAT_FORWARD_TO] = "10.0.0.2", [REEVE_K_NAT_FORWARD_PROTOCOL] = "tcp"};
    char port[24];
    struct verdict v = policy_evaluate_range(&policy, REEVE_P_NAT_FORWARD, args, REEVE_K_NAT_FORWARD_PORT, cases[i].first, cases[i].last, port);
    CHECK(v.allowed == !cases[i].stops && (v.allowed || !strcmp(port, cases[i].stops)));
  }
  policy_free(&policy);
}

static void test_json(void) {
  static const char text[] = "{\"nftables\": [{\"metainfo\": {\"version\": \"1\"}}, {\"table\": {\"family\": \"inet\", \"name\": \"reeve\", \"handle\": 1}}, "
    "{\"counter\": {\"family\": \"inet\", \"name\": \"f12\", \"table\": \"reeve\", \"handle\": 5, \"packets\": 7, \"bytes\": 300}}, "
    "{\"rule\": {\"family\": \"ip\", \"table\": \"nat\", \"chain\": \"PRE\", \"handle\": 4, \"comment\": \"} \\\" {\", \"expr\": [{\"masquerade\": null}]}}]}\n";
  struct nat_counter counter;
  struct nat_foreign f = {.family = "ip", .table = "nat", .chain = "PRE", .handle = "4"};
  const char *rule = strstr(text, "{\"family\": \"ip\"");
  uint8_t sum[32];
  size_t at = 0;
  struct buf b;
  buf_init(&b, 4096);
  buf_put(&b, text, strlen(text));
  CHECK(nat_counter_next(&b, &at, &counter) && !strcmp(counter.name, "f12") && counter.packets == 7 && counter.bytes == 300 && !nat_counter_next(&b, &at, &counter));
  sha256_of(rule, strlen(rule) - 4, sum);
  hex(f.sha256, sum, sizeof sum);
  CHECK(nat_foreign_is_there(&b, &f));
  strcpy(f.handle, "5");
  CHECK(!nat_foreign_is_there(&b, &f));
  nat_without_ours(&b);
  buf_put(&b, "", 1);
  CHECK(!strstr((char *)b.p, "reeve") && strstr((char *)b.p, "PRE"));
  buf_free(&b);
}

static void test_cases(const char *path) {
  size_t n;
  int cases = 0;
  char *text = read_whole(path, 1 << 20, &n), *rest = text;
  CHECK(text);
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    char *source = strsep(&line, "\t"), *request = strsep(&line, "\t"), *expected = line, got[64];
    if (!expected || source[0] == '#' ? !strncmp(source, "# policy", 8) || !expected : false) continue;
    struct policy p = {0};
    struct seen seen = {""};
    struct verdict v;
    unescape(source);
    cases++;
    if (!policy_parse(&p, source, strlen(source), collect, &seen)) snprintf(got, sizeof got, "%.60s", seen.text);
    else if (!ask(&p, request, &v)) snprintf(got, sizeof got, "bad");
    else if (v.allowed) snprintf(got, sizeof got, "allow %d", v.line);
    else if (v.denied) snprintf(got, sizeof got, "deny %d", v.line);
    else snprintf(got, sizeof got, "none");
    checks++;
    if (strcmp(got, expected)) {
      failures++;
      printf("case %d: got %s, expected %s\n", cases, got, expected);
    }
    policy_free(&p);
  }
  printf("policy cases: %d\n", cases);
  CHECK(cases >= 200);
  free(text);
}

static void ignore(void *data, int line, const char *text) { (void)data; (void)line; (void)text; }

static void test_next_uid(void) {
  struct policy p = {0};
  uint64_t uid;
  const char *text = "version 1\nallow user.add uid=20010-20012,20001 name=a*\nallow user.add uid=20100 name=ab\ndeny user.add uid=20010-20011\n";
  const char *args[REEVE_MAX_KEYS] = {"ab", NULL, "/bin/sh", "home"};
  CHECK(policy_parse(&p, text, strlen(text), ignore, NULL));
  CHECK(policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 1000, &uid) && uid == 20001);
  CHECK(policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 20002, &uid) && uid == 20012);
  CHECK(policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 20013, &uid) && uid == 20100);
  CHECK(!policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 20101, &uid));
  args[0] = "x";
  CHECK(!policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 1000, &uid));
  policy_free(&p);
  const char *all = "version 1\nallow user.add uid=0-4294967295\ndeny user.add uid=4294967295\n";
  args[0] = "ab";
  p = (struct policy){0};
  CHECK(policy_parse(&p, all, strlen(all), ignore, NULL));
  CHECK(policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 4294967294u, &uid) && uid == 4294967294u);
  CHECK(!policy_next_uid(&p, REEVE_P_USER_ADD, args, REEVE_K_USER_ADD_UID, 4294967295u, &uid));
  policy_free(&p);
}

static void test_sha256(void) {
  static const struct { const char *text, *sum; } vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
    struct sha256 s;
    uint8_t out[32];
    char text[65];
    sha256_init(&s);
    for (const char *p = vectors[i].text; *p; p++) sha256_add(&s, p, 1);
    sha256_end(&s, out);
    hex(text, out, 32);
    CHECK(!strcmp(text, vectors[i].sum));
  }
}

static void test_grammar(void) {
  static const char *const good[] = {"a", "_a", "a-b", "a1_", "abcdefghijklmnopqrstuvwxyz01234", NULL};
  static const char *const bad[] = {"", "-a", "a-", "A", "0", "123", "a.b", "a b", "a$", "a:b", "na\xc3\xafve", "abcdefghijklmnopqrstuvwxyz012345", "a\n", "-", "--help", NULL};
  static const char *const bad_shells[] = {"", "/", "bin/sh", "/bin/", "//bin/sh", "/bin/../sh", "/bin/./sh", "/bin/.hidden", "/bin/s h", "/bin/sh\n", "/bin/sh;id", "-s", NULL};
  static const char *const bad_comments[] = {"a,b", "a:b", "a\nb", "\"a\"", "\xc3\xa4", "a;b", "a$b", "a/b", NULL};
  for (const char *const *s = good; *s; s++) CHECK(grammar_name(*s));
  for (const char *const *s = bad; *s; s++) CHECK(!grammar_name(*s));
  for (const char *const *s = bad_shells; *s; s++) CHECK(!grammar_shell(*s));
  for (const char *const *s = bad_comments; *s; s++) CHECK(!grammar_comment(*s));
  CHECK(grammar_shell("/bin/bash") && grammar_shell("/usr/sbin/nologin") && grammar_comment("") && grammar_comment("Ann O'Neil-1 @x.y_z"));
  CHECK(name_reserved("root") && name_reserved("reeve-x") && name_reserved("reeve") && name_reserved("systemd-foo") && !name_reserved("alice"));
  CHECK(group_dangerous("sudo") && group_dangerous("docker") && group_dangerous("reeve-agent") && !group_dangerous("users"));
  CHECK(uid_forbidden(0) && uid_forbidden(999) && uid_forbidden(65534) && uid_forbidden(65535) && uid_forbidden(UINT32_MAX) && uid_forbidden(1ull << 33) && !uid_forbidden(1000));
}

static uint16_t parse_frame(const uint8_t *p, size_t n) {
  struct call c;
  call_init(&c);
  uint16_t status = wire_parse(&c, p, n);
  if (!status && c.verb->number != REEVE_VERB_USER_ADOPT) status = check_call(&c);
  call_free(&c);
  return status;
}

static void test_wire(void) {
  struct buf b;
  uint8_t op[16] = {1};
  buf_init(&b, 4096);
#define BEGIN(verb) (b.n = 0, put_u16(&b, 1), put_u16(&b, (verb)), buf_put(&b, op, 16))
  BEGIN(REEVE_VERB_STATUS_GET);
  CHECK(parse_frame(b.p, b.n) == REEVE_OK);
  for (size_t n = 0; n < b.n; n++) CHECK(parse_frame(b.p, n) == REEVE_E_FRAME_INVALID);
  b.p[1] = 2;
  CHECK(parse_frame(b.p, b.n) == REEVE_E_VERSION_UNSUPPORTED);
  BEGIN(9999);
  CHECK(parse_frame(b.p, b.n) == REEVE_E_VERB_UNKNOWN);
  BEGIN(REEVE_VERB_USER_LOCK);
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_MISSING);
  reply_string(&b, 1, "alice");
  CHECK(parse_frame(b.p, b.n) == REEVE_OK);
  for (size_t n = 21; n < b.n; n++) CHECK(parse_frame(b.p, n) == REEVE_E_FRAME_INVALID);
  reply_string(&b, 1, "alice");
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_INVALID);
  BEGIN(REEVE_VERB_USER_LOCK);
  reply_string(&b, 77, "alice");
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_UNKNOWN);
  BEGIN(REEVE_VERB_USER_LOCK);
  reply_bytes(&b, 1, "a\0b", 3);
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_INVALID);
  BEGIN(REEVE_VERB_USER_LOCK);
  put_u16(&b, 1);
  put_u32(&b, UINT32_MAX);
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FRAME_INVALID);
  BEGIN(REEVE_VERB_USER_ADD);
  reply_string(&b, 1, "root");
  reply_string(&b, 3, "/bin/sh");
  reply_string(&b, 5, "home");
  CHECK(parse_frame(b.p, b.n) == REEVE_E_USER_RESERVED);
  BEGIN(REEVE_VERB_USER_ADD);
  reply_string(&b, 1, "alice");
  reply_string(&b, 3, "/bin/sh");
  reply_string(&b, 5, "home");
  CHECK(parse_frame(b.p, b.n) == REEVE_OK);
  size_t keep = b.n;
  for (uint32_t uid = 0; uid < 1000; uid += 333) {
    b.n = keep;
    reply_u32(&b, 2, uid);
    CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_INVALID);
  }
  b.n = keep;
  reply_bytes(&b, 2, "\0\0\1", 3);
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FRAME_INVALID);
  BEGIN(REEVE_VERB_USER_ADD);
  reply_string(&b, 1, "alice");
  reply_string(&b, 3, "/bin/sh");
  reply_string(&b, 5, "admin");
  CHECK(parse_frame(b.p, b.n) == REEVE_E_FIELD_INVALID);
  buf_free(&b);
}

static void test_accounts(void) {
  struct accounts a;
  accounts_parse(&a,
    strdup("root:x:0:0:root:/root:/bin/bash\nbroken\nx:y\nalice:x:20000:20000:A:/home/alice:/bin/sh\nneg:x:-1:0::/:/\nbig:x:4294967296:0::/:/\n+nis::::::\n:x:1:1::/:/\n"),
    strdup("root:x:0:\nalice:x:20000:\nwww-data:x:33:bob,alice\nusers:x:100:alice,\nbad:x:zz:alice\n"),
    strdup("root:*:1:0:99999:7:::\nalice:!$6$x:1:0:99999:7::1:\nbob:!:1:0:99999:7:::\nbroken:x\n"));
  CHECK(a.nusers == 2 && user_by_name(&a, "alice")->uid == 20000 && !user_by_name(&a, "neg") && user_by_uid(&a, 0));
  CHECK(a.ngroups == 4 && is_member(&a, "alice", "www-data") && is_member(&a, "alice", "users") && !is_member(&a, "alice", "root") && group_in_use(&a, group_by_name(&a, "users")));
  CHECK(is_locked(secret_by_name(&a, "alice")) && !is_locked(secret_by_name(&a, "bob")) && !is_locked(secret_by_name(&a, "nobody")));
  accounts_free(&a);
}

static void test_markers(void) {
  struct marker m;
  const char *good = "name=alice\nuid=20000\ngid=20000\nkind=home\nstate=owned\n";
  CHECK(marker_parse(&m, good, strlen(good)) && m.state == MARKER_OWNED && !strcmp(marker_word(&m), "home") && m.uid == 20000);
  static const char *const bad[] = {"", "name=alice\n", "name=../x\nuid=1\ngid=1\nkind=home\nstate=owned\n", "name=a\nname=a\nuid=1\ngid=1\nkind=home\nstate=owned\n",
    "name=a\nuid=x\ngid=1\nkind=home\nstate=owned\n", "name=a\nuid=1\ngid=1\nkind=home\nstate=mine\n", "name=a\nuid=1\ngid=1\nkind=home\nstate=owned\nx=1\n", NULL};
  for (const char *const *s = bad; *s; s++) CHECK(!marker_parse(&m, *s, strlen(*s)));
  char owner[64];
  const char *used = "20000 alice\n20001 bob\n2000";
  CHECK(used_uid_owner(used, 20001, owner, sizeof owner) && !strcmp(owner, "bob"));
  CHECK(!used_uid_owner(used, 2000, owner, sizeof owner) && !used_uid_owner(used, 0, owner, sizeof owner));
}

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
/* What ssh-keygen takes without a word, and more: none of it may be managed. % what a line says itself is in shared/model/key.test.ts. */
static void test_key_lines(void) {
  static const char *const good[] = {ED, ED " ada: grant 12", "restrict " ED, "restrict,no-pty,from=\"10.0.0.0/8,2001:db8::1\",expiry-time=\"20300101000000Z\" " ED " x", NULL};
  static const char *const bad[] = {"command=\"id\" " ED, "environment=\"LD_PRELOAD=/x\" " ED, "cert-authority " ED, ED "\r", "\t" ED, " " ED, ED " ", ED " # x", ED " a\"b",
    "ED25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f", ED "=", "restrict,restrict " ED, "no-pty,restrict " ED, "RESTRICT " ED, "from=\"*.x\" " ED, "from=\"10.0.0.1/8\" " ED, "from=\"0.0.0.0/0\" " ED,
    "from=\"::ffff:10.0.0.1\" " ED, "from=\"\" " ED, "from=\"10.0.0.2,10.0.0.1\" " ED, "expiry-time=\"20300101\" " ED, "expiry-time=\"19700101000000Z\" " ED, "expiry-time=\"20300230000000Z\" " ED,
    "restrict,\"x " ED, "ssh-dss AAAAB3NzaC1kc3MAAAABAQAAAAEBAAAAAQEAAAABAQ==", "ssh-ed25519 AAAA", "ssh-ed25519", "x", NULL};
  static const char *const nothing[] = {"", "  \t", "# " ED, " \t# x", "\r", NULL};
  struct key_line k;
  for (const char *const *s = good; *s; s++) CHECK(key_line_parse(&k, *s, strlen(*s)) && !k.problem[0] && k.nblob == 51 && key_line_canonical(&k, *s, strlen(*s)));
  for (const char *const *s = bad; *s; s++) CHECK(key_line_parse(&k, *s, strlen(*s)) && !key_line_canonical(&k, *s, strlen(*s)));
  for (const char *const *s = nothing; *s; s++) CHECK(!key_line_parse(&k, *s, strlen(*s)));
  CHECK(key_line_parse(&k, "command=\"a \\\" b\",No-PTY " ED "\tme\r", strlen("command=\"a \\\" b\",No-PTY " ED "\tme\r")) && k.nblob == 51 && k.ncomment == 2 && !strcmp(k.options, "no-pty") && strstr(k.problem, "\"command\""));
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  test_sha256();
  test_grammar();
  test_wire();
  test_accounts();
  test_markers();
  test_next_uid();
  test_key_lines();
  test_nat_rules();
  test_cert();
  test_unit();
  test_range();
  test_json();
  test_cases(argv[1]);
  printf("%d checks, %d failures\n", checks, failures);
  return failures ? 1 : 0;
}
