/* nat.apply: forwards and masquerades, so that a mistake cuts nobody off: files and the pending change on the disk, one transaction of nft, forwarding, armed. */
#include "nat.h"

#define F(c, field) (&(c)->f[REEVE_F_NAT_APPLY_##field])
#define UNARMED_MS 180000  /* longer than everything together */

static uint16_t check_adopt(struct call *c) {
  const struct value *adopt = F(c, ADOPT);
  struct nat_foreign f;
  size_t at = 0, n = 0;
  while (adopt->set && at < adopt->n && nat_foreign_next(adopt->text, adopt->n, &at, &f)) if (++n > NAT_ADOPT_MAX) break;
  if (!adopt->set || (at == adopt->n && n <= NAT_ADOPT_MAX)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "adopt", "value", "", "rule", "at most 64 lines FAMILY TABLE CHAIN HANDLE SHA256 of tables that are not Reeve's are wanted", NULL);
}

static uint16_t parse(struct call *c, struct nat_rules *r) {
  struct nat_problem p = {0};
  return nat_rules_parse(r, F(c, RULES)->text, F(c, RULES)->n, &p) ? REEVE_OK : nat_failed(c, REEVE_E_NAT_RULE, &p);
}

uint16_t check_nat_apply(struct call *c) {
  AUTO_RULES r = {0};
  uint16_t status = bad_confirm(c, F(c, CONFIRM_S));
  if (!status) status = parse(c, &r);
  return status ? status : check_adopt(c);
}

/* Each rule is asked for, and taking over. */
uint16_t allow_nat_apply(struct call *c) {
  AUTO_RULES r = {0};
  const char *args[REEVE_MAX_KEYS] = {0};
  char port[24];
  uint16_t status = parse(c, &r);
  for (size_t i = 0; !status && i < r.nforwards; i++) {
    const struct nat_forward *f = &r.forwards[i];
    args[REEVE_K_NAT_FORWARD_TO] = f->to;
    args[REEVE_K_NAT_FORWARD_PROTOCOL] = f->udp ? "udp" : "tcp";
    struct verdict v = policy_evaluate_range(&c->policy, REEVE_P_NAT_FORWARD, args, REEVE_K_NAT_FORWARD_PORT, f->ports.first, f->ports.last, port);
    if (!v.allowed) status = policy_refused(c, REEVE_P_NAT_FORWARD, args, v);
  }
  memset(args, 0, sizeof args);
  for (size_t i = 0; !status && i < r.nmasquerades; i++) {
    args[REEVE_K_NAT_MASQUERADE_SOURCE] = r.masquerades[i].source;
    struct verdict v = policy_evaluate(&c->policy, REEVE_P_NAT_MASQUERADE, args);
    if (!v.allowed) status = policy_refused(c, REEVE_P_NAT_MASQUERADE, args, v);
  }
  memset(args, 0, sizeof args);
  struct verdict v = policy_evaluate(&c->policy, REEVE_P_NAT_ADOPT, args);
  return !status && F(c, ADOPT)->n > 0 && !v.allowed ? policy_refused(c, REEVE_P_NAT_ADOPT, args, v) : status;
}

/* What a change works on. */
struct work { int state, dir; struct nat_rules rules; struct pending change; struct buf batch; };

static uint16_t load_failed(struct call *c, const struct nat_problem *p) {
  if (*p->where) return nat_failed(c, REEVE_E_NAT_RULE, p);
  return fail(c, REEVE_E_TOOL_FAILED, "value", "nft", "rule", p->says, NULL);
}

/* What is to be taken over must be there as it was seen. */
static uint16_t foreign_there(struct call *c) {
  const struct value *adopt = F(c, ADOPT);
  struct nat_problem p = {0};
  struct nat_foreign f;
  struct buf ruleset;
  char rule[180];
  if (adopt->n == 0) return REEVE_OK;
  uint16_t status = nat_nft_ruleset(&ruleset, &p) ? REEVE_OK : load_failed(c, &p);
  for (size_t at = 0; !status && nat_foreign_next(adopt->text, adopt->n, &at, &f);) {
    snprintf(rule, sizeof rule, "%s %s %s handle %s", f.family, f.table, f.chain, f.handle);
    if (!nat_foreign_is_there(&ruleset, &f)) status = fail(c, REEVE_E_NAT_ADOPT, "value", rule, "rule", "it is not there, or not as it was", NULL);
  }
  buf_free(&ruleset);
  return status;
}

