/* An account's own key files, found and read as that account. Links are followed as sshd follows them, with the account's rights. */
#include "reeve.h"
#include "key_own.h"
#include <glob.h>

#define PATHS_MAX 64
#define TOTAL_MAX (3u << 20)

static void put_u32_to(int out, uint32_t v) {
  uint8_t p[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
  (void)write_whole(out, p, sizeof p);
}

/* To the parent: what went wrong (errno), path, content. */
static void tell(int out, int problem, const char *path, const char *text, size_t n) {
  put_u32_to(out, (uint32_t)problem);
  put_u32_to(out, (uint32_t)strlen(path));
  (void)write_whole(out, path, strlen(path));
  put_u32_to(out, (uint32_t)n);
  (void)write_whole(out, text, n);
}

/* Where an open file really is, if that is the configuration file system of Proxmox VE: there it is one for all nodes. */
static void resolve(int fd, char path[OWN_PATH_MAX]) {
  char link[32], real[OWN_PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, real, sizeof real - 1);
  if (n <= 0) return;
  real[n] = 0;
  if (!strncmp(real, "/etc/pve/", 9)) memcpy(path, real, (size_t)n + 1);
}

static void read_one(const char *name, int out, size_t *total) {
  char path[OWN_PATH_MAX];
  size_t n = 0;
  snprintf(path, sizeof path, "%s", name);
  AUTO_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return;
  if (fd < 0) return tell(out, errno, path, "", 0);
  resolve(fd, path);
  errno = 0;
  AUTO_TEXT text = read_open(fd, OWN_FILE_MAX, &n);
  if (!text) return tell(out, errno ? errno : EIO, path, "", 0);
  if (*total + n > TOTAL_MAX) return tell(out, EFBIG, path, "", 0);
  *total += n;
  tell(out, 0, path, text, n);
}

/* %h %u %U %%, and from the home on when it does not begin with "/". False: another token, or too long. */
static bool expand(const struct user *u, const char *s, const char *end, char path[OWN_PATH_MAX]) {
  char uid[16], one[2] = "";
  size_t n = 0;
  snprintf(uid, sizeof uid, "%u", u->uid);
  if (*s != '/' && strncmp(s, "%h", 2)) n = (size_t)snprintf(path, OWN_PATH_MAX, "%s/", u->home);
  for (; s < end; s++) {
    const char *part = one;
    if (*s != '%') one[0] = *s;
    else if (++s == end) return false;
    else if (*s == 'h') part = u->home;
    else if (*s == 'u') part = u->name;
    else if (*s == 'U') part = uid;
    else if (*s == '%') one[0] = '%';
    else return false;
    size_t length = strlen(part);
    if (n + length >= OWN_PATH_MAX) return false;
    memcpy(path + n, part, length + 1);
    n += length;
  }
  return n < OWN_PATH_MAX && path[0] == '/';
}

/* Every file of a list of patterns, one a line, as AuthorizedKeysFile has them; newer releases of sshd take wildcards. */
void own_read(const void *data, int out) {
  const struct own *own = data;
  size_t total = 0;
  int left = PATHS_MAX;
  for (const char *s = own->patterns, *stop; *s; s = *stop ? stop + 1 : stop) {
    char path[OWN_PATH_MAX];
    glob_t found = {0};
    stop = strchrnul(s, '\n');
    if (stop == s || (stop - s == 4 && !strncmp(s, "none", 4))) continue;
    if (!expand(own->user, s, stop, path)) {
      tell(out, EINVAL, own->user->home, "", 0);
      continue;
    }
    int problem = strpbrk(path, "*?[") ? glob(path, 0, NULL, &found) : GLOB_NOMATCH;
    bool wild = problem == 0;
    if (!wild && problem != GLOB_NOMATCH) tell(out, EIO, path, "", 0);
    if (!wild && left-- > 0) read_one(path, out, &total);
    for (size_t i = 0; wild && i < found.gl_pathc && left-- > 0; i++) read_one(found.gl_pathv[i], out, &total);
    globfree(&found);
  }
  if (left < 0) tell(out, E2BIG, own->user->home, "", 0);
}

/* The next file of what the child told; false: there is none, or it is malformed. */
bool own_next(const struct buf *told, size_t *at, struct own_file *f) {
  uint64_t n;
  const uint8_t *p = told->p;
  if (told->n - *at < 8) return false;
  f->problem = (int)get_number(p + *at, 4);
  n = get_number(p + *at + 4, 4);
  *at += 8;
  if (n >= OWN_PATH_MAX || told->n - *at < n + 4) return false;
  memcpy(f->path, p + *at, n);
  f->path[n] = 0;
  *at += n;
  f->n = get_number(p + *at, 4);
  *at += 4;
  if (f->n > OWN_FILE_MAX || told->n - *at < f->n) return false;
  f->text = (const char *)p + *at;
  *at += f->n;
  return true;
}
