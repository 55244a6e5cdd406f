/* reeve-nat: makes the table inet reeve and forwarding of this host what was confirmed last, or what was left there, or nothing; no other table is touched.
 *
 * usage: reeve-nat     (reeve-nat.service: at boot, before the network; when nftables.service has flushed everything; when a change is taken back)
 *
 * It needs neither the agent nor the helper, and may be run again at any time.
 *
 * exit codes: 0 done; 1 it could not be done, the line on standard error says why; 2 wrong arguments.
 */
#include "nat.h"
#include <stdarg.h>

#define STATE "/var/lib/reeve-privd"

void log_line(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fputs("reeve-nat: ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
}

static int failed(const char *what, const char *why) {
  log_line("%s: %s", what, why);
  return 1;
}

/* Where nft is not installed there is nothing to be done, unless something was to be loaded. */
static int without_nft(int state) {
  struct nat_kept kept;
  if (nat_kept(state, true, &kept) && kept.kind == NAT_NOTHING) return 0;
  return failed("forwards and masquerades are not loaded", "there is no " NFT);
}

int main(int argc, char **argv) {
  struct nat_problem p = {0};
  struct nat_kept kept;
  (void)argv;
  if (argc > 1) {
    fputs("usage: reeve-nat\n", stderr);
    return 2;
  }
  umask(077);
  AUTO_FD state = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (state < 0 && errno == ENOENT) return 0;
  if (state >= 0) (void)mkdirat(state, NAT_DIR, 0700);
  AUTO_FD dir = state < 0 ? -1 : openat(state, NAT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (dir < 0) return failed(STATE "/" NAT_DIR " cannot be opened", strerror(errno));
  if (nat_nft_absent()) return without_nft(state);
  /* A helper that hangs is no reason to leave a host cut off. */
  AUTO_FD lock = nat_lock(dir);
  if (lock < 0) log_line("the helper does not let go; going on without it");
  if (!nat_restore(state, dir, true, &p)) return failed("forwards and masquerades are not loaded", p.says);
  if (lock >= 0 && nat_kept(state, true, &kept) && kept.kind != NAT_PENDING && !nat_settle(state, dir, &p)) log_line("something is left for later: %s", p.says);
  return 0;
}
