/* Lists of what was written into a set, and notes of what is under way: files below the state folder. */
#include "vhost_set.h"
#include "pending.h"

void vhost_list_free(struct vhost_list *list) {
  for (size_t i = 0; i < list->n; i++) free(list->entries[i].name);
  free(list->entries);
  *list = (struct vhost_list){0};
}

static size_t place_of(const struct vhost_list *list, const char *name) {
  size_t low = 0, high = list->n;
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (strcmp(list->entries[mid].name, name) < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

const struct vhost_entry *vhost_list_find(const struct vhost_list *list, const char *name) {
  size_t at = place_of(list, name);
  return at < list->n && !strcmp(list->entries[at].name, name) ? &list->entries[at] : NULL;
}

/* In its place. False: it is there already, there are too many, or there is no memory. */
bool vhost_list_add(struct vhost_list *list, const char *name, const uint8_t sha256[32], bool fresh) {
  size_t at = place_of(list, name);
  if (at < list->n && !strcmp(list->entries[at].name, name)) return false;
  if (list->n % 256 == 0) {
    struct vhost_entry *grown = realloc(list->entries, (list->n + 256) * sizeof *grown);
    if (!grown) return false;
    list->entries = grown;
  }
  char *copy = list->n < VHOST_SET_MAX ? strdup(name) : NULL;
  if (!copy) return false;
  memmove(&list->entries[at + 1], &list->entries[at], (list->n - at) * sizeof *list->entries);
  list->entries[at].name = copy;
  list->entries[at].fresh = fresh;
  memcpy(list->entries[at].sha256, sha256, 32);
  list->n++;
  return true;
}

/* NAME SHA256, in the file with a third word when it is fresh. */
static void format(const struct vhost_list *list, struct buf *b, bool words) {
  char sum[65];
  buf_init(b, VHOST_LIST_MAX);
  for (size_t i = 0; i < list->n; i++) {
    hex(sum, list->entries[i].sha256, 32);
    buf_say(b, "%s %s%s\n", list->entries[i].name, sum, words && list->entries[i].fresh ? " fresh" : "");
  }
}

void vhost_list_sha(const struct vhost_list *list, uint8_t out[32]) {
  struct buf b;
  format(list, &b, false);
  sha256_of(b.p ? b.p : (const uint8_t *)"", b.n, out);
  buf_free(&b);
}

bool vhost_list_write(const char *set, const struct vhost_list *list) {
  char name[SET_NAME + 5];
  struct buf b;
  AUTO_FD dir = state_folder(VHOST_STATE);
  format(list, &b, true);
  snprintf(name, sizeof name, "%s.list", set);
  bool ok = dir >= 0 && !b.full && small_put(dir, name, b.p ? (const void *)b.p : "", b.n, 0600);
  buf_free(&b);
  return ok;
}

bool vhost_list_read(const char *set, struct vhost_list *list) {
  char name[SET_NAME + 5];
  uint8_t sum[32];
  AUTO_FD dir = state_folder(VHOST_STATE);
  snprintf(name, sizeof name, "%s.list", set);
  AUTO_TEXT text = dir < 0 ? NULL : small_get(dir, name, VHOST_LIST_MAX, NULL);
  char *rest = text;
  for (char *line; rest && (line = strsep(&rest, "\n")) && *line;) {
    char *file = strsep(&line, " "), *hexes = strsep(&line, " ");
    if (hexes && strlen(hexes) == 64 && unhex(sum, hexes, 32) && vhost_list_add(list, file, sum, line && !strcmp(line, "fresh"))) continue;
    errno = EINVAL;
    return false;
  }
  return text != NULL;
}

static bool take_line(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n) || strlen(line + n) >= room) return false;
  strcpy(out, line + n);
  return true;
}

bool vhost_note_read(const char *name, struct vhost_note *note) {
  AUTO_FD dir = state_folder(VHOST_STATE);
  AUTO_TEXT text = dir < 0 ? NULL : small_get(dir, name, 4096, NULL);
  char *rest = text;
  *note = (struct vhost_note){0};
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    if (take_line(line, "set=", note->set, sizeof note->set) || take_line(line, "sha256=", note->sha256, sizeof note->sha256)) continue;
    if (take_line(line, "before=", note->before, sizeof note->before) || take_line(line, "operation=", note->operation, sizeof note->operation)) continue;
    if (take_line(line, "policy=", note->policy, sizeof note->policy) || take_line(line, "kept=", note->kept, sizeof note->kept)) continue;
    (void)take_line(line, "take=", note->take, sizeof note->take);
  }
  return text && vhost_is_set(note->set) && strlen(note->sha256) == 64;
}

bool vhost_note_write(const char *name, const struct vhost_note *note) {
  char text[4096];
  AUTO_FD dir = state_folder(VHOST_STATE);
  int n = snprintf(text, sizeof text, "set=%s\nsha256=%s\npolicy=%s\nbefore=%s\noperation=%s\ntake=%s\nkept=%s\n",
    note->set, note->sha256, note->policy, note->before, note->operation, note->take, note->kept);
  return dir >= 0 && n > 0 && (size_t)n < sizeof text && small_put(dir, name, text, (size_t)n, 0600);
}

bool vhost_note_drop(const char *name) {
  AUTO_FD dir = state_folder(VHOST_STATE);
  return dir >= 0 && (!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir);
}
