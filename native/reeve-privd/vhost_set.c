/* Lists of what was written, the folders of sets, and the link to the one in place. */
#include "vhost_set.h"
#include "pending.h"

#define TAKEN_SUFFIX ".reeve-taken"

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

/* In its place; one that is there gets this sum. */
bool vhost_list_add(struct vhost_list *list, const char *name, const uint8_t sha256[32]) {
  size_t at = place_of(list, name);
  if (at < list->n && !strcmp(list->entries[at].name, name)) {
    memcpy(list->entries[at].sha256, sha256, 32);
    return true;
  }
  if (list->n % 256 == 0) {
    struct vhost_entry *grown = realloc(list->entries, (list->n + 256) * sizeof *grown);
    if (!grown) return false;
    list->entries = grown;
  }
  char *copy = strdup(name);
  if (!copy || list->n >= VHOST_SET_MAX) {
    free(copy);
    return false;
  }
  memmove(&list->entries[at + 1], &list->entries[at], (list->n - at) * sizeof *list->entries);
  list->entries[at].name = copy;
  memcpy(list->entries[at].sha256, sha256, 32);
  list->n++;
  return true;
}

static void format(const struct vhost_list *list, struct buf *b) {
  char sum[65];
  buf_init(b, VHOST_LIST_MAX);
  for (size_t i = 0; i < list->n; i++) {
    hex(sum, list->entries[i].sha256, 32);
    buf_say(b, "%s %s\n", list->entries[i].name, sum);
  }
}

void vhost_list_sha(const struct vhost_list *list, uint8_t out[32]) {
  struct buf b;
  format(list, &b);
  sha256_of(b.p ? b.p : (const uint8_t *)"", b.n, out);
  buf_free(&b);
}

bool vhost_list_write(const char *set, const struct vhost_list *list) {
  char name[SET_NAME + 5];
  struct buf b;
  AUTO_FD dir = state_folder(VHOST_STATE);
  format(list, &b);
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
    char *space = strchr(line, ' ');
    if (!space || strlen(space + 1) != 64 || !unhex(sum, space + 1, 32)) return false;
    *space = 0;
    if (!vhost_list_add(list, line, sum)) return false;
  }
  return text != NULL;
}

bool vhost_is_set(const char *name) { return !strncmp(name, "set-", 4) && strlen(name) == SET_NAME - 1 && strspn(name + 4, "0123456789abcdef") == SET_NAME - 5; }

bool vhost_placed(char set[SET_NAME]) {
  char target[64];
  ssize_t n = readlink(VHOST_CURRENT, target, sizeof target - 1);
  target[n < 0 ? 0 : n] = 0;
  bool ours = vhost_is_set(target);
  snprintf(set, SET_NAME, "%s", ours ? target : "");
  return ours;
}

int vhost_open_set(const char *set) {
  AUTO_FD base = open_under("/", &VHOST_DIR[1], O_RDONLY | O_DIRECTORY);
  return base < 0 || !vhost_is_set(set) ? -1 : open_beneath(base, set, O_RDONLY | O_DIRECTORY, 0);
}

static bool empty_folder(int dir) {
  int copy = dup(dir);
  DIR *list = copy < 0 ? NULL : fdopendir(copy);
  if (!list) {
    if (copy >= 0) close(copy);
    return false;
  }
  rewinddir(list);
  for (struct dirent *e; (e = readdir(list));) if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) (void)unlinkat(dir, e->d_name, 0);
  closedir(list);
  return true;
}

bool vhost_drop_set(const char *set) {
  char name[SET_NAME + 5];
  AUTO_FD state = state_folder(VHOST_STATE);
  AUTO_FD base = open_under("/", &VHOST_DIR[1], O_RDONLY | O_DIRECTORY);
  if (!vhost_is_set(set)) return true;
  AUTO_FD dir = base < 0 ? -1 : vhost_open_set(set);
  if (dir >= 0 && (!empty_folder(dir) || unlinkat(base, set, AT_REMOVEDIR))) return false;
  snprintf(name, sizeof name, "%s.list", set);
  return state >= 0 && (!unlinkat(state, name, 0) || errno == ENOENT);
}

