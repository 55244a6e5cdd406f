/* A file of others that goes out of nginx's configuration: a link is taken away and remembered; a file stays beside where it was, under a name that nothing includes. */
#include "vhost_set.h"
#include <fnmatch.h>

#define SUFFIX ".reeve-taken"
#define LINK "link "
#define FILE_AT "file "
#define KEPT_WITH_SET "set"                      /* it is in the folder of the set in place, which goes as a whole */

static uint16_t cannot(struct call *c, const char *path, const char *rule) { return fail(c, REEVE_E_VHOST_FOREIGN_FILE, "value", path, "rule", rule, NULL); }

struct sought { const char *path; bool found, outside; };

/* All that stands in it is at http level, as nginx reads it. */
static void seek(void *data, const struct nginx_at *at) {
  struct sought *s = data;
  if (strcmp(at->file, s->path)) return;
  s->found = true;
  s->outside = s->outside || at->depth == 0 || strcmp(at->blocks[0], "http");
}

static bool in_current(const char *path) { return !strncmp(path, VHOST_CURRENT "/", sizeof VHOST_CURRENT); }

/* A file that nginx reads for its sites, below its own folder, and not one of ours. */
uint16_t vhost_can_take(struct call *c, const char *path) {
  char placed[SET_NAME];
  struct stat st;
  struct sought sought = {path, false, false};
  struct nginx_walk w = {.meet = seek, .data = &sought};
  AUTO_LIST list = {0};
  if (vhost_placed(placed)) (void)vhost_list_read(placed, &list);
  if (!vhost_path(path) || strlen(path) >= TAKE_MAX || strncmp(path, NGINX_DIR "/", sizeof NGINX_DIR)) return cannot(c, path, "a path below " NGINX_DIR " is wanted");
  if (lstat(path, &st)) return cannot(c, path, "it is not there");
  if (vhost_owns(&list, path) || !strcmp(path, NGINX_INCLUDES "/" VHOST_INCLUDE) || !strcmp(path, VHOST_CURRENT "/" VHOST_COMMON)) return cannot(c, path, "it is Reeve's own");
  nginx_walk(&w);
  if (!sought.found) return cannot(c, path, "nginx does not read it");
  if (sought.outside) return cannot(c, path, "it is not only about sites");
  if (!S_ISREG(st.st_mode) && (!S_ISLNK(st.st_mode) || in_current(path))) return cannot(c, path, "it is neither a file nor a link");
  return REEVE_OK;
}

struct names { const char *folder, *name; bool included; };

/* Whether an include would read a file of this name in this folder. */
static void match(void *data, const struct nginx_at *at) {
  struct names *n = data;
  char pattern[TAKE_MAX * 2], path[TAKE_MAX * 2];
  if (at->kind != NGINX_SIMPLE || at->nwords != 2 || strcmp(at->words[0], "include")) return;
  snprintf(pattern, sizeof pattern, "%s%s", at->words[1][0] == '/' ? "" : NGINX_DIR "/", at->words[1]);
  snprintf(path, sizeof path, "%s/%s", n->folder, n->name);
  n->included = n->included || !fnmatch(pattern, path, FNM_PATHNAME | FNM_PERIOD);
}

static bool is_free(const char *folder, const char *name) {
  char path[TAKE_MAX * 2];
  struct names n = {folder, name, false};
  struct nginx_walk w = {.meet = match, .data = &n, .includes = true};
  snprintf(path, sizeof path, "%s/%s", folder, name);
  if (!access(path, F_OK)) return false;
  nginx_walk(&w);
  return !n.included;
}

/* Beside it. A plain "*" includes it under every name but one that begins with a dot. */
static bool plan_file(struct vhost_note *note) {
  const char *slash = strrchr(note->take, '/');
  char folder[TAKE_MAX], name[TAKE_MAX];
  snprintf(folder, sizeof folder, "%.*s", (int)(slash - note->take), note->take);
  for (unsigned n = 1; n < 100; n++) {
    char number[8] = "";
    if (n > 1) snprintf(number, sizeof number, "-%u", n);
    for (int dot = 0; dot < 2; dot++) {
      int room = snprintf(name, sizeof name, "%s%s" SUFFIX "%s", dot ? "." : "", slash + 1, number);
      if (room < 0 || (size_t)room >= sizeof name || !is_free(folder, name)) continue;
      return (size_t)snprintf(note->kept, sizeof note->kept, FILE_AT "%s/%s", folder, name) < sizeof note->kept;
    }
  }
  return false;
}

/* How it will be kept; nothing is done yet. */
uint16_t vhost_take_plan(struct call *c, struct vhost_note *note) {
  struct stat st;
  char target[TAKE_MAX];
  if (!*note->take) return REEVE_OK;
  uint16_t status = vhost_can_take(c, note->take);
  if (status) return status;
  if (in_current(note->take)) return snprintf(note->kept, sizeof note->kept, KEPT_WITH_SET), REEVE_OK;
  if (lstat(note->take, &st)) return io_failed(c, "a file of others cannot be looked at");
  if (!S_ISLNK(st.st_mode)) return plan_file(note) ? REEVE_OK : cannot(c, note->take, "there is no name beside it under which it could be kept");
  ssize_t n = readlink(note->take, target, sizeof target - 1);
  if (n < 1 || n == (ssize_t)sizeof target - 1) return io_failed(c, "a link of others cannot be read");
  target[n] = 0;
  for (const char *at = target; *at; at++) if ((unsigned char)*at < 0x20) return cannot(c, note->take, "where it leads to is not printable");
  snprintf(note->kept, sizeof note->kept, LINK "%s", target);
  return REEVE_OK;
}

static const char *kept_as(const struct vhost_note *note, const char *word) { return strncmp(note->kept, word, strlen(word)) ? NULL : note->kept + strlen(word); }

bool vhost_take(const struct vhost_note *note) {
  struct stat st;
  const char *file = kept_as(note, FILE_AT);
  if (file) return !renameat2(AT_FDCWD, note->take, AT_FDCWD, file, RENAME_NOREPLACE) || (errno == ENOENT && !access(file, F_OK));
  if (!kept_as(note, LINK)) return true;
  if (lstat(note->take, &st)) return errno == ENOENT;
  return S_ISLNK(st.st_mode) && !unlink(note->take);
}

/* What somebody has put there meanwhile stays. */
bool vhost_untake(const struct vhost_note *note) {
  const char *file = kept_as(note, FILE_AT), *target = kept_as(note, LINK);
  if (file) return !renameat2(AT_FDCWD, file, AT_FDCWD, note->take, RENAME_NOREPLACE) || errno == ENOENT || errno == EEXIST;
  return !target || !symlink(target, note->take) || errno == EEXIST;
}
