/* passwd, group and shadow, parsed without NSS: bounded in size, malformed lines are skipped (passwd(5), group(5), shadow(5)). */
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNTS_MAX (4u << 20)

/* A whole regular file with a NUL after it, or NULL with errno (EFBIG: larger than max). */
char *read_whole(const char *path, size_t max, size_t *n) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return NULL;
  char *text = NULL;
  size_t got = 0, room = 0;
  int problem = 0;
  if (fstat(fd, &st)) problem = errno;
  else if (!S_ISREG(st.st_mode)) problem = EINVAL;
  else if (st.st_size > (off_t)max) problem = EFBIG;
  else if (!(text = malloc((room = (size_t)st.st_size + 1) + 1))) problem = ENOMEM;
  while (!problem && got < room) {
    ssize_t r = read(fd, text + got, room - got);
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) problem = errno;
    if (r <= 0) break;
    got += (size_t)r;
    if (got == room) {
      if (room > max) { problem = EFBIG; break; }
      char *grown = realloc(text, 2 * room + 1);
      if (!grown) { problem = ENOMEM; break; }
      text = grown;
      room *= 2;
    }
  }
  close(fd);
  if (problem) {
    free(text);
    errno = problem;
    return NULL;
  }
  text[got] = 0;
  if (n) *n = got;
  return text;
}

/* Splits a line at colons; false unless it has exactly `count` parts. */
static bool split(char *line, char **parts, size_t count) {
  size_t n = 0;
  for (char *part; (part = strsep(&line, ":"));) {
    if (n == count) return false;
    parts[n++] = part;
  }
  return n == count;
}

static bool number(const char *s, uint32_t *out) {
  uint64_t v;
  if (!parse_number(s, strlen(s), UINT32_MAX, &v)) return false;
  *out = (uint32_t)v;
  return true;
}

static bool name_fits(const char *s) { return s[0] && s[0] != '+' && s[0] != '-' && strlen(s) <= 255; }

static void *grow(void *list, size_t n, size_t size) {
  return n % 128 ? list : realloc(list, (n + 128) * size);
}

static int by_member(const void *a, const void *b) {
  const struct membership *x = a, *y = b;
  int order = strcmp(x->user, y->user);
  return order ? order : strcmp(x->group, y->group);
}
static int by_secret(const void *a, const void *b) { return strcmp(((const struct secret *)a)->name, ((const struct secret *)b)->name); }

static void parse_passwd(struct accounts *a) {
  char *p[7], *rest = a->passwd_text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    struct user u;
    if (!split(line, p, 7) || !name_fits(p[0]) || !number(p[2], &u.uid) || !number(p[3], &u.gid)) continue;
    struct user *list = grow(a->users, a->nusers, sizeof *list);
    if (!list) return;
    u.name = p[0];
    u.comment = p[4];
    u.home = p[5];
    u.shell = p[6];
    a->users = list;
    a->users[a->nusers++] = u;
  }
}

static void parse_group(struct accounts *a) {
  char *p[4], *rest = a->group_text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    struct group g;
    if (!split(line, p, 4) || !name_fits(p[0]) || !number(p[2], &g.gid)) continue;
    g.name = p[0];
    struct group *list = grow(a->groups, a->ngroups, sizeof *list);
    if (!list) return;
    a->groups = list;
    a->groups[a->ngroups++] = g;
    for (char *member; (member = strsep(&p[3], ","));) {
      if (!name_fits(member)) continue;
      struct membership *members = grow(a->members, a->nmembers, sizeof *members);
      if (!members) return;
      a->members = members;
      a->members[a->nmembers++] = (struct membership){member, g.name};
    }
  }
}

static void parse_shadow(struct accounts *a) {
  char *p[9], *rest = a->shadow_text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    uint32_t days;
    if (!split(line, p, 9) || !name_fits(p[0])) continue;
    struct secret *list = grow(a->secrets, a->nsecrets, sizeof *list);
    if (!list) return;
    a->secrets = list;
    a->secrets[a->nsecrets++] = (struct secret){p[0], p[1], number(p[7], &days) ? (int64_t)days : -1};
  }
}

/* Takes the three texts (shadow may be NULL) and frees them in accounts_free. */
void accounts_parse(struct accounts *a, char *passwd, char *group, char *shadow) {
  *a = (struct accounts){.passwd_text = passwd, .group_text = group, .shadow_text = shadow};
  if (passwd) parse_passwd(a);
  if (group) parse_group(a);
  if (shadow) parse_shadow(a);
  if (a->nmembers) qsort(a->members, a->nmembers, sizeof *a->members, by_member);
  if (a->nsecrets) qsort(a->secrets, a->nsecrets, sizeof *a->secrets, by_secret);
}

uint16_t accounts_load(struct call *c, struct accounts *a) {
  char *passwd = read_whole("/etc/passwd", ACCOUNTS_MAX, NULL), *group = read_whole("/etc/group", ACCOUNTS_MAX, NULL);
  char *shadow = read_whole("/etc/shadow", ACCOUNTS_MAX, NULL);
  accounts_parse(a, passwd, group, shadow);
  if (passwd && group && shadow) return REEVE_OK;
  accounts_free(a);
  return fail(c, REEVE_E_IO_FAILED, "rule", "the account files cannot be read", NULL);
}

void accounts_free(struct accounts *a) {
  if (a->shadow_text) explicit_bzero(a->shadow_text, a->nsecrets ? strlen(a->shadow_text) : 0);
  free(a->passwd_text);
  free(a->group_text);
  free(a->shadow_text);
  free(a->users);
  free(a->groups);
  free(a->members);
  free(a->secrets);
  *a = (struct accounts){0};
}

const struct user *user_by_name(const struct accounts *a, const char *name) {
  for (size_t i = 0; i < a->nusers; i++) if (!strcmp(a->users[i].name, name)) return &a->users[i];
  return NULL;
}

const struct user *user_by_uid(const struct accounts *a, uint32_t uid) {
  for (size_t i = 0; i < a->nusers; i++) if (a->users[i].uid == uid) return &a->users[i];
  return NULL;
}

const struct group *group_by_name(const struct accounts *a, const char *name) {
  for (size_t i = 0; i < a->ngroups; i++) if (!strcmp(a->groups[i].name, name)) return &a->groups[i];
  return NULL;
}

const struct group *group_by_gid(const struct accounts *a, uint32_t gid) {
  for (size_t i = 0; i < a->ngroups; i++) if (a->groups[i].gid == gid) return &a->groups[i];
  return NULL;
}

const struct secret *secret_by_name(const struct accounts *a, const char *name) {
  struct secret key = {.name = (char *)name};
  return a->nsecrets ? bsearch(&key, a->secrets, a->nsecrets, sizeof key, by_secret) : NULL;
}

bool group_has_members(const struct accounts *a, const char *group) {
  for (size_t i = 0; i < a->nmembers; i++) if (!strcmp(a->members[i].group, group)) return true;
  return false;
}

bool is_member(const struct accounts *a, const char *user, const char *group) {
  struct membership key = {user, group};
  return a->nmembers && bsearch(&key, a->members, a->nmembers, sizeof key, by_member);
}

/* Expired on day 0 or 1: no login of any kind, also not by key (shadow(5), sshd's PAM account step). */
bool is_locked(const struct secret *s) { return s && (s->expires == 0 || s->expires == 1); }
