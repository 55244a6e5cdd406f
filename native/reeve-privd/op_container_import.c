/* container.import: a root file system, or an image archive, comes as data. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_IMPORT_##field])

uint16_t check_container_import(struct call *c) {
  bool named = !strcmp(F(c, KIND)->text, "rootfs");
  if (named && !F(c, IMAGE)->set) return fail(c, REEVE_E_FIELD_MISSING, "field", "image", "rule", "localhost/name:tag, which it is given", NULL);
  if (!F(c, IMAGE)->set || (named && container_local_tag(F(c, IMAGE)->text))) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "image", "value", F(c, IMAGE)->text, "rule", named ? "localhost/name:tag is wanted" : "only a root file system is given a name", NULL);
}

uint16_t op_container_import(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "import");
  ticket_text(&t, "kind", F(c, KIND));
  ticket_text(&t, "image", F(c, IMAGE));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
