/* Private keys that are kept for a day: those that came for a certificate, and those that one had. STATE/cert/SPKI, root, 0600. */
#include "cert.h"
#include "pending.h"
#include <time.h>

#define KEPT "cert"
#define KEPT_S 86400
#define KEPT_MAX 1000

static int is_key(const struct dirent *entry) { return strlen(entry->d_name) == 64 && strspn(entry->d_name, "0123456789abcdef") == 64; }

/* The day begins again for one that is there. */
uint16_t cert_keep(struct call *c, const uint8_t spki[32], const char *key, size_t n) {
  char name[65];
  struct dirent **entries = NULL;
  AUTO_FD dir = state_folder(KEPT);
  int count = dir < 0 ? -1 : scandirat(dir, ".", &entries, is_key, NULL);
  end_names(entries, count);
  if (count < 0) return io_failed(c, "the kept keys cannot be read");
  if (count >= KEPT_MAX) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "key", "rule", "at most 1000 are kept", NULL);
  hex(name, spki, 32);
  bool ok = small_put(dir, name, key, n, 0600);
  FAILPOINT("cert.kept");
  return ok ? REEVE_OK : io_failed(c, "a key cannot be kept");
}

/* NULL: there is none. The caller overwrites it with zeroes, and frees it. */
char *cert_kept(const uint8_t spki[32], size_t *n) {
  char name[65];
  AUTO_FD dir = state_folder(KEPT);
  hex(name, spki, 32);
  return dir < 0 ? NULL : small_get(dir, name, CERT_KEY_MAX, n);
}

/* What they are keys of, 32 bytes each. */
void cert_kept_list(struct buf *spkis) {
  uint8_t spki[32];
  struct dirent **entries = NULL;
  AUTO_FD dir = state_folder(KEPT);
  int n = dir < 0 ? -1 : scandirat(dir, ".", &entries, is_key, alphasort);
  for (int i = 0; i < n; i++) if (unhex(spki, entries[i]->d_name, sizeof spki)) buf_put(spkis, spki, sizeof spki);
  end_names(entries, n);
}

/* Those that are older than a day go, and those that come from the future: the clock was set. */
void cert_kept_forget(bool all) {
  struct stat st;
  time_t now = (time_t)(wall_ms() / 1000);
  struct dirent **entries = NULL;
  AUTO_FD dir = state_folder(KEPT);
  int n = dir < 0 ? -1 : scandirat(dir, ".", &entries, is_key, NULL);
  for (int i = 0; i < n; i++) {
    const char *name = entries[i]->d_name;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    if (all || st.st_mtime < now - KEPT_S || st.st_mtime > now + KEPT_S) (void)unlinkat(dir, name, 0);
  }
  end_names(entries, n);
}
