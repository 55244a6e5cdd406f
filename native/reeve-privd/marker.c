/* Which accounts are ours: one small root-only file for each below owned/user, replaced atomically; and every uid we ever gave away. */
#include "reeve.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARKER_MAX 512u
#define USED_MAX (4u << 20)

static const char *const state_words[] = {"", "adding", "owned", "removing", "adopted", "adopted-keys"};

uint16_t io_failed(struct call *c, const char *what) {
  char text[160];
  snprintf(text, sizeof text, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return fail(c, REEVE_E_IO_FAILED, "rule", text, NULL);
}

/* openat2 that follows no link and stays below `dir`. */
int open_beneath(int dir, const char *path, int flags, uint64_t extra) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | extra};
  if (flags & O_CREAT) how.mode = 0600;
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* A folder below the state folder; the state folder itself was checked at start. */
int state_open(const char *dir) {
  int state = open(config.state, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
  if (state >= 0) fd = open_beneath(state, dir, O_RDONLY | O_DIRECTORY, 0);
  int problem = errno;
  if (state >= 0) close(state);
  errno = problem;
  return fd;
}

static bool private_folder(const char *path) {
  struct stat st;
  if (mkdir(path, 0700) && errno != EEXIST) return false;
  return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

/* Makes the folders; false (and a line in the log) when one of them is not ours alone. */
bool state_prepare(void) {
  static const char *const folders[] = {"", "/owned", "/owned/user", "/undo", "/pending", "/audit", NULL};
  for (const char *const *f = folders; *f; f++) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", config.state, *f);
    if (private_folder(path)) continue;
    log_line("state folder \"%s\" cannot be used: it must be a folder that only root writes", *f);
    return false;
  }
  return true;
}

/* key=value lines; every key exactly once, nothing else. */
bool marker_parse(struct marker *m, const char *text, size_t n) {
  char copy[MARKER_MAX + 1], *rest = copy;
  unsigned seen = 0;
  if (n > MARKER_MAX || memchr(text, 0, n)) return false;
  memcpy(copy, text, n);
  copy[n] = 0;
  *m = (struct marker){0};
  for (char *line; (line = strsep(&rest, "\n"));) {
    if (!*line) continue;
    char *value = strchr(line, '=');
    uint64_t number = 0;
    if (!value) return false;
    *value++ = 0;
    unsigned bit = 0;
    if (!strcmp(line, "name") && grammar_name(value)) {
      bit = 1;
      snprintf(m->name, sizeof m->name, "%s", value);
    } else if (!strcmp(line, "uid") && parse_number(value, strlen(value), UINT32_MAX, &number)) {
      bit = 2;
      m->uid = (uint32_t)number;
    } else if (!strcmp(line, "gid") && parse_number(value, strlen(value), UINT32_MAX, &number)) {
      bit = 4;
      m->gid = (uint32_t)number;
    } else if (!strcmp(line, "kind") && (!strcmp(value, "home") || !strcmp(value, "system"))) {
      bit = 8;
      snprintf(m->kind, sizeof m->kind, "%s", value);
    } else if (!strcmp(line, "state")) {
      for (size_t i = 1; i < sizeof state_words / sizeof *state_words; i++) if (!strcmp(state_words[i], value)) {
        bit = 16;
        m->state = (enum marker_state)i;
      }
    }
    if (!bit || seen & bit) return false;
    seen |= bit;
  }
  return seen == 31;
}

/* The word observe.user shows. */
const char *marker_word(const struct marker *m) { return m->state == MARKER_OWNED ? m->kind : state_words[m->state]; }

/* Reads one marker; state NONE when there is none. */
uint16_t marker_read(struct call *c, const char *name, struct marker *m) {
  char text[MARKER_MAX + 1];
  *m = (struct marker){0};
  int dir = state_open("owned/user");
  if (dir < 0) return io_failed(c, "the marker store cannot be opened");
  int fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK, 0);
  int problem = errno;
  close(dir);
  if (fd < 0 && problem == ENOENT) return REEVE_OK;
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (fd >= 0) close(fd);
  if (n < 0) return io_failed(c, "a marker cannot be read");
  if (!marker_parse(m, text, (size_t)n) || strcmp(m->name, name)) return fail(c, REEVE_E_IO_FAILED, "rule", "a marker is damaged", NULL);
  return REEVE_OK;
}

