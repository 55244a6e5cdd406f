/* unit.status: how a unit is. */
#include "unit.h"

#define F(c, field) (&(c)->f[REEVE_F_UNIT_STATUS_##field])

uint16_t check_unit_status(struct call *c) {
  if (unit_name(F(c, UNIT)->text)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "unit", "value", F(c, UNIT)->text, "rule", UNIT_RULE, NULL);
}

uint16_t op_unit_status(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "status");
  ticket_text(&t, "unit", F(c, UNIT));
  return ticket_put(&t, c, UNIT_TICKETS);
}
