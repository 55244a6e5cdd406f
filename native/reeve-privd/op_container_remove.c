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

static uint16_t not_shared(struct call *c, const struct container *k, const struct container *other) {
  char rule[128];
  snprintf(rule, sizeof rule, "container \"%s\" keeps files there, too", other->name);
  for (size_t i = 0; i < k->spec.volumes.n; i++)
    for (size_t j = 0; j < other->spec.volumes.n; j++)
      if (paths_meet(k->spec.volumes.items[i].folder, other->spec.volumes.items[j].folder))
        return fail(c, REEVE_E_CONTAINER_PLACE, "value", k->spec.volumes.items[i].folder, "rule", rule, "remedy", "Remove the container without its volumes.", NULL);
  return REEVE_OK;
}

static uint16_t own_volumes(struct call *c, const struct container *k) {
  struct dirent **names;
  uint16_t status = REEVE_OK;
  int n = container_names(&names);
  for (int i = 0; !status && i < n; i++) {
    AUTO_CONTAINER other = {0};
    if (strcmp(names[i]->d_name, k->name) && container_read(names[i]->d_name, &other) && other.there) status = not_shared(c, k, &other);
  }
  end_names(names, n);
  return status;
}

uint16_t op_container_remove(struct call *c) {
  struct ticket t;
  AUTO_CONTAINER k = {0};
  uint16_t status = container_known(c, F(c, NAME)->text, &k);
  if (status && status != REEVE_E_CONTAINER_UNKNOWN) return status;
  status = k.there && F(c, VOLUMES)->number ? own_volumes(c, &k) : REEVE_OK;
  if (status) return status;
  ticket_begin(&t, c, "remove");
  ticket_text(&t, "name", F(c, NAME));
  ticket_flag(&t, "volumes", F(c, VOLUMES)->number);
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
