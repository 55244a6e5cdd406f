/* container.prune: images and archives that no container needs go. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_PRUNE_##field])

uint16_t op_container_prune(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "prune");
  ticket_flag(&t, "plan", F(c, PLAN)->number);
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
