/* vhost.release: the sites stay as plain configuration in a folder of their own, and are not ours any more. */
#include "vhost_set.h"
#include "pending.h"

#define LEFT_LINE "# Left by Reeve: plain configuration, yours to edit.\n"

/* The first line says whose it is, and paths into the folder of the set in place lead to where it is from now on. */
static bool rewrite(int dir, const char *name, const char *folder) {
  size_t n;
  AUTO_FD fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, VHOST_FILE_MAX, &n);
  struct buf b;
  if (!text) return false;
  buf_init(&b, 2 * VHOST_FILE_MAX);
  const char *at = text, *lf = strchr(text, '\n');
  if (*at == '#' && lf) {
    buf_say(&b, LEFT_LINE);
    at = lf + 1;
  }
  for (const char *next; (next = strstr(at, "\"" VHOST_CURRENT "/")); at = next + 1 + sizeof VHOST_CURRENT) {
    buf_put(&b, at, (size_t)(next - at));
    buf_say(&b, "\"%s/", folder);
  }
  buf_put(&b, at, strlen(at));
  bool ok = !b.full && small_put(dir, name, b.p, b.n, 0644);
  buf_free(&b);
  return ok;
}

/* The first folder that is not there, and the file that includes it. */
static bool free_name(char folder[64], char include[64]) {
  for (unsigned i = 1; i < 1000; i++) {
    char number[8] = "";
    if (i > 1) snprintf(number, sizeof number, "-%u", i);
    snprintf(folder, 64, VHOST_DIR "-left%s", number);
    snprintf(include, 64, "reeve-left%s.conf", number);
    if (access(folder, F_OK)) return true;
  }
  return false;
}

static bool move_all(const char *placed, const struct vhost_list *list, const char *folder, const char *include) {
  char path[sizeof VHOST_DIR + SET_NAME], line[128];
  snprintf(path, sizeof path, VHOST_DIR "/%s", placed);
  AUTO_FD dir = vhost_open_set(placed);
  AUTO_FD includes = open_under("/", &NGINX_INCLUDES[1], O_RDONLY | O_DIRECTORY);
  bool ok = dir >= 0 && includes >= 0 && rewrite(dir, VHOST_COMMON, folder);
  for (size_t i = 0; ok && i < list->n; i++) {
    char site[SITE_MAX_LEN + 1];
    if (vhost_kind(list->entries[i].name, site) == VHOST_CONF) ok = rewrite(dir, list->entries[i].name, folder) || errno == ENOENT;
  }
  FAILPOINT("vhost.rewritten");
  snprintf(line, sizeof line, LEFT_LINE "include %s/*.conf;\n", folder);
  /* A folder that is not there yet is no mistake to nginx, so that whatever is interrupted, one of the two includes leads to the sites. */
  ok = ok && small_put(includes, include, line, strlen(line), 0644) && !rename(path, folder);
  FAILPOINT("vhost.left");
  return ok;
}

static bool forget(void) {
  AUTO_FD includes = open_under("/", &NGINX_INCLUDES[1], O_RDONLY | O_DIRECTORY);
  AUTO_FD state = state_folder(VHOST_STATE);
  struct dirent **names = NULL;
  bool ok = includes >= 0 && state >= 0 && (!unlinkat(includes, VHOST_INCLUDE, 0) || errno == ENOENT) && (!access(VHOST_DIR, F_OK) ? vhost_place("") : true);
  int n = ok ? scandirat(state, ".", &names, NULL, alphasort) : -1;
  for (int i = 0; i < n; i++) if (names[i]->d_name[0] != '.') (void)unlinkat(state, names[i]->d_name, 0);
  if (n >= 0) end_names(names, n);
  if (ok && rmdir(VHOST_DIR) && errno != ENOENT && errno != ENOTEMPTY) ok = false;
  return ok && !fsync(state) && !fsync(includes);
}

uint16_t op_vhost_release(struct call *c) {
  char placed[SET_NAME], folder[64], include[64], why[200];
  struct vhost_note note;
  AUTO_LIST list = {0};
  uint16_t status = vhost_settle(c, true);
  if (status) return status;
  if (vhost_note_read("staged", &note) && (!vhost_placed(placed) || strcmp(placed, note.set)) && !vhost_drop_set(note.set)) return io_failed(c, "a set cannot be taken away");
  bool any = vhost_placed(placed) && vhost_list_read(placed, &list);
  AUTO_FD dir = any ? vhost_open_set(placed) : -1;
  /* Without its folder it was moved by an interrupted call. */
  if (dir >= 0 && (!free_name(folder, include) || !move_all(placed, &list, folder, include))) return io_failed(c, "the sites cannot be left behind");
  if (!forget()) return io_failed(c, "the sites cannot be forgotten");
  FAILPOINT("vhost.released");
  if (any && nginx_master() && !nginx_reload(why)) log_line("nginx was not told where the sites are now: %s", why);
  return REEVE_OK;
}
