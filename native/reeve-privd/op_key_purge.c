/* key.purge: takes keys out of one of an account's own key files, as that account. */
#include "reeve.h"
#include "key_own.h"

#define F(c, field) (&(c)->f[REEVE_F_KEY_PURGE_##field])

/* Absolute, printable, without empty, "." and ".." parts. */
static bool path_plain(const char *s) {
  size_t n = strlen(s);
  for (size_t i = 0; i < n; i++) if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
  if (n < 2 || n >= OWN_PATH_MAX || s[0] != '/' || s[n - 1] == '/' || strstr(s, "//") || strstr(s, "/./") || strstr(s, "/../")) return false;
  const char *last = strrchr(s, '/') + 1;
  return strcmp(last, ".") && strcmp(last, "..");
}

uint16_t check_key_purge(struct call *c) {
  const struct value *keys = F(c, BLOBS);
  if (!path_plain(F(c, PATH)->text))
    return fail(c, REEVE_E_FIELD_INVALID, "field", "path", "value", F(c, PATH)->text, "rule", "an absolute path without . and .. is wanted", NULL);
  if (keys->n > 0 && keys->n % 32 == 0) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "blobs", "value", "", "rule", "32 bytes for each key are wanted", NULL);
}

static uint16_t unsafe(struct call *c, const char *rule) { return fail(c, REEVE_E_PATH_UNSAFE, "value", F(c, PATH)->text, "rule", rule, NULL); }

/* The path from the home on; NULL: it is not below it. */
static const char *below_home(const char *path, const char *home) {
  size_t n = strlen(home);
  while (n > 0 && home[n - 1] == '/') n--;
  return home[0] == '/' && n > 0 && !strncmp(path, home, n) && path[n] == '/' ? path + n + 1 : NULL;
}

static uint16_t outcome(struct call *c, const struct purge_answer *a) {
  switch (a->end) {
    case PURGE_DONE: case PURGE_ABSENT:
      reply_u32(&c->reply, REEVE_R_KEY_PURGE_REMOVED, a->removed);
      return REEVE_OK;
    case PURGE_UNSAFE: return unsafe(c, a->rule);
    case PURGE_MOVED: return fail(c, REEVE_E_STATE_MOVED, "moved", "the key file of the user, again and again", NULL);
    default: return fail(c, REEVE_E_IO_FAILED, "rule", a->rule, NULL);
  }
}

uint16_t op_key_purge(struct call *c) {
  const char *name = F(c, NAME)->text, *path = F(c, PATH)->text;
  struct purge_answer answer;
  struct buf told;
  uint16_t status = accounts_load(c);
  if (status) return status;
  struct purge p = {user_by_name(&c->accounts, name), NULL, (const uint8_t *)F(c, BLOBS)->text, F(c, BLOBS)->n / 32};
  if (!p.user) return fail(c, REEVE_E_USER_ABSENT, "value", name, NULL);
  p.path = below_home(path, p.user->home);
  if (!strncmp(path, "/etc/", 5)) return unsafe(c, "it is configuration of the host");
  if (!p.path) return unsafe(c, "it is not below the home of the user");
  buf_init(&told, sizeof answer);
  status = run_as(c, p.user, own_purge, &p, &told);
  if (!status && told.n != sizeof answer) status = fail(c, REEVE_E_IO_FAILED, "rule", "a child that works as the user failed", NULL);
  if (!status) {
    memcpy(&answer, told.p, sizeof answer);
    answer.rule[sizeof answer.rule - 1] = 0;
    status = outcome(c, &answer);
  }
  buf_free(&told);
  return status;
}