bool vhost_place(const char *set) {
  AUTO_FD base = open_under("/", &VHOST_DIR[1], O_RDONLY | O_DIRECTORY);
  if (base < 0) return false;
  if (!*set) return (!unlinkat(base, "current", 0) || errno == ENOENT) && !fsync(base);
  (void)unlinkat(base, "current.new", 0);
  bool ok = !symlinkat(set, base, "current.new");
  FAILPOINT("vhost.linked");
  return ok && !renameat(base, "current.new", base, "current") && !fsync(base);
}

static const char managed[] = "# Managed by Reeve: changes made here are undone. See reeve-agent(8).\ninclude " VHOST_CURRENT "/*.conf;\n";
static const char left_over[] = "# Left by Reeve: plain configuration, yours to edit.\ninclude " VHOST_CURRENT "/*.conf;\n";

bool vhost_has_include(void) {
  size_t n;
  AUTO_TEXT text = read_whole(NGINX_INCLUDES "/" VHOST_INCLUDE, VHOST_FILE_MAX, &n);
  return text && n == sizeof managed - 1 && !memcmp(text, managed, n);
}

bool vhost_put_include(bool left) {
  const char *text = left ? left_over : managed;
  AUTO_FD dir = open_under("/", &NGINX_INCLUDES[1], O_RDONLY | O_DIRECTORY);
  if (!left && vhost_has_include()) return true;
  return dir >= 0 && small_put(dir, VHOST_INCLUDE, text, strlen(text), 0644);
}

static bool take_line(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n) || strlen(line + n) >= room) return false;
  strcpy(out, line + n);
  return true;
}

bool vhost_note_read(const char *name, struct vhost_note *note) {
  AUTO_FD dir = state_folder(VHOST_STATE);
  AUTO_TEXT text = dir < 0 ? NULL : small_get(dir, name, 2048, NULL);
  char *rest = text;
  *note = (struct vhost_note){0};
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    if (take_line(line, "set=", note->set, sizeof note->set) || take_line(line, "sha256=", note->sha256, sizeof note->sha256)) continue;
    if (take_line(line, "before=", note->before, sizeof note->before) || take_line(line, "operation=", note->operation, sizeof note->operation)) continue;
    (void)take_line(line, "take=", note->take, sizeof note->take);
  }
  return text && vhost_is_set(note->set) && strlen(note->sha256) == 64;
}

bool vhost_note_write(const char *name, const struct vhost_note *note) {
  char text[2048];
  AUTO_FD dir = state_folder(VHOST_STATE);
  int n = snprintf(text, sizeof text, "set=%s\nsha256=%s\nbefore=%s\noperation=%s\ntake=%s\n", note->set, note->sha256, note->before, note->operation, note->take);
  return dir >= 0 && n > 0 && (size_t)n < sizeof text && small_put(dir, name, text, (size_t)n, 0600);
}

bool vhost_note_drop(const char *name) {
  AUTO_FD dir = state_folder(VHOST_STATE);
  return dir >= 0 && (!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir);
}

/* A link goes; a file gets another name. What is included by a plain "*" would still be read: then it is moved out of the folder, beside it. */
static void taken_name(const char *path, char out[560]) {
  const char *slash = strrchr(path, '/');
  char folder[512];
  snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
  const char *up = strrchr(folder, '/');
  snprintf(out, 560, "%.*s/%s.%s" TAKEN_SUFFIX, (int)(up - folder), folder, up + 1, slash + 1);
}

void vhost_take(const char *path) {
  char to[560];
  if (!*path) return;
  taken_name(path, to);
  if (renameat2(AT_FDCWD, path, AT_FDCWD, to, RENAME_NOREPLACE) && errno != ENOENT) log_line("a file of others could not be taken out of the configuration (%s)", strerrorname_np(errno));
}

void vhost_untake(const char *path) {
  char from[560];
  if (!*path) return;
  taken_name(path, from);
  if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) && errno != ENOENT) log_line("a file of others could not be put back (%s)", strerrorname_np(errno));
}
