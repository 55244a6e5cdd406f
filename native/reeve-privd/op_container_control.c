/* container.control: it is started, stopped, asked how it is, or held to its limits. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_CONTROL_##field])

uint16_t op_container_control(struct call *c) {
  struct ticket t;
  char seconds[16];
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status) return status;
  snprintf(seconds, sizeof seconds, "%u", k.spec.stop);
  ticket_begin(&t, c, F(c, ACTION)->text);
  ticket_text(&t, "name", F(c, NAME));
  ticket_word(&t, "seconds", seconds);
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
