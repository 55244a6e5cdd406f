/* container.snapshot: snapshots of a container of lxc or pct. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_SNAPSHOT_##field])

uint16_t check_container_snapshot(struct call *c) {
  if (container_snapshot(F(c, SNAPSHOT)->text)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "snapshot", "value", F(c, SNAPSHOT)->text, "rule", "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit, and not \"current\" or \"vzdump\"", NULL);
}

uint16_t op_container_snapshot(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status) return status;
  if (k.spec.engine == SPEC_PODMAN) return fail(c, REEVE_E_CONTAINER_ENGINE, "rule", "a container of podman is its image, and has no snapshots", "remedy", "Back up the folders of its volumes: reeve backup add", NULL);
  const char *action = F(c, ACTION)->text;
  ticket_begin(&t, c, !strcmp(action, "create") ? "snapshot" : !strcmp(action, "restore") ? "rollback" : "drop");
  ticket_text(&t, "name", F(c, NAME));
  ticket_text(&t, "snapshot", F(c, SNAPSHOT));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
