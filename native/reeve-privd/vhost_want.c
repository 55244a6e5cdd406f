/* The set that was asked for, as entries and as sites. */
#include "vhost_set.h"

/* keep NAME SHA256, or put NAME SIZE and as many bytes. */
bool vhost_want_next(const char *blob, size_t n, size_t *at, struct vhost_want *want) {
  const char *line = blob + *at, *lf = *at < n ? memchr(line, '\n', n - *at) : NULL;
  if (!lf) return false;
  *want = (struct vhost_want){.put = lf - line > 4 && !memcmp(line, "put ", 4)};
  if (!want->put && (lf - line < 5 || memcmp(line, "keep ", 5))) return false;
  const char *name = line + (want->put ? 4 : 5), *space = memchr(name, ' ', (size_t)(lf - name));
  if (!space || space == name || (size_t)(space - name) >= sizeof want->name) return false;
  snprintf(want->name, sizeof want->name, "%.*s", (int)(space - name), name);
  size_t rest = (size_t)(lf - space) - 1, from = (size_t)(lf - blob) + 1;
  if (!want->put) {
    if (rest != 64 || !unhex(want->sha256, space + 1, 32)) return false;
    *at = from;
    return true;
  }
  uint64_t size;
  if (!parse_number(space + 1, rest, VHOST_FILE_MAX, &size) || size >= n - from || blob[from + size] != '\n') return false;
  want->text = blob + from;
  want->n = (size_t)size;
  *at = from + (size_t)size + 1;
  return true;
}

static uint16_t bad_set(struct call *c, const char *value, const char *rule) { return fail(c, REEVE_E_FIELD_INVALID, "field", "set", "value", value, "rule", rule, NULL); }

static uint16_t take_wants(struct call *c, struct vhost_work *w, const struct value *blob) {
  char site[SITE_MAX_LEN + 1];
  size_t at = 0;
  for (size_t room = 0;; w->nwants++) {
    if (w->nwants == VHOST_SET_MAX) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "set", "rule", "at most 8000 files", NULL);
    if (w->nwants == room) {
      struct vhost_want *grown = realloc(w->wants, (room += 512) * sizeof *grown);
      if (!grown) return io_failed(c, "out of memory");
      w->wants = grown;
    }
    struct vhost_want *want = &w->wants[w->nwants];
    if (!vhost_want_next(blob->text, blob->n, &at, want)) break;
    if (vhost_kind(want->name, site) == VHOST_NONE) return bad_set(c, want->name, "SITE.conf, .auth, .ca, .crl, .crt or .key is wanted");
    if (w->nwants > 0 && strcmp(want[-1].name, want->name) >= 0) return bad_set(c, want->name, "entries sorted by name, each once, are wanted");
    if (want->put) sha256_of(want->text, want->n, want->sha256);
  }
  return at == blob->n ? REEVE_OK : bad_set(c, "", "entries keep NAME SHA256 and put NAME SIZE are wanted");
}

static int by_name(const void *a, const void *b) { return strcmp(((const struct vhost_site *)a)->name, ((const struct vhost_site *)b)->name); }

struct vhost_site *vhost_site_find(const struct vhost_work *w, const char *name) {
  struct vhost_site key;
  if (w->nsites == 0) return NULL;
  snprintf(key.name, sizeof key.name, "%s", name);
  return bsearch(&key, w->sites, w->nsites, sizeof key, by_name);
}

/* Sites of what is wanted; each entry knows the place of its own. */
static bool take_sites(struct vhost_work *w) {
  w->sites = calloc(w->nwants + 1, sizeof *w->sites);
  if (!w->sites) return false;
  for (size_t i = 0; i < w->nwants; i++) (void)vhost_kind(w->wants[i].name, w->sites[i].name);
  qsort(w->sites, w->nwants, sizeof *w->sites, by_name);
  for (size_t i = 0; i < w->nwants; i++) if (w->nsites == 0 || strcmp(w->sites[w->nsites - 1].name, w->sites[i].name)) w->sites[w->nsites++] = w->sites[i];
  for (size_t i = 0; i < w->nwants; i++) {
    char site[SITE_MAX_LEN + 1];
    (void)vhost_kind(w->wants[i].name, site);
    w->wants[i].site = (size_t)(vhost_site_find(w, site) - w->sites);
  }
  return true;
}

/* Against what is in place: a site is changed when a file of it is written, or goes. */
static uint16_t compare(struct call *c, struct vhost_work *w) {
  for (size_t i = 0; i < w->nwants; i++) {
    const struct vhost_want *want = &w->wants[i];
    const struct vhost_entry *was = vhost_list_find(&w->had, want->name);
    if (!want->put && (!was || memcmp(was->sha256, want->sha256, 32))) return fail(c, REEVE_E_STATE_MOVED, "moved", want->name, NULL);
    w->sites[want->site].changed = w->sites[want->site].changed || want->put;
  }
  for (size_t i = 0, k = 0; i < w->had.n; i++) {
    char name[SITE_MAX_LEN + 1];
    struct vhost_site *site = vhost_kind(w->had.entries[i].name, name) == VHOST_NONE ? NULL : vhost_site_find(w, name);
    if (!site) continue;
    site->before = true;
    while (k < w->nwants && strcmp(w->wants[k].name, w->had.entries[i].name) < 0) k++;
    site->changed = site->changed || k == w->nwants || strcmp(w->wants[k].name, w->had.entries[i].name) != 0;
  }
  return REEVE_OK;
}

/* Opens what is in place, and takes the set apart. */
uint16_t vhost_work_begin(struct call *c, struct vhost_work *w, const struct value *blob) {
  char placed[SET_NAME];
  w->dir = w->old = -1;
  bool any = vhost_placed(placed);
  if (any && !vhost_list_read(placed, &w->had) && errno != ENOENT) return io_failed(c, "the list of the set in place cannot be read");
  w->old = any ? vhost_open_set(placed) : -1;
  if (any && w->old < 0) return io_failed(c, "the set in place cannot be opened");
  uint16_t status = take_wants(c, w, blob);
  if (!status && !take_sites(w)) status = io_failed(c, "out of memory");
  return status ? status : compare(c, w);
}

void vhost_work_end(struct vhost_work *w) {
  end_fd(&w->dir);
  end_fd(&w->old);
  for (size_t i = 0; i < w->nsites; i++) free(w->sites[i].problem);
  free(w->sites);
  free(w->wants);
  vhost_list_free(&w->had);
}
