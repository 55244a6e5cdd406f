/* Folders of containers below the state folder: the record, the slot, and what is known of a change that is not settled. */
#include "container.h"
#include "pending.h"

#define MARK_ROOM 160u

void container_mark(struct buf *b, const void *text, size_t n) {
  uint8_t sum[32];
  char digits[65];
  sha256_of(text, n, sum);
  hex(digits, sum, sizeof sum);
  buf_say(b, CONTAINER_MARK "%s: changes made here are undone. See reeve-agent(8).\n", digits);
  buf_put(b, text, n);
}

const char *container_body(const char *text, size_t n, size_t *nbody) {
  const char *lf = memchr(text, '\n', n);
  if (!lf) return NULL;
  *nbody = n - (size_t)(lf + 1 - text);
  return lf + 1;
}

enum container_marked container_marked(const char *text, size_t n) {
  uint8_t sum[32];
  char digits[65];
  size_t nbody = 0, head = strlen(CONTAINER_MARK);
  const char *body = container_body(text, n, &nbody);
  if (n < head || memcmp(text, CONTAINER_MARK, head)) return MARKED_NOT;
  if (!body) return MARKED_EDITED;
  sha256_of(body, nbody, sum);
  hex(digits, sum, sizeof sum);
  return n - nbody > head + 64 && !memcmp(text + head, digits, 64) ? MARKED_WHOLE : MARKED_EDITED;
}

bool container_put_marked(int dir, const char *name, const char *text, size_t n, mode_t mode) {
  struct buf b;
  buf_init(&b, n + MARK_ROOM);
  container_mark(&b, text, n);
  bool ok = !b.full && small_put(dir, name, b.p, b.n, mode);
  buf_free(&b);
  return ok;
}

/* The folder of a container; names were checked. */
int container_folder(const char *name, bool make) {
  AUTO_FD all = state_folder(CONTAINER_DIR);
  if (all >= 0 && make && mkdirat(all, name, 0700) && errno != EEXIST) return -1;
  if (all >= 0 && make) (void)fsync(all);
  return all < 0 ? -1 : open_beneath(all, name, O_RDONLY | O_DIRECTORY, 0);
}

static void read_slot(int dir, struct container *k) {
  uint64_t slot;
  size_t n = 0;
  AUTO_TEXT text = small_get(dir, "slot", 16, &n);
  k->has_slot = text && n > 1 && text[n - 1] == '\n' && parse_number(text, n - 1, SLOTS - 1, &slot);
  if (k->has_slot) k->slot = (uint32_t)slot;
}

static void read_before(int dir, struct container *k) {
  AUTO_TEXT text = small_get(dir, "before", SPEC_BYTES + MARK_ROOM, NULL);
  k->pending = text != NULL;
  k->fresh = text && !strcmp(text, "none\n");
}

bool container_read(const char *name, struct container *k) {
  struct spec_problem why;
  size_t n = 0, nbody = 0;
  *k = (struct container){0};
  snprintf(k->name, sizeof k->name, "%s", name);
  AUTO_FD dir = container_folder(name, false);
  if (dir < 0) return false;
  read_slot(dir, k);
  read_before(dir, k);
  AUTO_TEXT text = small_get(dir, "spec", SPEC_BYTES + MARK_ROOM, &n);
  if (!text) return true;
  const char *body = container_body(text, n, &nbody);
  k->edited = container_marked(text, n) != MARKED_WHOLE;
  k->text = body ? malloc(nbody + 1) : NULL;
  if (k->text) {
    memcpy(k->text, body, nbody);
    k->text[nbody] = 0;
    k->n = nbody;
  }
  k->there = k->text && spec_parse(&k->spec, k->text, k->n, &why);
  k->damaged = !k->there;
  return true;
}

void container_free(struct container *k) {
  spec_free(&k->spec);
  free(k->text);
  k->text = NULL;
}

uint16_t container_known(struct call *c, const char *name, struct container *k) {
  char where[256];
  (void)container_read(name, k);
  if (k->there) return REEVE_OK;
  if (k->damaged) return fail(c, REEVE_E_CONTAINER_DRIFT, "value", name, "rule", "its record cannot be read", NULL);
  for (int engine = SPEC_PODMAN; engine <= SPEC_PCT; engine++)
    if (container_foreign(name, (enum spec_engine)engine, where)) return fail(c, REEVE_E_CONTAINER_FOREIGN, "value", name, "rule", where, NULL);
  return fail(c, REEVE_E_CONTAINER_UNKNOWN, "value", name, NULL);
}

static int is_name(const struct dirent *entry) { return container_name(entry->d_name); }

int container_names(struct dirent ***names) {
  AUTO_FD dir = state_folder(CONTAINER_DIR);
  *names = NULL;
  int n = dir < 0 ? -1 : scandirat(dir, ".", names, is_name, alphasort);
  return n < 0 ? 0 : n;
}

/* The lowest one that no folder has: those of containers that were let go keep theirs. */
uint16_t container_slot(struct call *c, struct container *k) {
  static bool taken[SLOTS];
  char text[16];
  struct dirent **names;
  if (k->has_slot) return REEVE_OK;
  AUTO_FD dir = container_folder(k->name, true);
  if (dir < 0) return io_failed(c, "the folder of a container cannot be made");
  memset(taken, 0, sizeof taken);
  int n = container_names(&names);
  for (int i = 0; i < n; i++) {
    struct container other = {0};
    AUTO_FD folder = container_folder(names[i]->d_name, false);
    if (folder >= 0) read_slot(folder, &other);
    if (other.has_slot) taken[other.slot] = true;
  }
  end_names(names, n);
  if (n > (int)CONTAINER_MOST) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "name", "rule", "a host has at most 1000 containers", NULL);
  uint32_t slot = 0;
  while (slot < SLOTS && taken[slot]) slot++;
  if (slot == SLOTS) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "name", "rule", "all ranges of ids are taken", NULL);
  size_t length = (size_t)snprintf(text, sizeof text, "%u\n", slot);
  if (!small_put(dir, "slot", text, length, 0600)) return io_failed(c, "the ids of a container cannot be noted");
  FAILPOINT("container.slot.noted");
  k->slot = slot;
  k->has_slot = true;
  return REEVE_OK;
}

uint32_t container_root(const struct container *k) { return k->there && k->spec.host_ids ? 0 : IDS_FIRST + k->slot * IDS_EACH; }
