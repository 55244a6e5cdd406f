/* user.lock: no password and, because the account is expired, no key lets the user in any more. */
#include "reeve.h"

uint16_t op_user_lock(struct call *c) {
  struct accounts a;
  struct marker m;
  const struct user *u;
  uint16_t status = accounts_load(c, &a);
  if (!status) status = owned_account(c, &a, c->f[REEVE_F_USER_LOCK_NAME].text, &m, &u);
  if (!status && u) status = lock_account(c, &a, u->name);
  FAILPOINT("lock.done");
  accounts_free(&a);
  return status;
}
