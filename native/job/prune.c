/* Snapshots go: out of the list at once, and from the disk by and by. One that was on its way out when the machine stopped goes with the next. */
#include "tree.h"
#include <dirent.h>

#define PATH_OF_ONE (32 + SNAPSHOT_LEN)

static bool is_asked(const struct fields *t, const char *snapshot) {
  for (const char *name = NULL; (name = field_after(t, "name", name));) if (!strcmp(name, snapshot)) return true;
  return false;
}

/* Complete ones that would be left. False: they cannot be read. */
static bool count_left(const struct fields *t, int store, uint64_t *left) {
  struct dirent **names = NULL;
  int n = snapshot_names(store, &names);
  *left = 0;
  for (int i = 0; i < n; i++) {
    struct snapshot_info info;
    snapshot_info(store, names[i]->d_name, &info);
    if (info.complete && !is_asked(t, names[i]->d_name)) ++*left;
  }
  end_names(names, n);
  return n >= 0;
}

/* Empties what another one of this name has left in the trash. */
static bool clear(int trash, const char *name, struct pace *p) {
  AUTO_FD old = open_in(trash, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (old < 0) return errno == ENOENT;
  return remove_all(old, p) && !unlinkat(trash, name, AT_REMOVEDIR);
}

static bool take_out(int store, int trash, const char *name, struct pace *p) {
  char snapshot[PATH_OF_ONE], info[PATH_OF_ONE];
  AUTO_FD snapshots = open_in(store, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD infos = open_in(store, "info", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (snapshots < 0 || infos < 0) return false;
  /* A folder whose owner may not write in it cannot be moved. */
  AUTO_FD one = openat(snapshots, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (one >= 0) (void)fchmod(one, 0700);
  if (!clear(trash, name, p)) return false;
  if (renameat(snapshots, name, trash, name) && errno != ENOENT) return false;
  if (fsync(snapshots) || fsync(trash)) return false;
  return (!unlinkat(infos, name, 0) || errno == ENOENT) && !fsync(infos);
}

static int prune(const struct fields *t, void *data) {
  (void)data;
  uint64_t keep, left, count = 0;
  struct pace pace;
  struct buf more;
  AUTO_FD store = open_plain("/", O_RDONLY | O_DIRECTORY);
  if (!field_number(t, "keep", UINT32_MAX, &keep)) return job_failed("the ticket does not say how many snapshots have to be left");
  for (const char *name = NULL; (name = field_after(t, "name", name));) if (!backup_snapshot(name)) return job_failed("a name is no name of a snapshot");
  if (store < 0 || !count_left(t, store, &left)) return job_failed("the snapshots cannot be read (%s)", error_word());
  if (left < keep) return job_failed("only %llu complete snapshots would be left, and %llu have to be: nothing was removed", (unsigned long long)left, (unsigned long long)keep);
  if (mkdirat(store, "trash", 0700) && errno != EEXIST) return job_failed("the trash cannot be made (%s)", error_word());
  AUTO_FD trash = open_in(store, "trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (trash < 0) return job_failed("the trash cannot be opened (%s)", error_word());
  pace_begin(&pace);
  for (const char *name = NULL; (name = field_after(t, "name", name)); count++) {
    if (!take_out(store, trash, name, &pace)) return errno == EPIPE ? 1 : job_failed("the snapshot \"%s\" cannot be removed (%s)", name, error_word());
  }
  if (!remove_all(trash, &pace)) return errno == EPIPE ? 1 : job_failed("the snapshots are gone from the list, but not all of their files could be removed (%s)", error_word());
  buf_init(&more, PAYLOAD_MAX);
  say_number(&more, "count", count);
  say_number(&more, "files", pace.files);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

int work_prune(const struct fields *t) {
  char why[300];
  AUTO_FD store = store_open(t, why);
  if (store < 0) return job_failed("%s", why);
  if (!store_lock(store)) return job_failed("another piece of work writes in the folder");
  int code = store_work(store, prune, t, NULL);
  return code < 0 ? job_failed("the work in the folder did not come to its end") : code;
}
