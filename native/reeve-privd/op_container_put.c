/* container.put: what a container is to be, with its units; nothing is started. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_PUT_##field])

uint16_t check_container_put(struct call *c) {
  AUTO_SPEC s = {0};
  return container_parse(c, F(c, SPEC), &s);
}

uint16_t allow_container_put(struct call *c) { return container_allow(c, F(c, NAME)->text, F(c, SPEC)); }

uint16_t op_container_put(struct call *c) {
  bool changed;
  uint16_t status = container_write(c, F(c, NAME)->text, F(c, SPEC), false, &changed);
  if (!status) reply_bool(&c->reply, REEVE_R_CONTAINER_PUT_CHANGED, changed);
  return status;
}
