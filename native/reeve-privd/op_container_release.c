/* container.release: units and data of a container stay and work without Reeve; only its record goes. */
#include "container.h"
#include "pending.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_RELEASE_##field])
#define PROGRAM_MOST (16u << 20)
#define SECRET_MOST 32768u

static int left_folder(const char *name) {
  AUTO_FD above = open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (above < 0 || (mkdirat(above, "reeve-left", 0700) && errno != EEXIST)) return -1;
  int left = open_beneath(above, "reeve-left", O_RDONLY | O_DIRECTORY, 0);
  /* Proxies of sleeping containers run a program in it, as nobody. */
  if (left < 0 || fchmod(left, 0755) || !name) return left;
  AUTO_FD all = left;
  if (mkdirat(all, name, 0700) && errno != EEXIST) return -1;
  return open_beneath(all, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Of one that sleeps, the proxies ask by it whether the container takes connections. */
static bool leave_program(const struct container *k) {
  size_t n = 0;
  if (!k->spec.idle) return true;
  AUTO_TEXT text = read_whole(CONTAINER_PROGRAM, PROGRAM_MOST, &n);
  AUTO_FD left = left_folder(NULL);
  return text && left >= 0 && small_put(left, "reeve-container", text, n, 0755);
}

static bool leave_secrets(const struct container *k) {
  if (k->spec.secrets.n == 0) return true;
  AUTO_FD dir = container_folder(k->name, false);
  AUTO_FD from = dir < 0 ? -1 : open_beneath(dir, "secret", O_RDONLY | O_DIRECTORY, 0);
  AUTO_FD to = left_folder(k->name);
  uid_t owner = container_root(k);
  bool ok = from >= 0 && to >= 0;
  for (size_t i = 0; ok && i < k->spec.secrets.n; i++) {
    const struct spec_secret *secret = &k->spec.secrets.items[i];
    char entry[160];
    size_t n = 0;
    snprintf(entry, sizeof entry, "%s.%s", secret->name, secret->version);
    char *text = small_get(from, entry, SECRET_MOST, &n);
    ok = text && small_put(to, secret->name, text, n, 0400) && !fchownat(to, secret->name, owner, owner, AT_SYMLINK_NOFOLLOW);
    if (text) explicit_bzero(text, n);
    free(text);
  }
  return ok;
}

/* The slot stays: its ids are those of what was let go. */
static uint16_t forget(struct call *c, struct container *k) {
  AUTO_FD dir = container_folder(k->name, false);
  k->there = false;
  bool ok = dir >= 0 && container_sweep(k, 0);
  ok = ok && (!unlinkat(dir, "before", 0) || errno == ENOENT) && !unlinkat(dir, "spec", 0) && !fsync(dir);
  FAILPOINT("container.release.forgotten");
  return ok ? REEVE_OK : io_failed(c, "the record of a container cannot be removed");
}

uint16_t op_container_release(struct call *c) {
  AUTO_CONTAINER k = {0};
  if (!container_read(F(c, NAME)->text, &k) || (!k.there && !k.damaged)) return REEVE_OK;
  if (k.pending) return fail(c, REEVE_E_CONTAINER_FAILED, "value", k.name, "rule", "a change of it is neither kept nor taken back yet", NULL);
  if (k.damaged) return fail(c, REEVE_E_CONTAINER_DRIFT, "value", k.name, "rule", "its record cannot be read", NULL);
  if (!leave_program(&k) || !leave_secrets(&k)) return io_failed(c, "what the container needs cannot be left behind");
  FAILPOINT("container.release.left");
  uint16_t status = container_leave(c, &k);
  return status ? status : forget(c, &k);
}
