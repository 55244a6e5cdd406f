/* Which accounts are ours: one small root-only file for each below owned/user, replaced atomically; and every uid we ever gave away. */
#include "reeve.h"

#define MARKER_MAX 512u
#define USED_MAX (4u << 20)

static const char *const state_words[] = {"", "adding", "owned", "removing", "adopted", "adopted-keys"};

static uint16_t no_store(struct call *c) { return io_failed(c, "the marker store cannot be opened"); }

/* Exactly the lines that marker_write writes. */
bool marker_parse(struct marker *m, const char *text, size_t n) {
  static const char *const keys[] = {"name=", "uid=", "gid=", "kind=", "state="};
  char copy[MARKER_MAX + 1], *rest = copy, *values[5];
  if (n > MARKER_MAX || memchr(text, 0, n)) return false;
  memcpy(copy, text, n);
  copy[n] = 0;
  *m = (struct marker){0};
  for (size_t i = 0; i < 5; i++) {
    char *line = strsep(&rest, "\n");
    if (!line || strncmp(line, keys[i], strlen(keys[i]))) return false;
    values[i] = line + strlen(keys[i]);
  }
  if (!rest || *rest || !grammar_name(values[0]) || !parse_u32(values[1], &m->uid) || !parse_u32(values[2], &m->gid)) return false;
  if (strcmp(values[3], "home") && strcmp(values[3], "system")) return false;
  snprintf(m->name, sizeof m->name, "%s", values[0]);
  snprintf(m->kind, sizeof m->kind, "%s", values[3]);
  for (size_t i = 1; i < sizeof state_words / sizeof *state_words; i++) if (!strcmp(state_words[i], values[4])) m->state = (enum marker_state)i;
  return m->state != MARKER_NONE;
}

/* The word observe.user shows. */
const char *marker_word(const struct marker *m) { return m->state == MARKER_OWNED ? m->kind : state_words[m->state]; }

/* Reads one marker; state NONE when there is none. */
uint16_t marker_read(struct call *c, const char *name, struct marker *m) {
  char text[MARKER_MAX + 1];
  *m = (struct marker){0};
  AUTO_FD dir = state_folder("owned/user");
  if (dir < 0) return no_store(c);
  AUTO_FD fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK, 0);
  if (fd < 0 && errno == ENOENT) return REEVE_OK;
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (n < 0) return io_failed(c, "a marker cannot be read");
  if (!marker_parse(m, text, (size_t)n) || strcmp(m->name, name)) return fail(c, REEVE_E_IO_FAILED, "rule", "a marker is damaged", NULL);
  return REEVE_OK;
}

/* Temporary file, fsync, rename, fsync of the folder. */
uint16_t marker_write(struct call *c, const struct marker *m) {
  char text[MARKER_MAX];
  int n = snprintf(text, sizeof text, "name=%s\nuid=%u\ngid=%u\nkind=%s\nstate=%s\n", m->name, m->uid, m->gid, m->kind, state_words[m->state]);
  AUTO_FD dir = state_folder("owned/user");
  if (dir < 0) return no_store(c);
  (void)unlinkat(dir, ".new", 0);
  AUTO_FD fd = open_beneath(dir, ".new", O_WRONLY | O_CREAT | O_EXCL, 0);
  bool ok = fd >= 0 && write(fd, text, (size_t)n) == n && !fsync(fd);
  FAILPOINT("marker.written");
  ok = ok && !renameat(dir, ".new", dir, m->name) && !fsync(dir);
  return ok ? REEVE_OK : io_failed(c, "a marker cannot be written");
}

uint16_t marker_drop(struct call *c, const char *name) {
  AUTO_FD dir = state_folder("owned/user");
  if (dir < 0) return no_store(c);
  bool ok = (!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir);
  return ok ? REEVE_OK : io_failed(c, "a marker cannot be removed");
}

static int is_marker(const struct dirent *entry) { return grammar_name(entry->d_name); }

/* All markers, sorted by name; damaged ones are left out and logged. The caller frees the list. */
uint16_t markers_list(struct call *c, struct marker **list, size_t *n) {
  struct dirent **names = NULL;
  AUTO_FD dir = state_folder("owned/user");
  int found = dir < 0 ? -1 : scandirat(dir, ".", &names, is_marker, alphasort);
  if (found < 0) return no_store(c);
  *n = 0;
  *list = calloc((size_t)found + 1, sizeof **list);
  for (int i = 0; *list && i < found; i++) {
    if (!marker_read(c, names[i]->d_name, &(*list)[*n])) (*n)++;
    else log_line("marker \"%s\" is left out: it is damaged", names[i]->d_name);
  }
  end_names(names, found);
  return *list ? REEVE_OK : no_store(c);
}

/* Every uid given away so far, lines of "uid name". */
uint16_t used_uids(struct call *c, char **text) {
  char path[512];
  snprintf(path, sizeof path, "%s/owned/used-uids", config.state);
  *text = read_whole(path, USED_MAX, NULL);
  if (!*text && errno == ENOENT) *text = calloc(1, 1);
  return *text ? REEVE_OK : io_failed(c, "the list of used uids cannot be read");
}

bool used_uid_owner(const char *text, uint32_t uid, char *owner, size_t room) {
  char want[16];
  size_t length = (size_t)snprintf(want, sizeof want, "%u ", uid);
  for (const char *line = text, *stop; *line; line = *stop ? stop + 1 : stop) {
    stop = strchrnul(line, '\n');
    if (strncmp(line, want, length)) continue;
    snprintf(owner, room, "%.*s", (int)(stop - line - (ptrdiff_t)length), line + length);
    return true;
  }
  return false;
}

/* A torn last line (power cut) is closed first: its uid was never handed out, so half of it does no harm. */
uint16_t used_uid_add(struct call *c, const char *name, uint32_t uid) {
  char line[64], last = '\n';
  struct stat st;
  AUTO_FD dir = state_folder("owned");
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, "used-uids", O_RDWR | O_APPEND | O_CREAT, 0);
  bool ok = fd >= 0 && !fstat(fd, &st) && (st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) == 1);
  int n = snprintf(line, sizeof line, "%s%u %s\n", last == '\n' ? "" : "\n", uid, name);
  ok = ok && write(fd, line, (size_t)n) == n && !fsync(fd) && !fsync(dir);
  return ok ? REEVE_OK : io_failed(c, "the list of used uids cannot be written");
}
