/* user.lock: no password and, because the account is expired, no key lets the user in any more. */
#include "reeve.h"

uint16_t op_user_lock(struct call *c) {
  uint16_t status = account_load_ours(c, c->f[REEVE_F_USER_LOCK_NAME].text);
  if (!status && c->user) status = account_lock(c, c->user->name);
  FAILPOINT("lock.done");
  return status;
}
