/* Folders of sets, the link to the one in place, and the line by which nginx reads it. */
#include "vhost_set.h"
#include "pending.h"

bool vhost_is_set(const char *name) { return !strncmp(name, "set-", 4) && strlen(name) == SET_NAME - 1 && strspn(name + 4, "0123456789abcdef") == SET_NAME - 5; }

int vhost_base(void) { return open_under("/", &VHOST_DIR[1], O_RDONLY | O_DIRECTORY); }

bool vhost_placed(char set[SET_NAME]) {
  char target[64];
  ssize_t n = readlink(VHOST_CURRENT, target, sizeof target - 1);
  target[n < 0 ? 0 : n] = 0;
  bool ours = vhost_is_set(target);
  snprintf(set, SET_NAME, "%s", ours ? target : "");
  return ours;
}

bool vhost_owns(const struct vhost_list *list, const char *path) {
  const char *name = strncmp(path, VHOST_CURRENT "/", sizeof VHOST_CURRENT) ? NULL : path + sizeof VHOST_CURRENT;
  return name && list->n > 0 && (!strcmp(name, VHOST_COMMON) || vhost_list_find(list, name));
}

int vhost_open_set(const char *set) {
  AUTO_FD base = vhost_base();
  bool known = vhost_is_set(set) || !strcmp(set, VHOST_STAGED);
  return base < 0 || !known ? -1 : open_beneath(base, set, O_RDONLY | O_DIRECTORY, 0);
}

static bool empty_folder(int dir) {
  int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = copy < 0 ? NULL : fdopendir(copy);
  if (!list) {
    if (copy >= 0) close(copy);
    return false;
  }
  bool ok = true;
  for (struct dirent *e; (e = readdir(list));) if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) ok = !unlinkat(dir, e->d_name, 0) && ok;
  closedir(list);
  return ok;
}

bool vhost_drop_set(const char *set) {
  char name[SET_NAME + 5];
  AUTO_FD state = state_folder(VHOST_STATE);
  AUTO_FD base = vhost_base();
  if (!vhost_is_set(set) && strcmp(set, VHOST_STAGED)) return true;
  AUTO_FD dir = base < 0 ? -1 : vhost_open_set(set);
  if (dir >= 0 && (!empty_folder(dir) || unlinkat(base, set, AT_REMOVEDIR))) return false;
  snprintf(name, sizeof name, "%s.list", set);
  return state >= 0 && (!unlinkat(state, name, 0) || errno == ENOENT);
}

static int is_kept(const struct dirent *e) {
  char set[SET_NAME];
  snprintf(set, sizeof set, "%s", e->d_name);
  return vhost_is_set(set) && (e->d_name[SET_NAME - 1] == 0 || !strcmp(e->d_name + SET_NAME - 1, ".list"));
}

/* Sets whose folder or list is in this folder. */
static bool drop_in(int dir, const char *set, const char *before) {
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, is_kept, NULL);
  bool ok = n >= 0;
  for (int i = 0; i < n; i++) {
    char name[SET_NAME];
    snprintf(name, sizeof name, "%s", names[i]->d_name);
    if (strcmp(name, set) && strcmp(name, before)) ok = vhost_drop_set(name) && ok;
  }
  end_names(names, n < 0 ? 0 : n);
  return ok;
}

/* What a crash, or a folder that could not be emptied, has left. */
bool vhost_drop_others(const char *set, const char *before) {
  AUTO_FD base = vhost_base();
  AUTO_FD state = state_folder(VHOST_STATE);
  return (base < 0 ? errno == ENOENT : drop_in(base, set, before)) && state >= 0 && drop_in(state, set, before);
}

bool vhost_place(const char *set) {
  AUTO_FD base = vhost_base();
  if (base < 0) return false;
  if (!*set) return (!unlinkat(base, "current", 0) || errno == ENOENT) && !fsync(base);
  (void)unlinkat(base, ".current", 0);
  bool ok = !symlinkat(set, base, ".current");
  FAILPOINT("vhost.linked");
  return ok && !renameat(base, ".current", base, "current") && !fsync(base);
}

static const char managed[] = "# Managed by Reeve: changes made here are undone. See reeve-agent(8).\ninclude " VHOST_CURRENT "/*.conf;\n";
static const char left_over[] = "# Left by Reeve: plain configuration, yours to edit.\ninclude " VHOST_CURRENT "/*.conf;\n";

static bool include_is(const char *wanted) {
  AUTO_TEXT text = read_whole(NGINX_INCLUDES "/" VHOST_INCLUDE, VHOST_FILE_MAX, NULL);
  return text && !strcmp(text, wanted);
}

bool vhost_has_include(void) { return include_is(managed); }

bool vhost_put_include(bool left) {
  const char *text = left ? left_over : managed;
  AUTO_FD dir = open_under("/", &NGINX_INCLUDES[1], O_RDONLY | O_DIRECTORY);
  return include_is(text) || (dir >= 0 && small_put(dir, VHOST_INCLUDE, text, strlen(text), 0644));
}

bool vhost_drop_include(void) {
  AUTO_FD dir = open_under("/", &NGINX_INCLUDES[1], O_RDONLY | O_DIRECTORY);
  if (dir < 0 || !vhost_has_include()) return true;
  return !unlinkat(dir, VHOST_INCLUDE, 0) && !fsync(dir);
}
