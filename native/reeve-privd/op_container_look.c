/* container.look: rows of images or snapshots, or a container of others as a spec. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_LOOK_##field])

uint16_t check_container_look(struct call *c) {
  bool images = !strcmp(F(c, WHAT)->text, "images"), inspect = !strcmp(F(c, WHAT)->text, "inspect");
  if (!images && !F(c, NAME)->set) return fail(c, REEVE_E_FIELD_MISSING, "field", "name", "rule", "of the container", NULL);
  if (inspect != F(c, ENGINE)->set) return fail(c, inspect ? REEVE_E_FIELD_MISSING : REEVE_E_FIELD_INVALID, "field", "engine", "value", inspect ? "" : F(c, ENGINE)->text, "rule", "inspect has one, and nothing else", NULL);
  return REEVE_OK;
}

uint16_t op_container_look(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = !strcmp(F(c, WHAT)->text, "snapshots") ? container_known(c, F(c, NAME)->text, &k) : REEVE_OK;
  if (status) return status;
  ticket_begin(&t, c, F(c, WHAT)->text);
  ticket_text(&t, "name", F(c, NAME));
  ticket_text(&t, "engine", F(c, ENGINE));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
