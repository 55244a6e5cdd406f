/* Accounts of this machine. Shared with native/container. */
#include "program.h"
#include <pwd.h>

bool account_ids(const char *name, uid_t *uid, gid_t *gid) {
  FILE *file = fopen("/etc/passwd", "re");
  bool found = false;
  for (struct passwd *p; file && !found && (p = fgetpwent(file));) {
    if (strcmp(p->pw_name, name)) continue;
    *uid = p->pw_uid;
    *gid = p->pw_gid;
    found = true;
  }
  if (file) fclose(file);
  return found;
}
