/* container.remove: a container goes, with its unit and root file system; the folders of its volumes only when that is asked for. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_REMOVE_##field])

/* The policy has words where the request has a bool. */
uint16_t check_container_remove(struct call *c) {
  c->args[REEVE_K_CONTAINER_REMOVE_VOLUMES] = F(c, VOLUMES)->number ? "yes" : "no";
  return REEVE_OK;
}

/* Folders go only where containers may have them: a record may be older than the policy. */
uint16_t allow_container_remove(struct call *c) {
  AUTO_CONTAINER k = {0};
  if (F(c, VOLUMES)->number) (void)container_read(F(c, NAME)->text, &k);
  return k.there ? container_allow_volumes(c, k.name, &k.spec) : REEVE_OK;
}

uint16_t op_container_remove(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status && status != REEVE_E_CONTAINER_UNKNOWN) return status;
  ticket_begin(&t, c, "remove");
  ticket_text(&t, "name", F(c, NAME));
  ticket_flag(&t, "volumes", F(c, VOLUMES)->number);
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
