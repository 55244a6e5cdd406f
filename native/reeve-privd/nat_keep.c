/* Which state of noun nat a host should have, and bringing it there: by the helper after a change that failed, by reeve-nat at boot and when a change is taken back. */
#include "nat.h"
#include <poll.h>
#include <sys/file.h>

#define LOCK "lock"
#define LOCK_MS 45000
#define NOBODY "00000000000000000000000000000000"

/* Helper and loader take turns. -1: the other one took too long. */
int nat_lock(int dir) {
  int fd = openat(dir, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  for (int waited = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB); waited += 10) {
    if (errno != EWOULDBLOCK || waited > LOCK_MS) {
      close(fd);
      return -1;
    }
    poll(NULL, 0, 10);
  }
  return fd;
}

void nat_file_name(char out[48], const char *operation, const char *suffix) { snprintf(out, 48, "%.32s.%s", operation, suffix); }

/* A file of one change. */
char *nat_file(int dir, const char *operation, const char *suffix, size_t max, size_t *n) {
  char name[48];
  nat_file_name(name, operation, suffix);
  return small_get(dir, name, max, n);
}

static bool left_there(void) { return access(NAT_LEFT_DIR "/" NAT_LEFT, F_OK) == 0; }

/* with_pending: also a change that waits to be confirmed in this boot. False: it cannot be known. */
bool nat_kept(int state, bool with_pending, struct nat_kept *kept) {
  struct pending p;
  char mark[64];
  AUTO_FD pending = openat(state, PENDING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD owned = openat(state, OWNED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *kept = (struct nat_kept){.kind = left_there() ? NAT_RELEASED : NAT_NOTHING, .operation = NOBODY};
  if (with_pending && pending >= 0 && pending_get(pending, NOUN_NAT->name, &p) && boot_mark(mark, false) && !strcmp(mark, p.mark)) kept->kind = NAT_PENDING;
  else if (owned >= 0 && pending_get(owned, NOUN_NAT->owned, &p)) kept->kind = NAT_CONFIRMED;
  else return owned < 0 || errno == ENOENT;
  snprintf(kept->operation, sizeof kept->operation, "%s", p.operation);
  return true;
}

static bool needs(const char *batch, char family) {
  static const char start[] = "# forwarding=";
  const char *line = strstr(batch, start);
  return line && memchr(line, family, strcspn(line, "\n"));
}

/* Makes the host what is kept. `dir` is nat/. */
bool nat_restore(int state, int dir, bool with_pending, struct nat_problem *p) {
  static const char nothing[] = "# forwarding=\nadd table inet reeve\ndelete table inet reeve\n";
  struct nat_kept kept;
  size_t n = 0;
  if (!nat_kept(state, with_pending, &kept)) return nat_wrong(p, "", "what was confirmed last cannot be read (%s)", strerrorname_np(errno));
  AUTO_FD left = open(NAT_LEFT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_TEXT batch = kept.kind == NAT_NOTHING ? strdup(nothing) : kept.kind == NAT_RELEASED ? small_get(left, NAT_LEFT, NAT_BATCH_MAX, NULL)
    : nat_file(dir, kept.operation, "nft", NAT_BATCH_MAX, NULL);
  if (!batch) return nat_wrong(p, "", "the rules of %s cannot be read (%s)", kept.operation, strerrorname_np(errno));
  n = strlen(batch);
  bool v4 = needs(batch, '4'), v6 = needs(batch, '6');
  if (!nat_load(dir, kept.operation, batch, n, p)) return false;
  if (!nat_forwarding_on(dir, v4, v6) || (kept.kind != NAT_PENDING && !nat_forwarding_off(dir, v4, v6)))
    return nat_wrong(p, "", "forwarding cannot be set (%s)", strerrorname_np(errno));
  return true;
}

/* For the next boot; without a need the file goes, if it is ours. */
bool nat_sysctl(bool v4, bool v6, bool left) {
  static const char managed[] = "# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n", plain[] = "# Left by Reeve: plain configuration, yours to edit.\n";
  char text[512];
  AUTO_FD dir = open(NAT_SYSCTL_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return errno == ENOENT && !v4 && !v6;
  AUTO_TEXT now = small_get(dir, NAT_SYSCTL, 4096, NULL);
  if (!v4 && !v6) return !now || (strncmp(now, managed, strlen(managed)) && strncmp(now, plain, strlen(plain))) || (!unlinkat(dir, NAT_SYSCTL, 0) && !fsync(dir));
  int n = snprintf(text, sizeof text, "%s%s%s", left ? plain : managed, v4 ? "net.ipv4.ip_forward = 1\n" : "", v6 ? "net.ipv6.conf.all.forwarding = 1\n" : "");
  return (now && !strcmp(now, text)) || small_put(dir, NAT_SYSCTL, text, (size_t)n, 0644);
}

/* What was let go before is ours again. */
bool nat_forget_left(void) {
  AUTO_FD dir = open(NAT_LEFT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return errno == ENOENT;
  return (!unlinkat(dir, NAT_LEFT, 0) && !fsync(dir)) || errno == ENOENT;
}
