/* container.secret: a value that a container reads from a file. */
#include "container.h"
#include "backup_word.h"
#include "pending.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_SECRET_##field])
#define SECRET_BYTES 32768u
#define SECRETS_MOST 256
#define DAY_S 86400

static uint16_t bad(struct call *c, const char *field, const char *value, const char *rule) { return fail(c, REEVE_E_FIELD_INVALID, "field", field, "value", value, "rule", rule, NULL); }

uint16_t check_container_secret(struct call *c) {
  if (!container_secret(F(c, SECRET)->text)) return bad(c, "secret", F(c, SECRET)->text, "[a-z0-9][a-z0-9._-]{0,63} is wanted");
  if (!backup_id(F(c, VERSION)->text)) return bad(c, "version", F(c, VERSION)->text, "a UUID in lower case is wanted");
  return F(c, VALUE)->n >= 1 && F(c, VALUE)->n <= SECRET_BYTES ? REEVE_OK : bad(c, "value", "", "1 to 32768 bytes are wanted");
}

static bool too_many(int dir) {
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, NULL, NULL);
  end_names(names, n);
  return n > SECRETS_MOST;
}

/* Of changes that were refused after their secrets had come. */
static void tidy(void) {
  struct dirent **names;
  int n = container_names(&names);
  for (int i = 0; i < n; i++) {
    AUTO_CONTAINER k = {0};
    if (container_read(names[i]->d_name, &k) && !k.pending && !k.damaged) (void)container_sweep(&k, DAY_S);
  }
  end_names(names, n);
}

uint16_t op_container_secret(struct call *c) {
  char entry[160];
  tidy();
  AUTO_CONTAINER k = {0};
  (void)container_read(F(c, NAME)->text, &k);
  uint16_t status = container_slot(c, &k);
  AUTO_FD dir = status ? -1 : container_folder(k.name, true);
  if (status) return status;
  if (dir < 0 || (mkdirat(dir, "secret", 0700) && errno != EEXIST)) return io_failed(c, "a secret cannot be kept");
  AUTO_FD secrets = open_beneath(dir, "secret", O_RDONLY | O_DIRECTORY, 0);
  if (secrets >= 0 && too_many(secrets)) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "secret", "rule", "so many secrets of one container are kept already; container.settle takes those away that nothing names", NULL);
  snprintf(entry, sizeof entry, "%s.%s", F(c, SECRET)->text, F(c, VERSION)->text);
  if (secrets < 0 || !small_put(secrets, entry, F(c, VALUE)->text, F(c, VALUE)->n, 0400)) return io_failed(c, "a secret cannot be kept");
  FAILPOINT("container.secret.kept");
  explicit_bzero(F(c, VALUE)->text, F(c, VALUE)->n);
  uid_t owner = container_root(&k);
  return fchownat(secrets, entry, owner, owner, AT_SYMLINK_NOFOLLOW) ? io_failed(c, "a secret cannot be given to its container") : REEVE_OK;
}
