/* container.adopt: a container of others gets a record and a unit, as the spec says; reeve-container does the rest. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_ADOPT_##field])

uint16_t check_container_adopt(struct call *c) {
  AUTO_SPEC s = {0};
  uint16_t status = container_parse(c, F(c, SPEC), &s);
  if (status || s.adopted == (s.engine != SPEC_PODMAN)) return status;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "adopted", "value", s.adopted ? "yes" : "no", "rule", "one of lxc or pct is taken over with adopted=yes", NULL);
}

uint16_t allow_container_adopt(struct call *c) { return container_allow(c, F(c, NAME)->text, F(c, SPEC)); }

static uint16_t is_there(struct call *c, const char *name, const struct spec *s) {
  char where[256];
  AUTO_CONTAINER k = {0};
  (void)container_read(name, &k);
  snprintf(where, sizeof where, "/etc/pve/lxc/%u.conf", s->id);
  if (k.there || (s->engine == SPEC_PCT ? !access(where, F_OK) : container_foreign(name, s->engine, where))) return REEVE_OK;
  return fail(c, REEVE_E_CONTAINER_UNKNOWN, "value", name, NULL);
}

uint16_t op_container_adopt(struct call *c) {
  struct ticket t;
  bool changed;
  AUTO_SPEC s = {0};
  uint16_t status = container_parse(c, F(c, SPEC), &s);
  if (!status) status = is_there(c, F(c, NAME)->text, &s);
  if (!status) status = container_write(c, F(c, NAME)->text, F(c, SPEC), true, &changed);
  if (status) return status;
  ticket_begin(&t, c, "adopt");
  ticket_text(&t, "name", F(c, NAME));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
