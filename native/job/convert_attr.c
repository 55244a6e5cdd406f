/* Attributes that only root can keep, as rsync's --fake-super writes them into those that everybody can: access lists, capabilities. */
#include "convert_attr.h"
#include <endian.h>
#include <sys/xattr.h>

#define VALUE_MOST 65536u
#define NAMES_MOST 65536u
#define TIME_ATTR "user.reeve.time"
#define NO_ENTRY 0x80u                   /* rsync's: it is as the mode says */
#define IS_USER (1u << 31)

/* posix_acl_xattr.h */
enum { ACL_VERSION = 2, USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

static void put32(struct buf *b, uint32_t v) {
  uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
  buf_put(b, p, sizeof p);
}

/* Owner, group, mask, others; then number and rights of each that has a name. Of an access list the mode has the rights of owner and others. */
static bool acl_text(const uint8_t *p, size_t n, bool access, struct buf *out) {
  uint32_t owner = NO_ENTRY, group = NO_ENTRY, mask = NO_ENTRY, other = NO_ENTRY;
  struct buf named;
  if (n < 4 || (n - 4) % 8 || get32(p) != ACL_VERSION) return false;
  buf_init(&named, VALUE_MOST);
  for (const uint8_t *at = p + 4; at < p + n; at += 8) {
    uint32_t tag = at[0] | (uint32_t)at[1] << 8, rights = at[2] & 7u;
    if (tag == USER_OBJ && !access) owner = rights;
    if (tag == GROUP_OBJ) group = rights;
    if (tag == MASK) mask = rights;
    if (tag == OTHER && !access) other = rights;
    if (tag != USER && tag != GROUP) continue;
    put32(&named, get32(at + 4));
    put32(&named, rights | (tag == USER ? IS_USER : 0));
  }
  put32(out, owner);
  put32(out, group);
  put32(out, mask);
  put32(out, other);
  buf_put(out, named.p, named.n);
  bool ok = !named.full && !out->full;
  buf_free(&named);
  return ok;
}

static bool move_acl(int fd, const char *from, const char *to, bool access) {
  static uint8_t value[VALUE_MOST];
  struct buf out;
  ssize_t n = fgetxattr(fd, from, value, sizeof value);
  if (n < 0) return errno == ENODATA || errno == EOPNOTSUPP;
  buf_init(&out, VALUE_MOST);
  bool ok = acl_text(value, (size_t)n, access, &out) && !fsetxattr(fd, to, out.p, out.n, 0);
  buf_free(&out);
  return ok && !fremovexattr(fd, from);
}

/* Changing the owner takes a capability away, so it is kept before; what root alone sees is nobody's then. */
static bool keep_hidden(int fd) {
  static char names[NAMES_MOST];
  static uint8_t value[VALUE_MOST];
  char to[300];
  ssize_t all = flistxattr(fd, names, sizeof names);
  if (all < 0) return errno == EOPNOTSUPP;
  for (const char *name = names; name < names + all; name += strlen(name) + 1) {
    bool hidden = !strncmp(name, "trusted.", 8) || (!strncmp(name, "security.", 9) && strcmp(name, "security.selinux"));
    if (!hidden) continue;
    ssize_t n = fgetxattr(fd, name, value, sizeof value);
    snprintf(to, sizeof to, "user.rsync.%s", name);
    if (n < 0 || fsetxattr(fd, to, value, (size_t)n, 0)) return false;
    if (*name == 't' && fremovexattr(fd, name)) return false;
  }
  return true;
}

bool attributes_keep(int fd) {
  return keep_hidden(fd) && move_acl(fd, "system.posix_acl_access", "user.rsync.%aacl", true) && move_acl(fd, "system.posix_acl_default", "user.rsync.%dacl", false);
}

bool attribute_stat(int fd, const struct entry *e) {
  char text[80];
  int n = snprintf(text, sizeof text, "%o %u,%u %u:%u", e->mode, e->major, e->minor, e->uid, e->gid);
  return !fsetxattr(fd, STAT_ATTR, text, (size_t)n, 0);
}

/* The first one stays: after a crash, the folder has the time of the last exchange. */
bool time_keep(int folder) {
  struct stat st;
  if (fstat(folder, &st)) return false;
  int64_t at[2] = {st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
  return !fsetxattr(folder, TIME_ATTR, at, sizeof at, XATTR_CREATE) || errno == EEXIST;
}

bool time_give_back(int folder) {
  int64_t at[2];
  ssize_t n = fgetxattr(folder, TIME_ATTR, at, sizeof at);
  if (n < 0) return errno == ENODATA || errno == EOPNOTSUPP;
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = n == sizeof at ? at[0] : 0, .tv_nsec = n == sizeof at ? at[1] : UTIME_OMIT}};
  return !futimens(folder, times) && !fremovexattr(folder, TIME_ATTR);
}
