/* unit.log: what units have written to the journal. */
#include "unit.h"

#define F(c, field) (&(c)->f[REEVE_F_UNIT_LOG_##field])

#define LINES_MOST 100000u

/* The policy is asked about the first here, so that the line that would allow it names a unit, and about all by allow_unit_log. */
uint16_t check_unit_log(struct call *c) {
  static char first[UNIT_NAME_MAX + 1];
  char unit[UNIT_NAME_MAX + 1];
  const char *text = F(c, UNITS)->text;
  size_t n = 0, length = strlen(text);
  bool good = length > 0 && text[length - 1] != ',';
  for (const char *at = text; good && *at; n++) good = unit_next(&at, unit) && unit_name(unit);
  if (!good) return fail(c, REEVE_E_FIELD_INVALID, "field", "units", "value", text, "rule", UNIT_RULE ", with commas between", NULL);
  if (n > UNITS_MOST) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "units", "rule", "at most 8", NULL);
  const char *at = text;
  (void)unit_next(&at, first);
  c->args[REEVE_K_UNIT_LOG_UNIT] = first;
  if (F(c, LINES)->number <= LINES_MOST) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "lines", "value", F(c, LINES)->text, "rule", "at most 100000 are wanted", NULL);
}

/* Each unit is asked for. */
uint16_t allow_unit_log(struct call *c) {
  char unit[UNIT_NAME_MAX + 1];
  const char *args[REEVE_MAX_KEYS] = {0};
  for (const char *at = F(c, UNITS)->text; *at && unit_next(&at, unit);) {
    args[REEVE_K_UNIT_LOG_UNIT] = unit;
    struct verdict v = policy_evaluate(&c->policy, REEVE_P_UNIT_LOG, args);
    if (!v.allowed) return policy_refused(c, REEVE_P_UNIT_LOG, args, v);
  }
  return REEVE_OK;
}

uint16_t op_unit_log(struct call *c) {
  char unit[UNIT_NAME_MAX + 1];
  struct ticket t;
  ticket_begin(&t, c, "log");
  for (const char *at = F(c, UNITS)->text; *at && unit_next(&at, unit);) ticket_word(&t, "unit", unit);
  ticket_text(&t, "lines", F(c, LINES));
  ticket_flag(&t, "follow", F(c, FOLLOW)->number);
  return ticket_put(&t, c, UNIT_TICKETS);
}
