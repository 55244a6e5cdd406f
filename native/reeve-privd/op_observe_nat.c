/* observe.nat: the table inet reeve as it is, and what others have made. */
#include "nat.h"

#define TAG(field) REEVE_R_OBSERVE_NAT_##field
#define SCOPE(c) ((c)->f[REEVE_F_OBSERVE_NAT_SCOPE].text)
#define FOREIGN_MAX (3u << 20)
#define ROOM_LEFT (64u << 10)  /* for what is small */

/* What the answer tells of the change that is pending or was confirmed last. */
static uint16_t put_change(struct call *c, int state, int dir, bool *altered) {
  struct pending p;
  struct nat_live live;
  struct nat_loaded loaded;
  struct nat_problem problem = {0};
  struct buf *b = &c->reply;
  uint8_t operation[OP_BYTES];
  size_t n = 0;
  AUTO_FD pending = openat(state, PENDING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD owned = openat(state, OWNED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (pending < 0 || owned < 0 || !nat_now(dir, &live, &problem)) return fail(c, REEVE_E_IO_FAILED, "rule", *problem.says ? problem.says : "the state of noun nat cannot be read", NULL);
  bool waits = pending_get(pending, NOUN_NAT->name, &p) || pending_get(pending, NOUN_NAT->reverting, &p);
  bool ours = waits || pending_get(owned, NOUN_NAT->owned, &p);
  AUTO_TEXT rules = ours ? nat_file(dir, p.operation, "rules", NAT_RULES_MAX, &n) : NULL;
  bool same = nat_loaded_get(dir, &loaded) && !strcmp(loaded.sha256, live.sha256);
  bool left = !ours && !access(NAT_LEFT_DIR "/" NAT_LEFT, F_OK);
  bool absent = !live.there && (!ours || n == 0);
  reply_string(b, TAG(STATE), waits ? "pending" : absent || left ? "absent" : ours && same ? "confirmed" : "altered");
  reply_bytes(b, TAG(RULES), rules, rules ? n : 0);
  reply_bytes(b, TAG(OPERATION), operation, ours && unhex(operation, p.operation, OP_BYTES) ? sizeof operation : 0);
  reply_u64(b, TAG(DEADLINE_MS), waits ? (uint64_t)p.deadline_ms : 0);
  *altered = !live.there;
  return REEVE_OK;
}

static void put_counters(struct buf *b) {
  struct nat_counter counter;
  struct buf text = {0};
  if (nat_nft_counters(&text)) {
    for (size_t at = 0; nat_counter_next(&text, &at, &counter);) {
      size_t record = reply_begin(b, TAG(COUNTER));
      reply_string(b, TAG(COUNTER_NAME), counter.name);
      reply_u64(b, TAG(COUNTER_PACKETS), counter.packets);
      reply_u64(b, TAG(COUNTER_BYTES), counter.bytes);
      reply_end(b, record);
    }
  }
  buf_free(&text);
}

static void put_ports(struct call *c) {
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE];
  uint64_t port;
  if (access("/usr/sbin/sshd", X_OK) || sshd_ask(c, NULL, &text)) return;
  for (const char *at = text; sshd_next(&at, "port", line);) if (parse_number(line, strlen(line), 65535, &port)) reply_u32(&c->reply, TAG(SSH_PORT), (uint32_t)port);
}

static size_t room(const struct buf *b) {
  size_t left = b->limit - b->n;
  return left > ROOM_LEFT ? left - ROOM_LEFT : 0;
}

/* As much as fits; false: it did not. */
static bool put_text(struct buf *b, uint16_t tag, const struct buf *text) {
  bool fits = text->n <= room(b);
  reply_bytes(b, tag, text->p, fits ? text->n : 0);
  return fits;
}

static uint16_t put_foreign(struct call *c, bool whole) {
  struct nat_problem p = {0};
  struct buf ruleset, four, six, *b = &c->reply;
  buf_init(&four, 1u << 20);
  buf_init(&six, 1u << 20);
  bool fits = true;
  if (!nat_nft_ruleset(&ruleset, &p)) {
    buf_free(&ruleset);
    return fail(c, REEVE_E_TOOL_FAILED, "value", "nft", "rule", p.says, NULL);
  }
  if (!whole || ruleset.n > FOREIGN_MAX || ruleset.n > room(b)) nat_without_ours(&ruleset);
  if (ruleset.n > FOREIGN_MAX) ruleset.n = 0, fits = false;
  static const struct { const char *name, *path; } tools[] = {{"iptables-nft-save", "/usr/sbin/iptables-nft-save"}, {"ip6tables-nft-save", "/usr/sbin/ip6tables-nft-save"}};
  if (!access(tools[0].path, X_OK)) fits = run_tool_save(tools[0].name, four.limit, &four) && fits;
  if (!access(tools[1].path, X_OK)) fits = run_tool_save(tools[1].name, six.limit, &six) && fits;
  fits = put_text(b, TAG(RULESET), &ruleset) && fits;
  fits = put_text(b, TAG(IPTABLES4), &four) && fits;
  fits = put_text(b, TAG(IPTABLES6), &six) && fits;
  reply_bool(b, TAG(TRUNCATED), !fits);
  buf_free(&ruleset);
  buf_free(&four);
  buf_free(&six);
  return REEVE_OK;
}

static void put_nothing(struct buf *b) {
  reply_bytes(b, TAG(RULESET), "", 0);
  reply_bytes(b, TAG(IPTABLES4), "", 0);
  reply_bytes(b, TAG(IPTABLES6), "", 0);
  reply_bool(b, TAG(TRUNCATED), false);
}

uint16_t op_observe_nat(struct call *c) {
  static const char *const on[] = {"", "4", "6", "46"};
  bool v4, v6, gone = false, generation = !strcmp(SCOPE(c), "generation"), foreign = !strcmp(SCOPE(c), "foreign");
  struct buf *b = &c->reply;
  if (!generation && nat_nft_absent()) return fail(c, REEVE_E_NAT_ABSENT, "rule", "there is no " NFT, NULL);
  AUTO_FD state = open(config.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD dir = state_folder(NAT_DIR);
  if (state < 0 || dir < 0) return io_failed(c, "the state of noun nat cannot be read");
  reply_u32(b, TAG(GENERATION), nat_generation());
  uint16_t status = generation ? REEVE_OK : put_change(c, state, dir, &gone);
  if (status) return status;
  if (generation) {
    reply_string(b, TAG(STATE), "");
    reply_bytes(b, TAG(RULES), "", 0);
    reply_bytes(b, TAG(OPERATION), "", 0);
    reply_u64(b, TAG(DEADLINE_MS), 0);
  }
  if (!generation && !foreign && !gone) put_counters(b);
  nat_forwarding(&v4, &v6);
  reply_string(b, TAG(FORWARDING), on[(v4 ? 1 : 0) + (v6 ? 2 : 0)]);
  if (!generation) put_ports(c);
  bool whole = !strcmp(SCOPE(c), "all");
  /* Where there is no table but our own, nobody has to be asked for the others. */
  if (whole || (foreign && nat_others())) return put_foreign(c, whole);
  put_nothing(b);
  return REEVE_OK;
}
