/* unit.restart: a unit that the policy names is started anew. What the floor keeps is refused before the policy is asked: no line would help. */
#include "unit.h"

#define F(c, field) (&(c)->f[REEVE_F_UNIT_RESTART_##field])

uint16_t check_unit_restart(struct call *c) {
  const char *unit = F(c, UNIT)->text;
  if (!unit_name(unit)) return fail(c, REEVE_E_FIELD_INVALID, "field", "unit", "value", unit, "rule", UNIT_RULE, NULL);
  const char *why = unit_floor(unit);
  return why ? fail(c, REEVE_E_UNIT_PROTECTED, "value", unit, "rule", why, NULL) : REEVE_OK;
}

uint16_t op_unit_restart(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "restart");
  ticket_text(&t, "unit", F(c, UNIT));
  ticket_flag(&t, "plan", F(c, PLAN)->number);
  return ticket_put(&t, c, UNIT_TICKETS);
}
