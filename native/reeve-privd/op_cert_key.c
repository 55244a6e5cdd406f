/* cert.key: keeps a private key for a certificate to come. */
#include "cert.h"

#define F(c, field) (&(c)->f[REEVE_F_CERT_KEY_##field])

uint16_t check_cert_key(struct call *c) {
  if (F(c, SPKI)->n != 32) return cert_bad(c, "spki", "", "32 bytes are wanted");
  if (!cert_private_key(F(c, KEY)->text, F(c, KEY)->n)) return cert_bad(c, "key", "", "one block of PEM of a private key without a passphrase, at most 16 KiB, is wanted");
  return REEVE_OK;
}

uint16_t op_cert_key(struct call *c) {
  cert_kept_forget(false);
  uint16_t status = cert_keep(c, (const uint8_t *)F(c, SPKI)->text, F(c, KEY)->text, F(c, KEY)->n);
  explicit_bzero(F(c, KEY)->text, F(c, KEY)->n);
  return status;
}
