/* container.settle: what container.put wrote stays, or what was there before comes back. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_SETTLE_##field])

uint16_t op_container_settle(struct call *c) {
  AUTO_CONTAINER k = {0};
  return container_read(F(c, NAME)->text, &k) ? container_settle(c, &k, F(c, KEEP)->number) : REEVE_OK;
}