/* Temporary file, fsync, rename, fsync of the folder. */
uint16_t marker_write(struct call *c, const struct marker *m) {
  char text[MARKER_MAX];
  int n = snprintf(text, sizeof text, "name=%s\nuid=%u\ngid=%u\nkind=%s\nstate=%s\n", m->name, m->uid, m->gid, m->kind, state_words[m->state]);
  int dir = state_open("owned/user");
  if (dir < 0) return io_failed(c, "the marker store cannot be opened");
  (void)unlinkat(dir, ".new", 0);
  int fd = open_beneath(dir, ".new", O_WRONLY | O_CREAT | O_EXCL, 0);
  bool ok = fd >= 0 && write(fd, text, (size_t)n) == n && !fsync(fd);
  FAILPOINT("marker.written");
  ok = ok && !renameat(dir, ".new", dir, m->name) && !fsync(dir);
  int problem = errno;
  if (fd >= 0) close(fd);
  close(dir);
  errno = problem;
  return ok ? REEVE_OK : io_failed(c, "a marker cannot be written");
}

uint16_t marker_drop(struct call *c, const char *name) {
  int dir = state_open("owned/user");
  if (dir < 0) return io_failed(c, "the marker store cannot be opened");
  bool ok = (!unlinkat(dir, name, 0) || errno == ENOENT) && !fsync(dir);
  close(dir);
  return ok ? REEVE_OK : io_failed(c, "a marker cannot be removed");
}

/* All markers, in no order; damaged ones are left out and logged. The caller frees the list. */
uint16_t markers_list(struct call *c, struct marker **list, size_t *n) {
  int fd = state_open("owned/user");
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  *list = NULL;
  *n = 0;
  if (!dir) {
    if (fd >= 0) close(fd);
    return io_failed(c, "the marker store cannot be opened");
  }
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct marker m;
    if (!grammar_name(entry->d_name)) continue;
    if (marker_read(c, entry->d_name, &m)) {
      log_line("marker \"%s\" is left out: it is damaged", entry->d_name);
      continue;
    }
    struct marker *grown = *n % 64 ? *list : realloc(*list, (*n + 64) * sizeof m);
    if (!grown) break;
    *list = grown;
    (*list)[(*n)++] = m;
  }
  closedir(dir);
  return REEVE_OK;
}

/* Every uid given away so far, lines of "uid name". */
uint16_t used_uids(struct call *c, char **text, size_t *n) {
  char path[512];
  snprintf(path, sizeof path, "%s/owned/used-uids", config.state);
  *n = 0;
  *text = read_whole(path, USED_MAX, n);
  if (!*text && errno == ENOENT) *text = calloc(1, 1);
  return *text ? REEVE_OK : io_failed(c, "the list of used uids cannot be read");
}

bool used_uid_owner(const char *text, size_t n, uint32_t uid, char *owner, size_t room) {
  char want[16];
  size_t length = (size_t)snprintf(want, sizeof want, "%u ", uid);
  for (const char *line = text, *end = text + n; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    if ((size_t)(stop - line) > length && !memcmp(line, want, length)) {
      snprintf(owner, room, "%.*s", (int)(stop - line - (ptrdiff_t)length), line + length);
      return true;
    }
    line = stop + 1;
  }
  return false;
}

/* A torn last line (power cut) is closed first: its uid was never handed out, so half of it does no harm. */
uint16_t used_uid_add(struct call *c, const char *name, uint32_t uid) {
  char line[64], last = '\n';
  struct stat st;
  int dir = state_open("owned");
  int fd = dir < 0 ? -1 : open_beneath(dir, "used-uids", O_RDWR | O_APPEND | O_CREAT, 0);
  bool ok = fd >= 0 && !fstat(fd, &st) && (st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) == 1);
  int n = snprintf(line, sizeof line, "%s%u %s\n", last == '\n' ? "" : "\n", uid, name);
  ok = ok && write(fd, line, (size_t)n) == n && !fsync(fd) && !fsync(dir);
  int problem = errno;
  if (fd >= 0) close(fd);
  if (dir >= 0) close(dir);
  errno = problem;
  return ok ? REEVE_OK : io_failed(c, "the list of used uids cannot be written");
}

/* For verbs that work on an account of ours: the marker and the entry, which must agree. */
uint16_t owned_account(struct call *c, const struct accounts *a, const char *name, struct marker *m, const struct user **u) {
  uint16_t status = marker_read(c, name, m);
  if (status) return status;
  *u = user_by_name(a, name);
  if (!*u && m->state == MARKER_NONE) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  if (*u && (*u)->uid < REEVE_MIN_UID && m->state != MARKER_ADOPTED_KEYS) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "its uid is below 1000", NULL);
  if (m->state == MARKER_NONE) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (m->state == MARKER_ADOPTED_KEYS) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "adopted: keys only", NULL);
  if (*u && (*u)->uid != m->uid) return fail(c, REEVE_E_USER_FOREIGN, "value", name, NULL);
  if (!*u && m->state != MARKER_ADDING && m->state != MARKER_REMOVING) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  return REEVE_OK;
}
