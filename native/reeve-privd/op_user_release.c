/* user.release: forget that an account is ours; the account stays as it is. */
#include "reeve.h"

uint16_t op_user_release(struct call *c) {
  const char *name = c->f[REEVE_F_USER_RELEASE_NAME].text;
  struct marker m;
  uint16_t status = marker_read(c, name, &m);
  if (status || m.state == MARKER_NONE) return status;
  if (m.state == MARKER_ADDING || m.state == MARKER_REMOVING) return user_unfinished(c);
  status = marker_drop(c, name);
  FAILPOINT("release.forgotten");
  return status;
}
