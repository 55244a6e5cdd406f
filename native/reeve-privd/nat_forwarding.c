/* Forwarding of the kernel: switched on where a rule needs it, and off again only if it was Reeve that switched it on since the host was started. */
#include "nat.h"

#define V4 "/proc/sys/net/ipv4/ip_forward"
#define V6 "/proc/sys/net/ipv6/conf/all/forwarding"
#define NOTE "forwarding"

static bool is_on(const char *path) {
  char c = '0';
  AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, &c, 1) == 1 && c != '0';
}

static bool set(const char *path, bool on) {
  AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write(fd, on ? "1\n" : "0\n", 2) == 2;
}

void nat_forwarding(bool *v4, bool *v6) {
  *v4 = is_on(V4);
  *v6 = is_on(V6);
}

/* Which of them Reeve switched on in this boot. */
static void note_get(int dir, const char *mark, bool *v4, bool *v6) {
  char expected[128];
  AUTO_TEXT text = small_get(dir, NOTE, 127, NULL);
  *v4 = *v6 = false;
  for (int both = 1; text && both < 4; both++) {
    snprintf(expected, sizeof expected, "mark=%s\non=%s%s\n", mark, both & 1 ? "4" : "", both & 2 ? "6" : "");
    if (strcmp(text, expected)) continue;
    *v4 = both & 1;
    *v6 = both & 2;
  }
}

static bool note_put(int dir, const char *mark, bool v4, bool v6) {
  char text[128];
  if (!v4 && !v6) return !unlinkat(dir, NOTE, 0) || errno == ENOENT;
  int n = snprintf(text, sizeof text, "mark=%s\non=%s%s\n", mark, v4 ? "4" : "", v6 ? "6" : "");
  return small_put(dir, NOTE, text, (size_t)n, 0600);
}

/* Switches on what is wanted; what was off is noted before. Without a mark of this boot (early, before /run/reeve is there) nothing is noted, and it stays on. */
bool nat_forwarding_on(int dir, bool v4, bool v6) {
  char mark[64];
  bool on4, on6, ours4, ours6;
  nat_forwarding(&on4, &on6);
  v4 = v4 && !on4;
  v6 = v6 && !on6;
  if (!v4 && !v6) return true;
  if (boot_mark(mark, true)) {
    note_get(dir, mark, &ours4, &ours6);
    if (!note_put(dir, mark, ours4 || v4, ours6 || v6)) return false;
  }
  return (!v4 || set(V4, true)) && (!v6 || set(V6, true));
}

/* Switches off what nothing needs, if it was ours. */
bool nat_forwarding_off(int dir, bool needed4, bool needed6) {
  char mark[64];
  bool ours4, ours6, ok = true;
  if (!boot_mark(mark, false)) return false;
  note_get(dir, mark, &ours4, &ours6);
  if (ours4 && !needed4) ok = set(V4, false);
  if (ours6 && !needed6) ok = set(V6, false) && ok;
  return ok && note_put(dir, mark, ours4 && needed4, ours6 && needed6);
}
