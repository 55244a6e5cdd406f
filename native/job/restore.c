/* restore-send, restore-receive: a snapshot, or a part of one, goes back. Only the receiving side may set owners, and it sees only the folder that it fills. */
#include "side.h"
#include "made.h"
#include "store.h"
#include <linux/capability.h>
#include <sys/syscall.h>

/* A folder is sent as what is in it, anything else as itself. */
static bool see_snapshot(struct view *v, int store, const char *snapshot, const char *path, char why[300]) {
  char below[PATH_ROOM + 64], at[PATH_ROOM];
  struct stat st;
  snprintf(below, sizeof below, "snapshots/%s%s%s", snapshot, *path ? "/" : "", path);
  AUTO_FD fd = open_in(store, below, O_PATH);
  if (fd < 0 || fstat(fd, &st)) {
    snprintf(why, 300, "there is no \"%.150s\" in snapshot %s", path, snapshot);
    return false;
  }
  const char *slash = strrchr(path, '/');
  snprintf(at, sizeof at, "/src%s%s", S_ISDIR(st.st_mode) ? "" : "/", S_ISDIR(st.st_mode) ? "" : slash ? slash + 1 : path);
  return view_bind(v, fd, at, false, why) && view_build(v, why);
}

int work_restore_send(const struct fields *t) {
  static struct view v;
  char why[300] = "";
  struct outcome o;
  const char *snapshot = field(t, "snapshot"), *path = field(t, "path");
  if (!snapshot || !backup_snapshot(snapshot)) return job_failed("the ticket names no snapshot");
  if (!side_has_rsync(why) || !view_begin(&v, why)) return job_failed("%s", why);
  AUTO_FD store = store_open(t, why);
  if (store < 0) return job_failed("folder \"%.200s\": %s", field(t, "folder") ? field(t, "folder") : "", why);
  if (!see_snapshot(&v, store, snapshot, path ? path : "", why)) return job_failed("%s", why);
  uint64_t kib = 0;
  char limit[40];
  (void)field_number(t, "bandwidth", UINT32_MAX, &kib);
  snprintf(limit, sizeof limit, "--bwlimit=%llu", (unsigned long long)kib);
  const char *const argv[] = {RSYNC, "--server", "--sender", SENDER_FLAGS, "--numeric-ids", "--fake-super", QUIET, limit, ".", "/src/", NULL};
  const struct side s = {.view = &v, .argv = argv, .uid = job.store_uid, .gid = job.store_gid};
  if (!side_ready()) return 1;
  if (!rsync_run(&s, &o)) return job_failed("rsync could not be started");
  return side_result(&o, false, NULL);
}

/* Where it is restored to: the folder above, its name, and how it is now. */
struct target { int above; char name[256], fresh[300], old[300]; enum store_kind kind; };

static bool is_empty(int dir) {
  int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *all = copy < 0 ? NULL : fdopendir(copy);
  bool empty = all != NULL;
  for (struct dirent *e; all && (e = readdir(all));) if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) empty = false;
  if (all) closedir(all);
  return empty;
}

