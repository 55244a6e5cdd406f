/* container.log: what a container has written to the journal. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_LOG_##field])

#define LINES_MOST 100000u

uint16_t check_container_log(struct call *c) {
  if (F(c, LINES)->number <= LINES_MOST) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "lines", "value", F(c, LINES)->text, "rule", "at most 100000 are wanted", NULL);
}

uint16_t op_container_log(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status) return status;
  ticket_begin(&t, c, "log");
  ticket_text(&t, "name", F(c, NAME));
  ticket_text(&t, "lines", F(c, LINES));
  ticket_flag(&t, "follow", F(c, FOLLOW)->number);
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
