/* send: rsync's sending side of a backup. It sees the folders of the job, read-only, and reads them with one capability and nobody's account. */
#include "side.h"
#include <linux/capability.h>

#define FILTER_MAX (256u << 10)
#define OWN_ROOT "/var/lib/reeve-privd/job/root/*"

static bool below(const char *path, const char *folder) {
  size_t n = strlen(folder);
  return !strcmp(folder, "/") || (!strncmp(path, folder, n) && (path[n] == '/' || path[n] == 0));
}

/* One rule a line; a pattern that begins with "/" is meant below each folder. Nothing that could be another rule comes this far (native/reeve-privd/backup_check.c). */
static void filter_text(struct buf *b, const struct fields *t) {
  static const char *const kernel[] = {"/proc/*", "/sys/*", "/dev/*", "/run/*", NULL};
  for (const char *x = field(t, "exclude"); x; x = field_after(t, "exclude", x)) {
    if (*x != '/') buf_say(b, "- %s\n", x);
    else for (const char *f = field(t, "folder"); f; f = field_after(t, "folder", f)) buf_say(b, "- %s%s\n", strcmp(f, "/") ? f : "", x);
  }
  if (!field_flag(t, "system")) for (const char *const *k = kernel; *k; k++) buf_say(b, "- %s\n", *k);
  buf_say(b, "- %s\n", OWN_ROOT);
}

static bool bind_folder(struct view *v, const char *folder, char why[300]) {
  char at[PATH_ROOM + 8];
  AUTO_FD fd = open_plain(folder, O_RDONLY | O_DIRECTORY);
  if (fd < 0) {
    snprintf(why, 300, "folder \"%.200s\" %s", folder, errno == ENOENT ? "does not exist" : errno == ELOOP ? "is reached by a symbolic link" : errno == ENOTDIR ? "is no folder" : "cannot be opened");
    return false;
  }
  snprintf(at, sizeof at, "/src%s", strcmp(folder, "/") ? folder : "");
  return view_bind(v, fd, at, false, why);
}

/* The dumps of the job, unless they are in one of its folders. */
static bool bind_dumps(struct view *v, const struct fields *t, char why[300]) {
  char folder[128];
  const char *id = field(t, "job");
  if (!id || !backup_id(id)) return false;
  snprintf(folder, sizeof folder, DUMP_DIR "/%s", id);
  for (const char *f = field(t, "folder"); f; f = field_after(t, "folder", f)) if (below(folder, f)) return true;
  AUTO_FD fd = open_plain(folder, O_RDONLY | O_DIRECTORY);
  return fd < 0 || bind_folder(v, folder, why);
}

static bool see(struct view *v, const struct fields *t, char why[300]) {
  struct buf filter;
  if (!view_begin(v, why)) return false;
  for (const char *f = field(t, "folder"); f; f = field_after(t, "folder", f)) if (!bind_folder(v, f, why)) return false;
  if (!bind_dumps(v, t, why) || !view_build(v, why)) return false;
  buf_init(&filter, FILTER_MAX);
  filter_text(&filter, t);
  /* A job that only has dumps, and no dump yet, sends an empty folder. */
  char src[400];
  snprintf(src, sizeof src, "%s/src", v->root);
  bool ok = !filter.full && (!mkdir(src, 0755) || errno == EEXIST) && view_file(v, "/filter", (const char *)filter.p, filter.n);
  buf_free(&filter);
  if (!ok) snprintf(why, 300, "the patterns cannot be written");
  return ok;
}

int work_send(const struct fields *t) {
  static struct view v;
  char why[300] = "", limit[40];
  struct outcome o;
  uint64_t kib = 0;
  (void)field_number(t, "bandwidth", UINT32_MAX, &kib);
  if (!side_has_rsync(why) || !see(&v, t, why)) return job_failed("%s", why);
  snprintf(limit, sizeof limit, "--bwlimit=%llu", (unsigned long long)kib);
  const char *const argv[] = {RSYNC, "--server", "--sender", SENDER_FLAGS, "--numeric-ids", QUIET, limit, "--filter=. /filter", ".", "/src/", NULL};
  const struct side s = {.view = &v, .argv = argv, .uid = job.store_uid, .gid = job.store_gid, .caps = 1ull << CAP_DAC_READ_SEARCH};
  if (!side_ready()) return 1;
  if (!rsync_run(&s, &o)) return job_failed("rsync could not be started");
  return side_result(&o, false, NULL);
}
