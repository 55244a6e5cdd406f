/* What the policy of the host says of the parts of a spec, each by itself. */
#include "container.h"

uint16_t container_parse(struct call *c, const struct value *text, struct spec *s) {
  struct spec_problem why;
  if (spec_parse(s, text->text, text->n, &why)) return REEVE_OK;
  if (why.missing) return fail(c, REEVE_E_FIELD_MISSING, "field", why.field, "rule", why.rule, NULL);
  return fail(c, REEVE_E_FIELD_INVALID, "field", why.field, "value", why.value, "rule", why.rule, NULL);
}

static uint16_t ask(struct call *c, int op, const char *const args[REEVE_MAX_KEYS]) {
  struct verdict v = policy_evaluate(&c->policy, op, args);
  return v.allowed ? REEVE_OK : policy_refused(c, op, args, v);
}

#define ASK(op, ...) ask(c, REEVE_P_CONTAINER_##op, (const char *const[REEVE_MAX_KEYS]){__VA_ARGS__})

bool container_is_socket(const char *path) {
  struct stat st;
  AUTO_FD root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD fd = root < 0 ? -1 : open_beneath(root, path + 1, O_PATH, 0);
  return fd >= 0 && !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

/* The image without its digest. */
static uint16_t allow_image(struct call *c, const struct spec *s) {
  char name[256];
  if (!s->image) return REEVE_OK;
  snprintf(name, sizeof name, "%.*s", (int)container_image_length(s->image), s->image);
  return ASK(IMAGE, [REEVE_K_CONTAINER_IMAGE_IMAGE] = name);
}

static uint16_t allow_ports(struct call *c, const struct spec *s) {
  uint16_t status = REEVE_OK;
  for (size_t i = 0; !status && i < s->ports.n; i++) {
    char port[16];
    snprintf(port, sizeof port, "%u", s->ports.items[i].port);
    status = ASK(PORT, [REEVE_K_CONTAINER_PORT_PORT] = port, [REEVE_K_CONTAINER_PORT_ADDRESS] = s->ports.items[i].address);
  }
  return status;
}

uint16_t container_allow_volumes(struct call *c, const char *name, const struct spec *s) {
  uint16_t status = REEVE_OK;
  for (size_t i = 0; !status && i < s->volumes.n; i++) {
    const char *folder = s->volumes.items[i].folder;
    if (container_is_socket(folder)) status = ASK(SOCKET, [REEVE_K_CONTAINER_SOCKET_NAME] = name, [REEVE_K_CONTAINER_SOCKET_PATH] = folder);
    else status = ASK(VOLUME, [REEVE_K_CONTAINER_VOLUME_FOLDER] = folder);
  }
  return status;
}

/* One that was adopted says in its own config whose ids it has. */
static bool has_host_ids(const char *name, const struct spec *s) {
  char path[160];
  if (s->host_ids || s->engine != SPEC_LXC || !s->adopted) return s->host_ids;
  snprintf(path, sizeof path, CONTAINER_LXC "/%s/config", name);
  AUTO_TEXT text = read_whole(path, 256u << 10, NULL);
  return !text || (strncmp(text, "lxc.idmap", 9) && !strstr(text, "\nlxc.idmap"));
}

uint16_t container_allow(struct call *c, const char *name, const struct value *text) {
  AUTO_SPEC s = {0};
  uint16_t status = container_parse(c, text, &s);
  if (!status) status = ASK(WRITE, [REEVE_K_CONTAINER_WRITE_NAME] = name, [REEVE_K_CONTAINER_WRITE_ENGINE] = spec_engine_name(s.engine));
  if (!status) status = allow_image(c, &s);
  if (!status) status = allow_ports(c, &s);
  if (!status) status = container_allow_volumes(c, name, &s);
  if (!status && s.bridge) status = ASK(BRIDGE, [REEVE_K_CONTAINER_BRIDGE_BRIDGE] = s.bridge);
  if (!status && has_host_ids(name, &s)) status = ASK(HOST_IDS, [REEVE_K_CONTAINER_HOST_IDS_NAME] = name);
  if (!status && s.host_network) status = ASK(HOST_NETWORK, [REEVE_K_CONTAINER_HOST_NETWORK_NAME] = name);
  for (size_t i = 0; !status && i < s.devices.n; i++) status = ASK(DEVICE, [REEVE_K_CONTAINER_DEVICE_NAME] = name, [REEVE_K_CONTAINER_DEVICE_PATH] = s.devices.items[i]);
  return status;
}
