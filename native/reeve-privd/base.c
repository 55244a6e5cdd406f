/* What all parts use, and reeve-nat too: ends of blocks, a growing buffer, numbers, lists, whole files, and opening one without following a link. */
#include "reeve.h"
#include <linux/openat2.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* Behind AUTO_FD and AUTO_TEXT; errno stays what it was. */
void end_fd(const int *fd) {
  int problem = errno;
  if (*fd >= 0) close(*fd);
  errno = problem;
}
void end_text(char *const *text) { free(*text); }

/* What scandirat gave. */
void end_names(struct dirent **names, int n) {
  for (int i = 0; i < n; i++) free(names[i]);
  free(names);
}

bool write_whole(int fd, const void *p, size_t n) {
  for (const char *at = p; n > 0;) {
    ssize_t put = write(fd, at, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    n -= (size_t)put;
  }
  return true;
}

/* A whole regular file, as long as it is now, with a NUL after it; or NULL with errno (EFBIG: larger than max). */
char *read_open(int fd, size_t max, size_t *n) {
  struct stat st;
  char *text = NULL;
  size_t got = 0;
  ssize_t r = 0;
  if (fstat(fd, &st)) return NULL;
  if (!S_ISREG(st.st_mode)) errno = EINVAL;
  else if (st.st_size > (off_t)max) errno = EFBIG;
  else text = malloc((size_t)st.st_size + 1);
  while (text && (r = read(fd, text + got, (size_t)st.st_size - got)) > 0) got += (size_t)r;
  if (r < 0) {
    end_text(&text);
    return NULL;
  }
  if (text) text[got] = 0;
  if (n) *n = got;
  return text;
}

char *read_whole(const char *path, size_t max, size_t *n) {
  AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? NULL : read_open(fd, max, n);
}

/* A decimal number without sign or leading zero. */
bool parse_number(const char *s, size_t n, uint64_t max, uint64_t *out) {
  uint64_t v = 0;
  if (n < 1 || n > 19 || (n > 1 && s[0] == '0')) return false;
  for (size_t i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9') return false;
    v = v * 10 + (uint64_t)(s[i] - '0');
  }
  *out = v;
  return v <= max;
}

bool paths_meet(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b), shorter = n < m ? n : m;
  return !strncmp(a, b, shorter) && (a[shorter] == '/' || a[shorter] == 0) && (b[shorter] == '/' || b[shorter] == 0);
}

bool is_listed(const char *const *list, const char *s) {
  for (; *list; list++) if (!strcmp(*list, s)) return true;
  return false;
}

/* UTF-8 without control characters and those that turn text around. */
bool text_plain(const char *s) {
  const unsigned char *p = (const unsigned char *)s;
  for (; *p; p++) {
    if (*p < 0x20 || *p == 0x7f) return false;
    if (*p < 0x80) continue;
    size_t more = *p >= 0xf0 && *p < 0xf5 ? 3 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xc2 && *p < 0xe0 ? 1 : 0;
    if (more == 0 || (*p == 0xc2 && p[1] < 0xa0)) return false;
    if (*p == 0xe2 && p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) return false;
    if (*p == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9) return false;
    for (size_t i = 1; i <= more; i++) if ((p[i] & 0xc0) != 0x80) return false;
    p += more;
  }
  return true;
}

void buf_init(struct buf *b, size_t limit) { *b = (struct buf){.limit = limit}; }
void buf_free(struct buf *b) { free(b->p); *b = (struct buf){0}; }

void buf_put(struct buf *b, const void *p, size_t n) {
  if (b->full || n == 0) return;
  if (n > b->limit || b->n > b->limit - n) { b->full = true; return; }
  if (b->n + n > b->room) {
    size_t room = b->room ? b->room : 256;
    while (room < b->n + n) room *= 2;
    uint8_t *grown = realloc(b->p, room);
    if (!grown) { b->full = true; return; }
    b->p = grown;
    b->room = room;
  }
  memcpy(b->p + b->n, p, n);
  b->n += n;
}

void buf_say(struct buf *b, const char *format, ...) {
  va_list list;
  char *text = NULL;
  va_start(list, format);
  int n = vasprintf(&text, format, list);
  va_end(list);
  if (n < 0) b->full = true;
  else buf_put(b, text, (size_t)n);
  if (n >= 0) free(text);
}

/* openat2 that follows no link and stays below `dir`. */
int open_beneath(int dir, const char *path, int flags, uint64_t extra) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | extra};
  if (flags & O_CREAT) how.mode = 0600;
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}
