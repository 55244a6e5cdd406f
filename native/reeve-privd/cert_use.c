/* Who uses a certificate: sites of the set in place, and the units that its caller names. */
#include "cert.h"
#include "vhost.h"

/* The first site of the set in place that has the certificate; empty: none. */
uint16_t cert_site(struct call *c, const char *name, char *site, size_t room) {
  char path[sizeof CERT_FOLDER + CERT_NAME_MAX + 2];
  struct dirent **entries = NULL;
  site[0] = 0;
  snprintf(path, sizeof path, CERT_FOLDER "/%s/", name);
  AUTO_FD dir = open(VHOST_CURRENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return errno == ENOENT || errno == ENOTDIR ? REEVE_OK : io_failed(c, "the sites cannot be read");
  int n = scandirat(dir, ".", &entries, NULL, alphasort);
  bool ok = n >= 0;
  for (int i = 0; ok && !site[0] && i < n; i++) {
    const char *entry = entries[i]->d_name;
    size_t length = strlen(entry), size = 0;
    if (length <= 5 || strcmp(entry + length - 5, ".conf")) continue;
    AUTO_FD fd = open_beneath(dir, entry, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, VHOST_FILE_MAX, &size);
    ok = text != NULL;
    if (ok && memmem(text, size, path, strlen(path))) snprintf(site, room, "%s%.*s", entry[0] == '_' ? "*" : "", (int)(length - 5 - (entry[0] == '_')), entry + (entry[0] == '_'));
  }
  end_names(entries, n);
  return ok ? REEVE_OK : io_failed(c, "the sites cannot be read");
}
