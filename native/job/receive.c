/*
 * receive: rsync's receiving side of a backup. It sees the snapshots of the job and nothing else, as reeve-backup, and what has come becomes a snapshot by one rename.
 * For each file rsync opens every folder of the path that it links from, one by one: so snapshots are the first thing in its root, and what it receives is beside them.
 */
#include "side.h"
#include "store.h"
#include "tree.h"
#include <sys/syscall.h>

#define BASES_MAX 18
#define PARTIAL ".partial"
#define LEFT ".left"

/* What a run that ended early has left is only linked from, never written to: its files may be those of a snapshot. */
static int begin(const struct fields *t, void *data) {
  (void)t;
  char name[64];
  const char *snapshot = data;
  int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  snprintf(name, sizeof name, "snapshots/%s", snapshot);
  if (!faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW)) return 2;
  if (!faccessat(dir, "snapshots/" PARTIAL, F_OK, AT_SYMLINK_NOFOLLOW)) {
    snprintf(name, sizeof name, "trash/left-%s", snapshot);
    if (renameat(dir, "snapshots/" LEFT, dir, name) && errno != ENOENT) return 1;
    if (renameat(dir, "snapshots/" PARTIAL, dir, "snapshots/" LEFT)) return 1;
  }
  return mkdirat(dir, "snapshots/" PARTIAL, 0700) ? 1 : 0;
}

/* Everything of it is on the disk before it gets its name. */
static int publish(const struct fields *t, void *data) {
  const struct outcome *o = data;
  const char *snapshot = field(t, "snapshot");
  char text[256], name[64];
  int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD info = openat(dir, "info", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD snapshots = openat(dir, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  snprintf(text, sizeof text, "complete=%d\nfiles=%llu\nbytes=%llu\nsent-bytes=%llu\n", o->exit != 23, (unsigned long long)o->files, (unsigned long long)o->bytes, (unsigned long long)o->sent_bytes);
  if (info < 0 || snapshots < 0 || syncfs(dir) || !store_put(info, snapshot, text) || renameat(snapshots, PARTIAL, snapshots, snapshot) || fsync(snapshots)) return 1;
  /* What an earlier run left was of use to this one, and to no other. */
  snprintf(name, sizeof name, "trash/left-%s", snapshot);
  if (renameat(snapshots, LEFT, dir, name)) return 0;
  AUTO_FD trash = openat(dir, "trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct pace pace;
  pace_begin(&pace);
  (void)(trash >= 0 && remove_all(trash, &pace));
  return 0;
}

static bool has(int store, const char *below) {
  AUTO_FD fd = open_in(store, below, O_PATH | O_DIRECTORY);
  return fd >= 0;
}

/* Snapshots that are there, newest first, then what an earlier run left. */
static size_t bases(const struct fields *t, int store, const char **argv, size_t at) {
  static char texts[BASES_MAX][64];
  size_t n = 0;
  char name[64];
  for (const char *b = field(t, "basis"); b && n < BASES_MAX - 1; b = field_after(t, "basis", b)) {
    if (!backup_snapshot(b)) continue;
    snprintf(name, sizeof name, "snapshots/%s", b);
    if (!has(store, name)) continue;
    snprintf(texts[n], sizeof texts[n], "--link-dest=/dst/%s", b);
    argv[at++] = texts[n++];
  }
  if (has(store, "snapshots/" LEFT)) argv[at++] = "--link-dest=/dst/" LEFT;
  return at;
}

static int run(const struct fields *t, struct view *v, int store, char why[300]) {
  const char *argv[ARGS_MAX] = {RSYNC, "-aHAXS", "--numeric-ids", "--fake-super", "--delete", QUIET, "--info=progress2,stats2,name0,flist0", "--no-h", "--outbuf=L", "-e", "/job/" PIPE_NAME};
  struct outcome o;
  uint64_t seconds = 0;
  (void)field_number(t, "seconds", 1u << 30, &seconds);
  size_t n = bases(t, store, argv, 11);
  argv[n++] = "x:/src/";
  argv[n++] = "/dst/" PARTIAL "/";
  argv[n] = NULL;
  AUTO_FD snapshots = open_in(store, "snapshots", O_RDONLY | O_DIRECTORY);
  if (snapshots < 0) return job_failed("the snapshots of the job cannot be opened");
  if (!view_bind(v, snapshots, "/dst", true, why) || !view_build(v, why)) return job_failed("%s", why);
  const struct side s = {.view = v, .argv = argv, .uid = job.store_uid, .gid = job.store_gid, .write = "/dst", .client = true, .seconds = seconds};
  if (!side_ready()) return 1;
  if (!rsync_run(&s, &o)) return job_failed("rsync could not be started");
  bool came = (o.exit == 0 || o.exit == 23 || o.exit == 24) && !o.gone && !o.late;
  if (came && store_work(store, publish, t, &o)) return side_result(&o, false, "the snapshot could not be put in its place");
  return side_result(&o, came, NULL);
}

int work_receive(const struct fields *t) {
  static struct view v;
  char why[300] = "", snapshot[SNAPSHOT_LEN + 1];
  const char *name = field(t, "snapshot");
  if (!name || !backup_snapshot(name)) return job_failed("the ticket names no snapshot");
  strcpy(snapshot, name);
  if (!side_has_rsync(why) || !view_begin(&v, why)) return job_failed("%s", why);
  AUTO_FD store = store_make(t, why);
  if (store < 0) return job_failed("folder \"%.200s\": %s", field(t, "folder") ? field(t, "folder") : "", why);
  if (!store_lock(store)) return job_failed("another run writes into the folder of the job");
  switch (store_work(store, begin, t, snapshot)) {
    case 0: return run(t, &v, store, why);
    case 2: return job_failed("there is a snapshot %s already", snapshot);
    default: return job_failed("nothing can be written into the folder of the job: perhaps the file system is full");
  }
}