static bool put(int dir, const char *operation, const char *suffix, const void *p, size_t n) {
  char name[48];
  nat_file_name(name, operation, suffix);
  return n > 0 || strcmp(suffix, "adopt") ? small_put(dir, name, p, n, 0600) : !unlinkat(dir, name, 0) || errno == ENOENT;
}

/* All as it was; where it could not be brought back, the dead-man service goes on trying. */
static void take_back(struct work *w, bool touched) {
  struct nat_problem p = {0};
  AUTO_FD pending = state_folder(PENDING_DIR);
  if (touched && !nat_restore(w->state, w->dir, false, &p)) {
    log_line("a change of noun nat could not be taken back yet: %s", p.says);
    return;
  }
  if (pending >= 0) (void)(unlinkat(pending, NOUN_NAT->name, 0) || fsync(pending));
  if (!nat_settle(w->state, w->dir, &p)) log_line("noun nat: %s", p.says);
}

/* Files, then the pending change, then the table: each on the disk before the next. */
static uint16_t write_change(struct call *c, struct work *w) {
  uint8_t sum[32];
  struct nat_kept kept;
  const char *operation = w->change.operation;
  AUTO_FD pending = state_folder(PENDING_DIR);
  pending_begin(&w->change, c, NOUN_NAT, UNARMED_MS);
  sha256_of(F(c, RULES)->text, F(c, RULES)->n, sum);
  hex(w->change.sha256, sum, sizeof sum);
  if (pending < 0 || !boot_mark(w->change.mark, true) || !nat_kept(w->state, false, &kept)) return io_failed(c, "the pending changes cannot be read");
  w->change.had = kept.kind == NAT_CONFIRMED;
  bool ok = put(w->dir, operation, "rules", F(c, RULES)->text, F(c, RULES)->n) && put(w->dir, operation, "nft", w->batch.p, w->batch.n);
  ok = ok && put(w->dir, operation, "adopt", F(c, ADOPT)->text, F(c, ADOPT)->n);
  FAILPOINT("nat.written");
  ok = ok && pending_put(pending, NOUN_NAT->name, &w->change);
  FAILPOINT("nat.promised");
  return ok ? REEVE_OK : io_failed(c, "the rules cannot be saved");
}

static uint16_t change(struct call *c, struct work *w) {
  struct nat_problem p = {0};
  uint16_t status = write_change(c, w);
  if (!status && !nat_load(w->dir, w->change.operation, (const char *)w->batch.p, w->batch.n, &p)) status = load_failed(c, &p);
  FAILPOINT("nat.loaded");
  if (!status && !nat_forwarding_on(w->dir, w->rules.v4, w->rules.v6)) status = io_failed(c, "forwarding cannot be switched on");
  if (!status && !pending_arm(NOUN_NAT, &w->change, F(c, CONFIRM_S))) status = io_failed(c, "the dead-man service could not be armed");
  FAILPOINT("nat.armed");
  if (status) take_back(w, p.touched);
  else reply_u64(&c->reply, REEVE_R_NAT_APPLY_DEADLINE_MS, (uint64_t)w->change.deadline_ms);
  return status;
}

/* Is it the change of this very call? */
static bool is_same(struct call *c, const struct pending *p) {
  char operation[2 * OP_BYTES + 1], text[65];
  uint8_t sum[32];
  hex(operation, c->op, OP_BYTES);
  sha256_of(F(c, RULES)->text, F(c, RULES)->n, sum);
  hex(text, sum, sizeof sum);
  return !strcmp(p->operation, operation) && !strcmp(p->sha256, text);
}

