/* Writing down what a container is to be, so that it can be taken back: what was there before is on the disk before anything is replaced, and goes last. */
#include "container.h"
#include "pending.h"

#define RECORD_MOST (SPEC_BYTES + 256u)

static uint16_t fixed(struct call *c, const char *name, const char *field, const char *rule) {
  return fail(c, REEVE_E_CONTAINER_FIXED, "value", name, "field", field, "rule", rule, NULL);
}

static bool differ(const char *a, const char *b) { return (!a != !b) || (a && strcmp(a, b)); }

/* What a container that is there cannot become. */
static uint16_t guard_fixed(struct call *c, const struct container *old, const struct spec *s) {
  const struct spec *o = &old->spec;
  if (o->engine != s->engine) return fixed(c, old->name, "engine", "it is made by one");
  if (o->id != s->id) return fixed(c, old->name, "id", "it is that one of pct");
  if (o->adopted != s->adopted) return fixed(c, old->name, "adopted", "it was taken over, or made by Reeve");
  if (s->engine == SPEC_LXC && o->host_ids != s->host_ids) return fixed(c, old->name, "ids", "its files belong to them");
  if (differ(o->archive, s->archive)) return fixed(c, old->name, "archive", "its root file system was made of it");
  if (differ(o->template, s->template) || differ(o->storage, s->storage)) return fixed(c, old->name, "template", "its root file system was made of it");
  return REEVE_OK;
}

/* A new one takes nobody else's place. */
static uint16_t guard_fresh(struct call *c, const char *name, const struct spec *s, bool adopting) {
  char where[256];
  bool foreign = container_foreign(name, s->engine, where);
  if (s->engine == SPEC_PCT && !adopting) {
    snprintf(where, sizeof where, "/etc/pve/lxc/%u.conf", s->id);
    foreign = foreign || !access(where, F_OK);
  }
  if (!adopting && s->adopted) return fail(c, REEVE_E_FIELD_INVALID, "field", "adopted", "value", "yes", "rule", "container.adopt takes over what others made", NULL);
  return !adopting && foreign ? fail(c, REEVE_E_CONTAINER_FOREIGN, "value", name, "rule", where, NULL) : REEVE_OK;
}

bool container_sweep(const struct container *k, int64_t older_s) {
  struct dirent **names = NULL;
  AUTO_FD dir = container_folder(k->name, false);
  AUTO_FD secrets = dir < 0 ? -1 : open_beneath(dir, "secret", O_RDONLY | O_DIRECTORY, 0);
  int n = secrets < 0 ? -1 : scandirat(secrets, ".", &names, NULL, NULL);
  bool ok = true;
  for (int i = 0; i < n; i++) {
    struct stat st;
    bool named = fstatat(secrets, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode) || (older_s > 0 && wall_ms() / 1000 - st.st_mtim.tv_sec < older_s);
    for (size_t j = 0; k->there && j < k->spec.secrets.n; j++) {
      char entry[160];
      snprintf(entry, sizeof entry, "%s.%s", k->spec.secrets.items[j].name, k->spec.secrets.items[j].version);
      named = named || !strcmp(entry, names[i]->d_name);
    }
    if (!named) ok = !unlinkat(secrets, names[i]->d_name, 0) && ok;
  }
  end_names(names, n);
  return ok;
}

uint16_t container_secrets(struct call *c, const struct container *k) {
  if (k->spec.secrets.n == 0) return REEVE_OK;
  AUTO_FD dir = container_folder(k->name, false);
  AUTO_FD secrets = dir < 0 ? -1 : open_beneath(dir, "secret", O_RDONLY | O_DIRECTORY, 0);
  for (size_t i = 0; i < k->spec.secrets.n; i++) {
    char entry[160];
    snprintf(entry, sizeof entry, "%s.%s", k->spec.secrets.items[i].name, k->spec.secrets.items[i].version);
    AUTO_FD fd = secrets < 0 ? -1 : open_beneath(secrets, entry, O_RDONLY, 0);
    if (fd < 0) return fail(c, REEVE_E_FIELD_INVALID, "field", "secret", "value", entry, "rule", "the host does not have this version of it; container.secret gives it", NULL);
    uid_t owner = container_root(k);
    if (k->has_slot && fchown(fd, owner, owner)) return io_failed(c, "a secret cannot be given to its container");
  }
  return REEVE_OK;
}

/* The record as it is on the disk, or that there is none. */
static uint16_t keep_before(struct call *c, int dir) {
  size_t n = 0;
  AUTO_TEXT old = small_get(dir, "spec", RECORD_MOST, &n);
  if (!old && errno != ENOENT) return io_failed(c, "the record of a container cannot be read");
  bool ok = old ? small_put(dir, "before", old, n, 0600) : small_put(dir, "before", "none\n", 5, 0600);
  FAILPOINT("container.put.before");
  return ok ? REEVE_OK : io_failed(c, "what was there before cannot be kept");
}

