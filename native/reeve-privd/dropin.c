/* The drop-in that makes sshd read the managed key files: its one form, written and read. */
#include "reeve.h"
#include "pending.h"

#define MANAGED "# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n"
#define LEFT "# Left by Reeve: plain configuration, yours to edit.\n"
#define GLOBAL "AuthorizedKeysFile "
#define MATCH "Match User "
#define OWN "    AuthorizedKeysFile " KEYS_PATH "\n"

/* Whether a space-separated list has this member. */
bool path_listed(const char *paths, const char *path, size_t n) {
  for (const char *at = paths; *at; at += strspn(at, " ")) {
    size_t length = strcspn(at, " ");
    if (length == n && !strncmp(at, path, n)) return true;
    at += length;
  }
  return false;
}

/* `paths`: those that sshd reads beside ours, in their order; `exclusive`: users, comma between, or empty. The caller frees it. */
char *dropin_render(const char *paths, const char *exclusive, bool left) {
  char *text = NULL;
  const char *match = *exclusive ? MATCH : "", *own = *exclusive ? "\n" OWN : "";
  int n = asprintf(&text, "%s" GLOBAL "%s%s%s\n%s%s%s", left ? LEFT : MANAGED, paths, *paths ? " " : "", KEYS_PATH, match, exclusive, own);
  return n < 0 ? NULL : text;
}

static bool take(const char **at, const char *what) {
  size_t n = strlen(what);
  if (strncmp(*at, what, n)) return false;
  *at += n;
  return true;
}

/* Takes `text` over. canonical: it is what dropin_render writes, with either heading. */
void dropin_parse(struct dropin *d, char *text, size_t n) {
  const char *at = text;
  *d = (struct dropin){.there = true, .text = text, .n = n};
  sha256_of(text, n, d->sha256);
  if (strlen(text) != n || (!take(&at, MANAGED) && !take(&at, LEFT)) || !take(&at, GLOBAL)) return;
  size_t line = strcspn(at, "\n"), ours = strlen(KEYS_PATH);
  if (line < ours || strncmp(at + line - ours, KEYS_PATH, ours)) return;
  size_t before = line - ours;
  if (before > 0 && at[before - 1] != ' ') return;
  d->paths = strndup(at, before > 0 ? before - 1 : 0);
  at += line;
  if (!take(&at, "\n")) return;
  size_t users = take(&at, MATCH) ? strcspn(at, "\n") : 0;
  d->exclusive = strndup(at, users);
  for (int left = 0; d->paths && d->exclusive && left < 2; left++) {
    AUTO_TEXT same = dropin_render(d->paths, d->exclusive, left);
    if (same && !strcmp(same, text)) d->canonical = true;
  }
}

void dropin_free(struct dropin *d) {
  free(d->text);
  free(d->paths);
  free(d->exclusive);
  *d = (struct dropin){0};
}

uint16_t dropin_read(struct call *c, struct dropin *d) {
  size_t n = 0;
  *d = (struct dropin){0};
  AUTO_FD dir = open(SSHD_DROPIN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 && errno == ENOENT) return REEVE_OK;
  char *text = dir < 0 ? NULL : small_get(dir, SSHD_DROPIN, SSHD_DROPIN_MAX, &n);
  if (!text && dir >= 0 && errno == ENOENT) return REEVE_OK;
  if (!text) return io_failed(c, SSHD_DROPIN_DIR "/" SSHD_DROPIN " cannot be read");
  dropin_parse(d, text, n);
  return REEVE_OK;
}

/* absent, pending, confirmed (it is as it was when it was confirmed) or altered. */
const char *dropin_state(const struct dropin *d) {
  struct pending p;
  char sum[65];
  AUTO_FD dir = state_folder(OWNED_DIR);
  if (is_pending(NOUN_KEY)) return "pending";
  if (!d->there) return "absent";
  hex(sum, d->sha256, sizeof d->sha256);
  return dir >= 0 && pending_get(dir, OWNED_SSHD, &p) && !strcmp(p.sha256, sum) ? "confirmed" : "altered";
}
