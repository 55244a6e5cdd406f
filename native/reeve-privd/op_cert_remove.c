/* cert.remove: a certificate that no site uses goes; its key is kept for a day. */
#include "cert.h"

#define F(c, field) (&(c)->f[REEVE_F_CERT_REMOVE_##field])

uint16_t check_cert_remove(struct call *c) {
  const char *name = F(c, CERT)->text;
  if (!cert_name(name)) return cert_bad(c, "cert", name, "1 to 64 of a-z, 0-9, ., _ and -, beginning with a letter or digit, are wanted");
  c->args[REEVE_K_CERT_WRITE_NAME] = name;
  return REEVE_OK;
}

static uint16_t keep_key(struct call *c, int dir, const struct cert_place *p) {
  size_t n = 0;
  char *key = cert_key_read(dir, p, &n);
  if (!key) return REEVE_OK;
  uint16_t status = cert_keep(c, p->record.spki, key, n);
  explicit_bzero(key, n);
  free(key);
  return status;
}

uint16_t op_cert_remove(struct call *c) {
  const char *name = F(c, CERT)->text;
  char site[256];
  AUTO_FD dir = -1;
  AUTO_PLACE place = {0};
  cert_kept_forget(false);
  uint16_t status = cert_folder(c, false, &dir);
  if (!status) status = cert_place_read(c, dir, name, &place);
  if (status || !place.marked) return status;
  status = cert_in_the_way(c, name, &place);
  if (!status) status = cert_site(c, name, site, sizeof site);
  if (!status && *site) status = fail(c, REEVE_E_CERT_IN_USE, "value", name, "owner", site, NULL);
  if (!status) status = keep_key(c, dir, &place);
  if (!status) status = cert_unlink(c, dir, name);
  if (status) return status;
  if (dir >= 0) cert_sweep(dir, name, NULL);
  return cert_unmark(c, name);
}
