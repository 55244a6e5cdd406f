/* container.build: what a container is started from is made out of its record. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_BUILD_##field])

uint16_t op_container_build(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status) return status;
  ticket_begin(&t, c, "build");
  ticket_text(&t, "name", F(c, NAME));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