/* A change that is there already: of this very call, of an earlier one that was interrupted (taken back now), or one that waits. */
static uint16_t earlier(struct call *c, struct work *w, bool *done) {
  struct pending p;
  struct nat_live live;
  struct nat_loaded loaded;
  struct nat_problem problem = {0};
  AUTO_FD pending = state_folder(PENDING_DIR);
  AUTO_FD owned = state_folder(OWNED_DIR);
  if (pending < 0 || owned < 0) return io_failed(c, "the pending changes cannot be read");
  if (!faccessat(pending, NOUN_NAT->reverting, F_OK, 0)) return still_pending(c, NOUN_NAT, wall_ms());
  bool there = pending_get(pending, NOUN_NAT->name, &p);
  if (!there && errno != ENOENT) return still_pending(c, NOUN_NAT, wall_ms());
  if (there && p.armed && is_same(c, &p) && is_boot(p.mark)) {
    reply_u64(&c->reply, REEVE_R_NAT_APPLY_DEADLINE_MS, (uint64_t)p.deadline_ms);
    *done = true;
    return REEVE_OK;
  }
  if (there && p.armed) return still_pending(c, NOUN_NAT, p.deadline_ms);
  if (there) take_back(w, true);
  if (is_pending(NOUN_NAT)) return still_pending(c, NOUN_NAT, p.deadline_ms);
  /* Confirmed already: nothing waits. */
  if (!pending_get(owned, NOUN_NAT->owned, &p) || !is_same(c, &p) || !nat_loaded_get(w->dir, &loaded) || !nat_now(w->dir, &live, &problem)) return REEVE_OK;
  *done = !strcmp(loaded.sha256, live.sha256);
  if (*done) reply_u64(&c->reply, REEVE_R_NAT_APPLY_DEADLINE_MS, 0);
  return REEVE_OK;
}

static uint16_t apply(struct call *c, struct work *w) {
  bool done = false;
  struct nat_problem p = {0};
  uint16_t status = earlier(c, w, &done);
  if (status || done) return status;
  /* What an interrupted confirmation left to do. */
  if (!nat_settle(w->state, w->dir, &p)) return fail(c, REEVE_E_IO_FAILED, "rule", p.says, NULL);
  status = nat_guard(c, &w->rules);
  if (!status) status = foreign_there(c);
  if (status) return status;
  nat_batch(&w->batch, &w->rules);
  if (w->batch.full) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "rules", "rule", "at most 16 MiB for nft", NULL);
  return change(c, w);
}

uint16_t op_nat_apply(struct call *c) {
  struct work w = {.state = -1};
  if (nat_nft_absent()) return fail(c, REEVE_E_NAT_ABSENT, "rule", "there is no " NFT, NULL);
  AUTO_FD state = open(config.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD dir = state_folder(NAT_DIR);
  if (state < 0 || dir < 0) return io_failed(c, "the state of noun nat cannot be read");
  AUTO_FD lock = nat_lock(dir);
  if (lock < 0) return fail(c, REEVE_E_BUSY, "rule", "reeve-nat.service takes too long", NULL);
  w.state = state;
  w.dir = dir;
  buf_init(&w.batch, NAT_BATCH_MAX);
  uint16_t status = parse(c, &w.rules);
  if (!status) status = apply(c, &w);
  nat_rules_free(&w.rules);
  buf_free(&w.batch);
  return status;
}

/* After the rename that confirmed a change. What cannot be done now is done by the next change, or at the next boot. */
void nat_confirmed(void) {
  struct nat_problem p = {0};
  FAILPOINT("nat.confirmed");
  AUTO_FD state = open(config.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD dir = state_folder(NAT_DIR);
  AUTO_FD lock = dir < 0 ? -1 : nat_lock(dir);
  if (state < 0 || lock < 0) log_line("noun nat: what follows a confirmation is left for later");
  else if (!nat_settle(state, dir, &p)) log_line("noun nat: %s", p.says);
  FAILPOINT("nat.cleaned");
}
