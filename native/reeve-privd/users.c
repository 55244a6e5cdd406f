/* passwd, group and shadow, parsed without NSS: bounded in size, malformed lines are skipped (passwd(5), group(5), shadow(5)). */
#include "reeve.h"

/* Splits a line at colons; false unless it has exactly `count` parts. */
static bool split(char *line, char **parts, size_t count) {
  size_t n = 0;
  for (char *part; (part = strsep(&line, ":"));) {
    if (n == count) return false;
    parts[n++] = part;
  }
  return n == count;
}

bool parse_u32(const char *s, uint32_t *out) {
  uint64_t v = 0;
  bool ok = parse_number(s, strlen(s), UINT32_MAX, &v);
  *out = (uint32_t)v;
  return ok;
}

static bool name_fits(const char *s) { return s[0] && s[0] != '+' && s[0] != '-' && strlen(s) <= 255; }

/* Room for a row for each separator in `text` and one more. */
static void *rows(const char *text, const char *separators, size_t size) {
  size_t n = 1;
  for (; *text; text++) n += strchr(separators, *text) != NULL;
  return calloc(n, size);
}

static int by_member(const void *a, const void *b) {
  const struct membership *x = a, *y = b;
  int order = strcmp(x->user, y->user);
  return order ? order : strcmp(x->group, y->group);
}
static int by_secret(const void *a, const void *b) { return strcmp(((const struct secret *)a)->name, ((const struct secret *)b)->name); }

static void parse_passwd(struct accounts *a) {
  char *p[7], *rest = a->passwd_text;
  a->users = rows(rest, "\n", sizeof *a->users);
  for (char *line; a->users && (line = strsep(&rest, "\n"));) {
    struct user u;
    if (!split(line, p, 7) || !name_fits(p[0]) || !parse_u32(p[2], &u.uid) || !parse_u32(p[3], &u.gid)) continue;
    u.name = p[0];
    u.comment = p[4];
    u.home = p[5];
    u.shell = p[6];
    a->users[a->nusers++] = u;
  }
}

static void parse_group(struct accounts *a) {
  char *p[4], *rest = a->group_text;
  a->groups = rows(rest, "\n", sizeof *a->groups);
  a->members = rows(rest, "\n,", sizeof *a->members);
  for (char *line; a->groups && a->members && (line = strsep(&rest, "\n"));) {
    struct group g;
    if (!split(line, p, 4) || !name_fits(p[0]) || !parse_u32(p[2], &g.gid)) continue;
    g.name = p[0];
    a->groups[a->ngroups++] = g;
    for (char *member; (member = strsep(&p[3], ","));) if (name_fits(member)) a->members[a->nmembers++] = (struct membership){member, g.name};
  }
}

static void parse_shadow(struct accounts *a) {
  char *p[9], *rest = a->shadow_text;
  a->secrets = rows(rest, "\n", sizeof *a->secrets);
  for (char *line; a->secrets && (line = strsep(&rest, "\n"));) {
    uint32_t days;
    if (!split(line, p, 9) || !name_fits(p[0])) continue;
    a->secrets[a->nsecrets++] = (struct secret){p[0], p[1], parse_u32(p[7], &days) ? (int64_t)days : -1};
  }
}

/* Takes the three texts (shadow may be NULL) and frees them in accounts_free. */
void accounts_parse(struct accounts *a, char *passwd, char *group, char *shadow) {
  *a = (struct accounts){.passwd_text = passwd, .group_text = group, .shadow_text = shadow, .shadow_bytes = shadow ? strlen(shadow) : 0};
  if (passwd) parse_passwd(a);
  if (group) parse_group(a);
  if (shadow) parse_shadow(a);
  if (a->nmembers) qsort(a->members, a->nmembers, sizeof *a->members, by_member);
  if (a->nsecrets) qsort(a->secrets, a->nsecrets, sizeof *a->secrets, by_secret);
}

/* Into c->accounts, in place of what was there. Users and groups of before are gone then. */
uint16_t accounts_load(struct call *c) {
  struct accounts *a = &c->accounts;
  accounts_free(a);
  c->user = NULL;
  accounts_parse(a, read_whole("/etc/passwd", ACCOUNTS_MAX, NULL), read_whole("/etc/group", ACCOUNTS_MAX, NULL),
    read_whole("/etc/shadow", ACCOUNTS_MAX, NULL));
  if (a->users && a->groups && a->members && a->secrets) return REEVE_OK;
  return fail(c, REEVE_E_IO_FAILED, "rule", "the account files cannot be read", NULL);
}

void accounts_free(struct accounts *a) {
  if (a->shadow_text) explicit_bzero(a->shadow_text, a->shadow_bytes);
  free(a->passwd_text);
  free(a->group_text);
  free(a->shadow_text);
  free(a->users);
  free(a->groups);
  free(a->members);
  free(a->secrets);
  *a = (struct accounts){0};
}

/* The first row of a list for which `test` holds, or NULL. */
#define FIRST(list, test) \
  for (size_t i = 0; i < a->n##list; i++) if (test) return &a->list[i]; \
  return NULL

const struct user *user_by_name(const struct accounts *a, const char *name) { FIRST(users, !strcmp(a->users[i].name, name)); }
const struct user *user_by_uid(const struct accounts *a, uint32_t uid) { FIRST(users, a->users[i].uid == uid); }
const struct group *group_by_name(const struct accounts *a, const char *name) { FIRST(groups, !strcmp(a->groups[i].name, name)); }
const struct group *group_by_gid(const struct accounts *a, uint32_t gid) { FIRST(groups, a->groups[i].gid == gid); }

const struct secret *secret_by_name(const struct accounts *a, const char *name) {
  struct secret key = {.name = (char *)name};
  return a->nsecrets ? bsearch(&key, a->secrets, a->nsecrets, sizeof key, by_secret) : NULL;
}

/* Somebody's supplementary or first group. */
bool group_in_use(const struct accounts *a, const struct group *g) {
  for (size_t i = 0; i < a->nmembers; i++) if (!strcmp(a->members[i].group, g->name)) return true;
  for (size_t i = 0; i < a->nusers; i++) if (a->users[i].gid == g->gid) return true;
  return false;
}

bool is_member(const struct accounts *a, const char *user, const char *group) {
  struct membership key = {user, group};
  return a->nmembers && bsearch(&key, a->members, a->nmembers, sizeof key, by_member);
}

/* Expired on day 0 or 1: no login of any kind, also not by key (shadow(5), sshd's PAM account step). */
bool is_locked(const struct secret *s) { return s && (s->expires == 0 || s->expires == 1); }
