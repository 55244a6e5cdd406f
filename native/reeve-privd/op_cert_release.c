/* cert.release: certificates and keys stay where they are, and are not ours any more. */
#include "cert.h"

static int is_mark(const struct dirent *entry) { return cert_name(entry->d_name); }

static uint16_t leave(struct call *c, int dir, const char *name) {
  AUTO_PLACE place = {0};
  uint16_t status = cert_place_read(c, dir, name, &place);
  if (status) return status;
  if (dir >= 0 && place.link == CERT_OUR_LINK) {
    cert_sweep(dir, name, place.folder);
    if (!cert_leave(dir, place.folder)) return io_failed(c, "a certificate cannot be let go of");
  }
  FAILPOINT("cert.left");
  return cert_unmark(c, name);
}

uint16_t op_cert_release(struct call *c) {
  struct dirent **entries = NULL;
  AUTO_FD dir = -1;
  AUTO_FD marks = state_folder("owned/cert");
  uint16_t status = cert_folder(c, false, &dir);
  if (status) return status;
  int n = marks < 0 ? -1 : scandirat(marks, ".", &entries, is_mark, alphasort);
  if (n < 0) status = io_failed(c, "the marker store cannot be read");
  for (int i = 0; !status && i < n; i++) status = leave(c, dir, entries[i]->d_name);
  end_names(entries, n);
  if (!status) cert_kept_forget(true);
  return status;
}
