/* Files of a container: putting them where they are to be, so that each is the old one or the new one, and telling systemd. */
#include "container.h"
#include "pending.h"

#define FILE_MOST (1u << 20)

static const char *const wants[] = {"multi-user.target.wants", "sockets.target.wants"};

/* reeve-container-NAME.service, .PORT.socket or .PORT.service. */
static bool is_unit_of(const char *entry, const char *name) {
  static const char head[] = "reeve-container-";
  size_t n = strlen(name);
  if (strncmp(entry, head, sizeof head - 1) || strncmp(entry + sizeof head - 1, name, n)) return false;
  const char *rest = entry + sizeof head - 1 + n;
  if (!strcmp(rest, ".service")) return true;
  size_t digits = *rest == '.' ? strspn(rest + 1, "0123456789") : 0;
  return digits > 0 && digits < 6 && (!strcmp(rest + 1 + digits, ".socket") || !strcmp(rest + 1 + digits, ".service"));
}

static bool is_socket(const char *unit) {
  size_t n = strlen(unit);
  return n > 7 && !strcmp(unit + n - 7, ".socket");
}

/* Is a unit started with the host? Not before it is kept: it would take the place of a container of others that is still being taken over. */
static bool linked(const struct container *k, const char *unit) {
  if (!k || !k->spec.boot || k->fresh) return false;
  return k->spec.idle ? is_socket(unit) : k->spec.engine != SPEC_PCT && !is_socket(unit);
}

static const struct container_file *find(const struct container_files *f, const char *dir, const char *name) {
  for (size_t i = 0; f && i < f->n; i++) if (!strcmp(f->items[i].dir, dir) && !strcmp(f->items[i].name, name)) return &f->items[i];
  return NULL;
}

/* From here on systemd has to be told, also by who comes after a crash. */
static bool owe(const char *name, bool *owed) {
  if (*owed) return true;
  AUTO_FD dir = container_folder(name, true);
  *owed = dir >= 0 && small_put(dir, "reload", "", 0, 0600);
  return *owed;
}

static bool put_file(const struct container_file *file, const char *name, bool left, bool *changed) {
  size_t n = 0;
  struct buf b;
  AUTO_FD dir = open(file->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const char *slash = strrchr(file->name, '/'), *base = slash ? slash + 1 : file->name;
  char folder[128];
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - file->name) : 1, slash ? file->name : ".");
  if (dir >= 0 && slash && !mkdirat(dir, folder, 0755) && fchmodat(dir, folder, 0755, 0)) return false;
  AUTO_FD in = dir < 0 ? -1 : open_beneath(dir, folder, O_RDONLY | O_DIRECTORY, 0);
  if (in < 0) return false;
  buf_init(&b, file->text.limit + 256);
  if (left) {
    buf_say(&b, CONTAINER_MARK_LEFT);
    buf_put(&b, file->text.p, file->text.n);
  } else container_mark(&b, file->text.p, file->text.n);
  AUTO_TEXT old = small_get(in, base, FILE_MOST, &n);
  bool ok = !b.full && !file->text.full;
  if (ok && (!old || n != b.n || memcmp(old, b.p, n))) {
    ok = owe(name, changed) && small_put(in, base, b.p, b.n, file->mode);
    FAILPOINT("container.files.put");
  }
  buf_free(&b);
  return ok;
}

/* Units of this container that are ours and not wanted any more. */
static bool take_units(int units, const char *name, const struct container_files *f, bool *changed) {
  struct dirent **names = NULL;
  int n = scandirat(units, ".", &names, NULL, NULL);
  bool ok = n >= 0;
  for (int i = 0; ok && i < n; i++) {
    const char *entry = names[i]->d_name;
    size_t length = 0;
    if (!is_unit_of(entry, name) || find(f, CONTAINER_UNITS, entry)) continue;
    AUTO_TEXT text = small_get(units, entry, FILE_MOST, &length);
    if (!text || container_marked(text, length) == MARKED_NOT) continue;
    ok = owe(name, changed) && !unlinkat(units, entry, 0);
    FAILPOINT("container.files.taken");
  }
  end_names(names, n);
  return ok;
}

static bool leads_to(int dir, const char *unit, const char *path) {
  char target[256];
  ssize_t n = readlinkat(dir, unit, target, sizeof target);
  return n == (ssize_t)strlen(path) && !memcmp(target, path, strlen(path));
}

static bool put_link(int dir, const char *name, const char *unit, bool *changed) {
  char path[256], temporary[160];
  snprintf(path, sizeof path, CONTAINER_UNITS "/%s", unit);
  snprintf(temporary, sizeof temporary, ".%s.new", unit);
  if (leads_to(dir, unit, path)) return true;
  (void)unlinkat(dir, temporary, 0);
  return owe(name, changed) && !symlinkat(path, dir, temporary) && !renameat(dir, temporary, dir, unit) && !fsync(dir);
}

