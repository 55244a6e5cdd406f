/* What follows a confirmed change: forwarding at the next boot, rules of others that were taken over, files of other changes. All of it can be done again. */
#include "nat.h"

/* One transaction. A rule that is not what it was is somebody's, and stays. */
static bool adopt(int dir, const char *operation, struct nat_problem *p) {
  char name[48];
  struct nat_foreign f;
  struct buf ruleset, batch;
  size_t n = 0, at = 0;
  AUTO_TEXT text = nat_file(dir, operation, "adopt", NAT_ADOPT_MAX * 256, &n);
  if (!text) return errno == ENOENT;
  bool ok = nat_nft_ruleset(&ruleset, p);
  buf_init(&batch, NAT_ADOPT_MAX * 256);
  while (ok && nat_foreign_next(text, n, &at, &f)) {
    if (nat_foreign_is_there(&ruleset, &f)) buf_say(&batch, "delete rule %s %s %s handle %s\n", f.family, f.table, f.chain, f.handle);
    else log_line("rule %s %s %s handle %s was to be taken over, and is not there any more as it was", f.family, f.table, f.chain, f.handle);
  }
  ok = ok && (batch.n == 0 || nat_nft_batch(&batch, p));
  buf_free(&ruleset);
  buf_free(&batch);
  nat_file_name(name, operation, "adopt");
  return ok && !unlinkat(dir, name, 0) && !fsync(dir);
}

/* Files of changes that are neither confirmed nor waiting. */
static void clean(int state, int dir) {
  static const char *const suffixes[] = {"rules", "nft", "adopt", "rules.new", "nft.new", "adopt.new", NULL};
  struct pending p;
  char used[2][33] = {"", ""};
  struct dirent **names = NULL;
  AUTO_FD pending = openat(state, PENDING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD owned = openat(state, OWNED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (pending >= 0 && pending_get(pending, NOUN_NAT->name, &p)) strcpy(used[0], p.operation);
  if (owned >= 0 && pending_get(owned, NOUN_NAT->owned, &p)) strcpy(used[1], p.operation);
  int n = scandirat(dir, ".", &names, NULL, NULL);
  for (int i = 0; i < n; i++) {
    const char *name = names[i]->d_name, *from = name[0] == '.' ? name + 1 : name;
    if (strspn(from, "0123456789abcdef") != 32 || from[32] != '.' || !is_listed(suffixes, from + 33)) continue;
    bool in_use = false;
    for (int j = 0; j < 2; j++) in_use = in_use || (name[0] != '.' && !strncmp(used[j], from, 32));
    if (!in_use) (void)unlinkat(dir, name, 0);
  }
  end_names(names, n);
  (void)fsync(dir);
}

/* False: something is left to do, which the next change or the next boot does. */
bool nat_settle(int state, int dir, struct nat_problem *p) {
  struct nat_kept kept;
  AUTO_RULES rules = {0};
  size_t n = 0;
  *p = (struct nat_problem){0};
  if (!nat_kept(state, false, &kept)) return nat_wrong(p, "", "what was confirmed last cannot be read (%s)", strerrorname_np(errno));
  bool ok = true;
  if (kept.kind == NAT_CONFIRMED) {
    AUTO_TEXT text = nat_file(dir, kept.operation, "rules", NAT_RULES_MAX, &n);
    if (!text || !nat_rules_parse(&rules, text, n, p)) return nat_wrong(p, "", "the confirmed rules cannot be read");
    if (!nat_sysctl(rules.v4, rules.v6, false)) ok = nat_wrong(p, "", NAT_SYSCTL_DIR "/" NAT_SYSCTL " cannot be written (%s)", strerrorname_np(errno));
    if (!nat_forget_left()) ok = nat_wrong(p, "", NAT_LEFT_DIR "/" NAT_LEFT " cannot be removed (%s)", strerrorname_np(errno));
    if (!adopt(dir, kept.operation, p)) ok = false;
    if (!nat_forwarding_off(dir, rules.v4, rules.v6)) ok = nat_wrong(p, "", "forwarding cannot be set (%s)", strerrorname_np(errno));
  }
  clean(state, dir);
  return ok;
}
