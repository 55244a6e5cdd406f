/* container.pull: podman fetches an image. */
#include "container.h"

#define F(c, field) (&(c)->f[REEVE_F_CONTAINER_PULL_##field])

/* The policy is asked for its name, without tag and digest, by allow_container_pull. */
uint16_t check_container_pull(struct call *c) {
  c->args[REEVE_K_CONTAINER_IMAGE_IMAGE] = NULL;
  if (container_image_wanted(F(c, IMAGE)->text)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "image", "value", F(c, IMAGE)->text, "rule", "registry/name:tag or registry/name@sha256: and 64 hex digits are wanted", NULL);
}

uint16_t allow_container_pull(struct call *c) {
  char name[256];
  const char *args[REEVE_MAX_KEYS] = {0}, *text = F(c, IMAGE)->text;
  snprintf(name, sizeof name, "%.*s", (int)container_image_length(text), text);
  args[REEVE_K_CONTAINER_IMAGE_IMAGE] = name;
  struct verdict v = policy_evaluate(&c->policy, REEVE_P_CONTAINER_IMAGE, args);
  return v.allowed ? REEVE_OK : policy_refused(c, REEVE_P_CONTAINER_IMAGE, args, v);
}

uint16_t op_container_pull(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "pull");
  ticket_text(&t, "image", F(c, IMAGE));
  return ticket_put(&t, c, CONTAINER_TICKETS);
}
