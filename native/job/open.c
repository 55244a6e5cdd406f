/* Opening without following a link. Shared with native/container. */
#include "job.h"

int open_in(int dir, const char *path, int flags) { return open_beneath(dir, path, flags, 0); }

int open_plain(const char *path, int flags) {
  AUTO_FD top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (top < 0 || *path != '/') return -1;
  return open_in(top, path[1] ? path + 1 : ".", flags);
}