/* By these links a unit is started with the host. */
static bool put_links(int units, const char *name, const struct container *k, const struct container_files *f, size_t which, bool *changed) {
  bool wanted = false, ok = true;
  for (size_t i = 0; f && i < f->n; i++) wanted = wanted || (linked(k, f->items[i].name) && is_socket(f->items[i].name) == (which == 1));
  if (wanted && !mkdirat(units, wants[which], 0755)) ok = !fchmodat(units, wants[which], 0755, 0);
  AUTO_FD dir = open_beneath(units, wants[which], O_RDONLY | O_DIRECTORY, 0);
  if (dir < 0) return ok && !wanted && errno == ENOENT;
  for (size_t i = 0; ok && f && i < f->n; i++) {
    const struct container_file *file = &f->items[i];
    if (!strcmp(file->dir, CONTAINER_UNITS) && linked(k, file->name) && is_socket(file->name) == (which == 1)) ok = put_link(dir, name, file->name, changed);
  }
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, NULL, NULL);
  for (int i = 0; ok && i < n; i++) {
    const char *entry = names[i]->d_name;
    if (!is_unit_of(entry, name) || (find(f, CONTAINER_UNITS, entry) && linked(k, entry))) continue;
    ok = owe(name, changed) && !unlinkat(dir, entry, 0);
  }
  end_names(names, n);
  return ok;
}

/* The config of a container that lxc is not to have any more; its root file system stays. */
static bool take_config(const char *name, bool *changed) {
  size_t n = 0;
  AUTO_FD all = open(CONTAINER_LXC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD dir = all < 0 ? -1 : open_beneath(all, name, O_RDONLY | O_DIRECTORY, 0);
  if (dir < 0) return true;
  AUTO_TEXT text = small_get(dir, "config", FILE_MOST, &n);
  if (!text || container_marked(text, n) == MARKED_NOT) return true;
  *changed = true;
  if (unlinkat(dir, "config", 0)) return false;
  (void)unlinkat(all, name, AT_REMOVEDIR);
  return true;
}

static bool converge(const char *name, const struct container *k, const struct container_files *f, bool *changed) {
  AUTO_FD units = open(CONTAINER_UNITS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = units >= 0, has_config = false;
  for (size_t i = 0; ok && f && i < f->n; i++) {
    has_config = has_config || !strcmp(f->items[i].dir, CONTAINER_LXC);
    ok = put_file(&f->items[i], name, f->left, changed);
  }
  ok = ok && put_links(units, name, k, f, 0, changed) && put_links(units, name, k, f, 1, changed);
  FAILPOINT("container.files.linked");
  ok = ok && take_units(units, name, f, changed);
  return ok && (has_config || take_config(name, changed)) && !fsync(units);
}

uint16_t container_converge(struct call *c, const char *name, const struct container *k, bool *changed) {
  struct container_files f = {.n = 0};
  bool altered = false;
  if (k) container_render(k, false, &f);
  bool ok = converge(name, k, k ? &f : NULL, &altered);
  uint16_t status = ok ? REEVE_OK : io_failed(c, "the files of a container cannot be written");
  container_files_free(&f);
  *changed = *changed || altered;
  return status ? status : container_reload(c, name);
}

uint16_t container_leave(struct call *c, const struct container *k) {
  struct container_files f;
  bool changed = false;
  container_render(k, true, &f);
  bool ok = converge(k->name, k, &f, &changed);
  uint16_t status = ok ? REEVE_OK : io_failed(c, "the files of a container cannot be written");
  container_files_free(&f);
  return status ? status : container_reload(c, k->name);
}

/* Where there is no systemd there is nobody to tell. */
uint16_t container_reload(struct call *c, const char *name) {
  static const char *const argv[] = {"systemctl", "daemon-reload", NULL};
  AUTO_FD dir = container_folder(name, false);
  if (dir < 0 || faccessat(dir, "reload", F_OK, 0)) return REEVE_OK;
  uint16_t status = access("/run/systemd/system", F_OK) ? REEVE_OK : run_tool(c, argv);
  if (status) return status;
  FAILPOINT("container.files.reloaded");
  return unlinkat(dir, "reload", 0) && errno != ENOENT ? io_failed(c, "a note cannot be taken away") : REEVE_OK;
}

bool container_has_link(const struct container *k, const char *unit) {
  char path[256], link[320];
  snprintf(path, sizeof path, CONTAINER_UNITS "/%s", unit);
  snprintf(link, sizeof link, CONTAINER_UNITS "/%s/%s", wants[k->spec.idle ? 1 : 0], unit);
  return leads_to(AT_FDCWD, link, path);
}

/* What of it is not as it was written: a path, and whether it is gone. */
const char *container_edited(const struct container *k, bool *gone, char path[256]) {
  struct container_files f;
  bool found = false;
  *gone = false;
  if (k->edited) {
    snprintf(path, 256, "%s/" CONTAINER_DIR "/%s/spec", config.state, k->name);
    return path;
  }
  container_render(k, false, &f);
  for (size_t i = 0; !found && i < f.n; i++) {
    char extra[256];
    size_t n = 0;
    snprintf(path, 256, "%s/%s", f.items[i].dir, f.items[i].name);
    snprintf(extra, sizeof extra, "%.250s.d", path);
    AUTO_TEXT text = read_whole(path, FILE_MOST, &n);
    *gone = !text && errno == ENOENT;
    found = *gone || !text || container_marked(text, n) != MARKED_WHOLE;
    if (found || strcmp(f.items[i].dir, CONTAINER_UNITS) || access(extra, F_OK)) continue;
    snprintf(path, 256, "%s", extra);
    found = true;
  }
  container_files_free(&f);
  return found ? path : NULL;
}
