/* observe.cert: the certificates that are ours, as they are. Of keys it tells only which there are. */
#include "cert.h"

#define TAG(field) REEVE_R_OBSERVE_CERT_##field

static int is_mark(const struct dirent *entry) { return cert_name(entry->d_name); }

static uint16_t put(struct call *c, int dir, const char *name) {
  static const char *const states[] = {[CERT_OK] = "ok", [CERT_EDITED] = "edited", [CERT_MISSING] = "missing"};
  struct buf *b = &c->reply;
  AUTO_PLACE p = {0};
  uint16_t status = cert_place_read(c, dir, name, &p);
  if (status) return status;
  size_t record = reply_begin(b, TAG(CERT));
  reply_string(b, TAG(CERT_NAME), name);
  reply_bytes(b, TAG(CERT_PEM), p.pem ? p.pem : "", p.pem ? p.npem : 0);
  reply_string(b, TAG(CERT_STATE), states[p.state]);
  reply_string(b, TAG(CERT_NOTE), p.record.note);
  reply_string(b, TAG(CERT_GROUP), p.record.group);
  reply_string(b, TAG(CERT_UNITS), p.record.units);
  reply_bytes(b, TAG(CERT_SHA256), p.record.cert, p.known ? sizeof p.record.cert : 0);
  reply_bytes(b, TAG(CERT_SPKI), p.record.spki, p.key_whole ? sizeof p.record.spki : 0);
  reply_bool(b, TAG(CERT_OWED), p.owed);
  reply_end(b, record);
  return REEVE_OK;
}

uint16_t op_observe_cert(struct call *c) {
  struct dirent **entries = NULL;
  struct buf kept;
  AUTO_FD dir = -1;
  AUTO_FD marks = state_folder("owned/cert");
  uint16_t status = cert_folder(c, false, &dir);
  if (status) return status;
  int n = marks < 0 ? -1 : scandirat(marks, ".", &entries, is_mark, alphasort);
  if (n < 0) status = io_failed(c, "the marker store cannot be read");
  for (int i = 0; !status && i < n; i++) status = put(c, dir, entries[i]->d_name);
  end_names(entries, n);
  buf_init(&kept, 1u << 20);
  cert_kept_list(&kept);
  reply_bytes(&c->reply, TAG(KEY), kept.p ? (const char *)kept.p : "", kept.n);
  buf_free(&kept);
  return status;
}
