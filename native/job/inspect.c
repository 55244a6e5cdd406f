/* inspect: could this folder be backed up, keep snapshots, or be restored to? Changes nothing. */
#include "side.h"
#include "store.h"
#include <sys/statvfs.h>

static const char *const states[] = {[STORE_BROKEN] = "", [STORE_MISSING] = "missing", [STORE_EMPTY] = "empty", [STORE_OURS] = "ours", [STORE_FOREIGN] = "full", [STORE_OTHERS] = ""};

static int tell(const char *state, int dir) {
  struct statvfs room;
  struct buf b;
  char version[32] = "";
  (void)rsync_version(version);
  buf_init(&b, 1024);
  say(&b, "state", state);
  say(&b, "rsync", version);
  if (dir >= 0 && !fstatvfs(dir, &room)) say_number(&b, "available", (uint64_t)room.f_bavail * room.f_frsize);
  int code = job_done(&b);
  buf_free(&b);
  return code;
}

static int inspect_send(const struct fields *t) {
  for (const char *f = field(t, "folder"); f; f = field_after(t, "folder", f)) {
    AUTO_FD fd = open_plain(f, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return job_failed("folder \"%.200s\" %s", f, errno == ENOENT ? "does not exist" : errno == ELOOP ? "is reached by a symbolic link" : errno == ENOTDIR ? "is no folder" : "cannot be opened");
  }
  return tell("", -1);
}

static int inspect_receive(const struct fields *t) {
  char why[300] = "", name[256];
  int dir;
  enum store_kind kind = store_look(t, &dir, why);
  AUTO_FD open_dir = dir;
  if (kind == STORE_BROKEN || kind == STORE_FOREIGN || kind == STORE_OTHERS) return job_failed("folder \"%.200s\": %s", field(t, "folder") ? field(t, "folder") : "", why);
  AUTO_FD above = store_above(field(t, "folder"), name, why);
  if (above < 0) return job_failed("folder \"%.200s\": %s", field(t, "folder"), why);
  return tell(states[kind], dir >= 0 ? dir : above);
}

static int inspect_restore(const struct fields *t) {
  char why[300] = "", name[256];
  int above = -1;
  enum store_kind kind;
  if (!target_look(field(t, "folder"), &above, name, &kind, why)) return job_failed("folder \"%.200s\": %s", field(t, "folder") ? field(t, "folder") : "", why);
  int code = tell(states[kind], above);
  close(above);
  return code;
}

int work_inspect(const struct fields *t) {
  char why[300] = "";
  const char *role = field(t, "role");
  if (!role || !side_has_rsync(why)) return job_failed("%s", *why ? why : "the ticket has no role");
  if (!strcmp(role, "send")) return inspect_send(t);
  return strcmp(role, "receive") ? inspect_restore(t) : inspect_receive(t);
}