bool target_look(const char *path, int *above, char name[256], enum store_kind *kind, char why[300]) {
  char up[PATH_ROOM];
  const char *slash = path ? strrchr(path, '/') : NULL;
  if (!slash || !slash[1] || strlen(slash + 1) > 200 || strlen(path) >= sizeof up) {
    snprintf(why, 300, "its path cannot be used");
    return false;
  }
  strcpy(name, slash + 1);
  snprintf(up, sizeof up, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  *above = open_plain(up, O_RDONLY | O_DIRECTORY);
  if (*above < 0) {
    snprintf(why, 300, "the folder above it %s", errno == ENOENT ? "does not exist" : errno == ELOOP ? "is reached by a symbolic link" : "cannot be opened");
    return false;
  }
  AUTO_FD dir = open_in(*above, name, O_RDONLY | O_DIRECTORY);
  if (dir < 0 && errno != ENOENT) {
    snprintf(why, 300, "it is no folder");
    return false;
  }
  *kind = dir < 0 ? STORE_MISSING : is_empty(dir) ? STORE_EMPTY : STORE_FOREIGN;
  return true;
}

/* In one step, or two where the old one stays beside it. */
static bool put_in_place(const struct target *g) {
  if (g->kind == STORE_FOREIGN && syscall(SYS_renameat2, g->above, g->name, g->above, g->old, 1u /* RENAME_NOREPLACE */)) return false;
  if (g->kind == STORE_EMPTY && unlinkat(g->above, g->name, AT_REMOVEDIR)) return false;
  return !syscall(SYS_renameat2, g->above, g->fresh, g->above, g->name, 1u) && !fsync(g->above);
}

static int receive(const struct fields *t, struct view *v, const struct target *g, int dir, char why[300]) {
  bool setuid = field_flag(t, "setuid"), device = field_flag(t, "device");
  const char *argv[ARGS_MAX] = {RSYNC, "-aHAXS", "--numeric-ids", QUIET, "--info=progress2,stats2,name0,flist0", "--no-h", "--outbuf=L", "-e", "/job/" PIPE_NAME};
  size_t n = 9;
  uint64_t seconds = 0;
  struct outcome o;
  (void)field_number(t, "seconds", 1u << 30, &seconds);
  if (!setuid) argv[n++] = "--chmod=u-s,g-s";
  argv[n++] = "x:/src/";
  argv[n++] = "/dst/";
  if (!view_bind(v, dir, "/dst", true, why) || !view_build(v, why)) return job_failed("%s", why);
  uint64_t caps = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_SETFCAP | (setuid ? 1ull << CAP_FSETID : 0) | (device ? 1ull << CAP_MKNOD : 0);
  const struct side s = {.view = v, .argv = argv, .uid = 0, .gid = 0, .caps = caps, .write = "/dst", .devices = device, .client = true, .seconds = seconds};
  if (!side_ready()) return 1;
  if (!rsync_run(&s, &o)) return job_failed("rsync could not be started");
  /* Both sides have to speak of devices alike, so that they come, and cannot be made without the right to: that alone is no failure. */
  if (o.exit == 23 && o.problems == 0 && o.skipped > 0) o.exit = 0;
  bool came = (o.exit == 0 || o.exit == 23 || o.exit == 24) && !o.gone && !o.late;
  bool noted = !field_flag(t, "proof") || made_note(field(t, "operation"), field(t, "folder"), dir);
  if (came && noted && !syncfs(dir) && put_in_place(g)) return side_result(&o, true, NULL);
  snprintf(why, 300, "%s; what has come is in \"%s\" beside it", came ? "it could not be put in its place" : o.late ? "it took longer than it may" : rsync_exit(o.exit), g->fresh);
  return side_result(&o, false, why);
}

int work_restore_receive(const struct fields *t) {
  static struct view v;
  char why[300] = "";
  struct target g = {.above = -1};
  const char *path = field(t, "folder"), *operation = field(t, "operation");
  if (!operation || !backup_id(operation)) return job_failed("the ticket has no operation");
  if (!side_has_rsync(why) || !view_begin(&v, why)) return job_failed("%s", why);
  if (!target_look(path, &g.above, g.name, &g.kind, why)) return job_failed("folder \"%.200s\": %s", path ? path : "", why);
  if (g.kind == STORE_FOREIGN && !field_flag(t, "beside")) return job_failed("folder \"%.200s\" is not empty", path);
  snprintf(g.fresh, sizeof g.fresh, "%s.reeve-restore-%.8s%.4s", g.name, operation, operation + 9);
  snprintf(g.old, sizeof g.old, "%s.before-%.8s%.4s", g.name, operation, operation + 9);
  if (mkdirat(g.above, g.fresh, 0700)) return job_failed("folder \"%.200s\": nothing can be made beside it (%s)", path, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  AUTO_FD dir = open_in(g.above, g.fresh, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return job_failed("folder \"%.200s\": what was made beside it cannot be opened", path);
  return receive(t, &v, &g, dir, why);
}
