/* remove: all of a container goes, the record last, so that what was interrupted can be done again. */
#include "container.h"

static bool missing_is_fine(int result) { return !result || errno == ENOENT; }

/* Files of units; also those of ports that it had before a change. */
static bool drop_units(const struct record *r) {
  char prefix[CONTAINER_UNIT_ROOM];
  bool ok = true;
  AUTO_FD units = open_plain(UNITS, O_RDONLY | O_DIRECTORY);
  DIR *all = units < 0 ? NULL : fdopendir(dup(units));
  if (!all) return units < 0 && errno == ENOENT;
  /* "." is in no name: nothing of another container begins so. */
  snprintf(prefix, sizeof prefix, "reeve-container-%s.", r->name);
  for (const struct dirent *e; (e = readdir(all));) {
    if (!strncmp(e->d_name, prefix, strlen(prefix)) && strcmp(e->d_name + strlen(e->d_name) - 2, ".d")) ok = missing_is_fine(unlinkat(units, e->d_name, 0)) && ok;
  }
  closedir(all);
  static const char *const wants[] = {"multi-user.target.wants", "sockets.target.wants", "timers.target.wants", NULL};
  for (const char *const *w = wants; *w; w++) {
    AUTO_FD dir = openat(units, *w, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *links = dir < 0 ? NULL : fdopendir(dup(dir));
    for (const struct dirent *e; links && (e = readdir(links));) if (!strncmp(e->d_name, prefix, strlen(prefix))) ok = missing_is_fine(unlinkat(dir, e->d_name, 0)) && ok;
    if (links) closedir(links);
  }
  return ok;
}

static bool reload(void) {
  static const char *const argv[] = {SYSTEMCTL, "daemon-reload", NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  return tool_run(&t);
}

/* What is made of other files, not by this container: its folder goes, the ones above stay. */
static bool drop_volume(const char *path, struct pace *p) {
  char above[1100];
  const char *slash = strrchr(path, '/');
  snprintf(above, sizeof above, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  struct stat st;
  AUTO_FD dir = open_plain(above, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return errno == ENOENT;
  /* A socket that it was given is another program's. */
  if (!fstatat(dir, slash + 1, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode)) return true;
  return remove_tree(dir, slash + 1, p);
}

static bool drop_lxc(const struct record *r, struct pace *p) {
  AUTO_FD all = open_plain(places.lxc, O_RDONLY | O_DIRECTORY);
  return all < 0 ? errno == ENOENT : remove_tree(all, r->name, p);
}

static bool drop_below(const char *folder, const char *name, struct pace *p) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", job.state, folder);
  AUTO_FD all = open_plain(path, O_RDONLY | O_DIRECTORY);
  return all < 0 ? errno == ENOENT : remove_tree(all, name, p) && !fsync(all);
}

static int drop(const struct record *r, bool volumes) {
  char why[WHY] = "";
  struct pace pace;
  pace_begin(&pace);
  bool pct = r->there && r->spec.engine == SPEC_PCT;
  if (r->there && (!pct || r->spec.idle) && !container_down(r, why)) return agent_gone() ? 1 : job_failed("%s", why);
  int code = pct ? pct_remove(r) : 0;
  FAILPOINT("container.remove.ended");
  if (code) return code;
  if (!drop_units(r) || (r->there && (!pct || r->spec.idle) && !reload())) return job_failed("its units cannot be removed (%s)", error_word());
  FAILPOINT("container.remove.units");
  if (r->there && r->spec.engine == SPEC_LXC && !drop_lxc(r, &pace)) return agent_gone() ? 1 : job_failed("its root file system cannot be removed (%s)", error_word());
  if (!drop_below("snapshot", r->name, &pace)) return agent_gone() ? 1 : job_failed("its snapshots cannot be removed (%s)", error_word());
  for (size_t i = 0; volumes && i < r->spec.volumes.n; i++) {
    if (!drop_volume(r->spec.volumes.items[i].folder, &pace)) return agent_gone() ? 1 : job_failed("volume %s cannot be removed (%s)", r->spec.volumes.items[i].folder, error_word());
  }
  FAILPOINT("container.remove.files");
  if (!drop_below("container", r->name, &pace)) return agent_gone() ? 1 : job_failed("its record cannot be removed (%s)", error_word());
  return job_done(NULL);
}

int container_remove(const struct fields *t) {
  struct record r;
  if (!record_hold(t, &r)) return 1;
  /* One that is not there is gone already. */
  int code = r.dir < 0 ? job_done(NULL) : drop(&r, field_flag(t, "volumes"));
  record_close(&r);
  return code;
}