/* `k` is what is to be. */
static uint16_t replace(struct call *c, struct container *k, bool pending, bool *changed) {
  uint16_t status = container_slot(c, k);
  AUTO_FD dir = status ? -1 : container_folder(k->name, true);
  if (!status && dir < 0) status = io_failed(c, "the folder of a container cannot be opened");
  if (!status) status = container_secrets(c, k);
  if (!status && !pending) status = keep_before(c, dir);
  if (!status) status = container_volumes(c, k, true);
  if (status) return status;
  *changed = true;
  if (!container_put_marked(dir, "spec", k->text, k->n, 0600)) return io_failed(c, "the record of a container cannot be written");
  FAILPOINT("container.put.spec");
  return container_converge(c, k->name, k, changed);
}

static uint16_t guard(struct call *c, const struct container *old, const struct container *k, bool adopting) {
  uint16_t status = old->there ? guard_fixed(c, old, &k->spec) : guard_fresh(c, k->name, &k->spec, adopting);
  if (!status) status = container_guard(c, k->name, &k->spec);
  if (!status) status = container_volumes(c, k, false);
  return status ? status : container_secrets(c, k);
}

uint16_t container_write(struct call *c, const char *name, const struct value *text, bool adopting, bool *changed) {
  AUTO_CONTAINER old = {0};
  AUTO_CONTAINER k = {0};
  *changed = false;
  (void)container_read(name, &old);
  snprintf(k.name, sizeof k.name, "%s", name);
  k.slot = old.slot;
  k.has_slot = old.has_slot;
  k.text = malloc(text->n + 1);
  if (!k.text) return io_failed(c, "out of memory");
  memcpy(k.text, text->text, text->n + 1);
  k.n = text->n;
  k.fresh = !old.there || (old.pending && old.fresh);
  uint16_t status = container_parse(c, text, &k.spec);
  k.there = !status;
  if (!status) status = guard(c, &old, &k, adopting);
  if (status) return status;
  bool same = old.there && !old.edited && old.n == k.n && !memcmp(old.text, k.text, k.n);
  if (!same) return replace(c, &k, old.pending, changed);
  status = container_volumes(c, &k, true);
  return status ? status : container_converge(c, name, &k, changed);
}

static uint16_t settled(struct call *c, int dir, const struct container *k) {
  FAILPOINT("container.settle.begun");
  if (!container_sweep(k, 0)) return io_failed(c, "a secret that is not needed any more cannot be removed");
  if ((unlinkat(dir, "before", 0) && errno != ENOENT) || fsync(dir)) return io_failed(c, "a change cannot be settled");
  FAILPOINT("container.settle.ended");
  return REEVE_OK;
}

/* What was there before, of which `before` is the record. */
static uint16_t put_back(struct call *c, int dir, const char *name) {
  size_t n = 0;
  bool changed = false;
  AUTO_TEXT before = small_get(dir, "before", RECORD_MOST, &n);
  if (!before) return io_failed(c, "what was there before cannot be read");
  bool none = !strcmp(before, "none\n");
  /* A unit that is left behind by a crash here goes with the next attempt: `before` is still there. */
  if (none) {
    uint16_t status = container_converge(c, name, NULL, &changed);
    if (status) return status;
    if (unlinkat(dir, "spec", 0) && errno != ENOENT) return io_failed(c, "the record of a container cannot be removed");
    return REEVE_OK;
  }
  if (!small_put(dir, "spec", before, n, 0600)) return io_failed(c, "the record of a container cannot be written");
  FAILPOINT("container.settle.restored");
  AUTO_CONTAINER k = {0};
  (void)container_read(name, &k);
  uint16_t status = k.there ? container_secrets(c, &k) : REEVE_OK;
  return k.there && !status ? container_converge(c, name, &k, &changed) : status;
}

uint16_t container_settle(struct call *c, struct container *k, bool keep) {
  AUTO_FD dir = container_folder(k->name, false);
  bool changed = false;
  if (dir < 0) return REEVE_OK;
  uint16_t status = REEVE_OK;
  if (keep) k->fresh = false;
  if (!keep && k->pending) status = put_back(c, dir, k->name);
  else if (k->there && k->pending) status = container_converge(c, k->name, k, &changed);
  else status = container_reload(c, k->name);
  if (status) return status;
  AUTO_CONTAINER now = {0};
  (void)container_read(k->name, &now);
  return settled(c, dir, &now);
}
