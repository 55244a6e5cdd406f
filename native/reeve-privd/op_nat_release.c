/* nat.release: the confirmed rules become a plain file that nft(8) loads when the host starts, and are not ours any more. The table stays as it is. */
#include "nat.h"

static const char head[] =
  "# Left by Reeve: plain configuration, yours to edit. It makes the table inet reeve, and touches no other.\n"
  "# Loaded when the host starts: by reeve-nat.service as long as the package reeve-agent is installed, by nat-forwards.service afterwards.\n"
  "# By hand: nft -f " NAT_LEFT_DIR "/" NAT_LEFT "\n";

static uint16_t leave(struct call *c, int dir, const char *operation) {
  AUTO_RULES rules = {0};
  struct nat_problem p = {0};
  struct buf text;
  size_t n = 0;
  AUTO_TEXT lines = nat_file(dir, operation, "rules", NAT_RULES_MAX, &n);
  if (!lines || !nat_rules_parse(&rules, lines, n, &p)) return io_failed(c, "the confirmed rules cannot be read");
  bool any = rules.nforwards + rules.nmasquerades > 0;
  if (mkdir(NAT_LEFT_DIR, 0755) == 0 && chmod(NAT_LEFT_DIR, 0755)) return io_failed(c, NAT_LEFT_DIR " cannot be made");
  AUTO_FD left = open(NAT_LEFT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  buf_init(&text, NAT_BATCH_MAX);
  buf_put(&text, head, strlen(head));
  nat_batch(&text, &rules);
  bool ok = left >= 0 && !text.full && (any ? small_put(left, NAT_LEFT, text.p, text.n, 0644) : nat_forget_left());
  buf_free(&text);
  ok = ok && nat_sysctl(rules.v4, rules.v6, true);
  FAILPOINT("nat.left");
  return ok ? REEVE_OK : io_failed(c, NAT_LEFT_DIR "/" NAT_LEFT " cannot be written");
}

uint16_t op_nat_release(struct call *c) {
  struct nat_kept kept;
  struct nat_problem p = {0};
  AUTO_FD state = open(config.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD owned = state_folder(OWNED_DIR);
  AUTO_FD dir = state_folder(NAT_DIR);
  AUTO_FD lock = dir < 0 ? -1 : nat_lock(dir);
  if (state < 0 || owned < 0 || lock < 0) return io_failed(c, "the state of noun nat cannot be read");
  if (is_pending(NOUN_NAT)) return still_pending(c, NOUN_NAT, wall_ms());
  if (!nat_kept(state, false, &kept)) return io_failed(c, "what was confirmed last cannot be read");
  uint16_t status = kept.kind == NAT_CONFIRMED ? leave(c, dir, kept.operation) : REEVE_OK;
  if (status) return status;
  if ((unlinkat(owned, NOUN_NAT->owned, 0) && errno != ENOENT) || fsync(owned)) return io_failed(c, "a marker cannot be removed");
  FAILPOINT("nat.released");
  /* Forwarding stays on: it is the host's own now. */
  (void)unlinkat(dir, "loaded", 0);
  (void)unlinkat(dir, "forwarding", 0);
  if (!nat_settle(state, dir, &p)) log_line("noun nat: %s", p.says);
  return REEVE_OK;
}
