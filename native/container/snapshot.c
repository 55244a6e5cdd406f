/* Snapshots of containers of lxc: copies, in /var/lib/reeve-privd/snapshot/NAME/SNAPSHOT, made where nothing but the two folders is in sight. */
#include "container.h"
#include <linux/capability.h>
#include <sys/mount.h>
#include <time.h>

#define CP "/usr/bin/cp"
#define FRESH ".new"
#define INFO_MOST 4096u
#define CONFIG_MOST (1u << 20)

static int snapshots_of(const struct record *r, bool make) {
  char path[400];
  AUTO_FD state = open_plain(job.state, O_RDONLY | O_DIRECTORY);
  snprintf(path, sizeof path, "snapshot/%s", r->name);
  if (make && state >= 0 && ((mkdirat(state, "snapshot", 0700) && errno != EEXIST) || (mkdirat(state, path, 0700) && errno != EEXIST))) return -1;
  return state < 0 ? -1 : open_in(state, path, O_RDONLY | O_DIRECTORY);
}

static int copy(void *data) {
  static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
  static const char *const argv[] = {CP, "--archive", "--reflink=auto", "--no-target-directory", "--", "/from", "/to", NULL};
  (void)data;
  execve(CP, (char *const *)argv, env);
  return 127;
}

/* One tree of files into an empty folder, with owners, modes, links and attributes. */
static bool copy_tree(const struct record *r, int from, int to, char why[WHY]) {
  uint32_t base = record_base(r);
  struct buf said;
  struct inside i = {.base = base, .from = from, .to = to, .in = -1, .caps = file_caps | (base ? 0 : CAP_BIT(CAP_MKNOD)), .devices = base == 0, .work = copy};
  buf_init(&said, 65536);
  int code = inside_run(&i, &said, why);
  if (code > 0) {
    size_t n;
    char line[400];
    const char *last = last_line((const char *)said.p, said.n, &n);
    plain(line, sizeof line, last, n);
    snprintf(why, WHY, "its files cannot be copied: %s", line);
  }
  buf_free(&said);
  return code == 0;
}

static bool add_bytes(const struct place *at, void *data) {
  struct stat st;
  if (!fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW)) *(uint64_t *)data += (uint64_t)st.st_blocks * 512;
  return true;
}

static bool copy_file(int from, int to, const char *name) {
  size_t n;
  AUTO_FD fd = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, CONFIG_MOST, &n);
  return text && put_file(to, name, text, n, 0644);
}

static const char *name_of(const struct fields *t) {
  const char *name = field(t, "snapshot");
  return name && container_snapshot(name) ? name : NULL;
}

static int make_in(const struct record *r, int dir, int all, const char *name) {
  char why[WHY] = "", info[200], state[24];
  uint64_t bytes = 0;
  struct pace pace;
  struct timespec now;
  pace_begin(&pace);
  AUTO_FD root = openat(dir, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0 || !remove_tree(all, FRESH, &pace) || mkdirat(all, FRESH, 0700)) return job_failed("there is no root file system, or no place for its copy (%s)", error_word());
  AUTO_FD fresh = openat(all, FRESH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fresh < 0 || mkdirat(fresh, "rootfs", 0700)) return job_failed("a folder for the copy cannot be made (%s)", error_word());
  AUTO_FD to = openat(fresh, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  uint32_t base = record_base(r);
  lxc_state(r->name, state);
  if (to < 0 || fchown(to, base, base) || !copy_file(dir, fresh, "config")) snprintf(why, WHY, "the copy cannot be given to the container, or its config cannot be read (%s)", error_word());
  else if (copy_tree(r, root, to, why)) {
    (void)walk(to, add_bytes, &bytes);
    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(info, sizeof info, "created-ms=%lld\nbytes=%llu\nconsistent=%d\n", (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, (unsigned long long)bytes, strcmp(state, "stopped") == 0);
    FAILPOINT("container.snapshot.copied");
    if (put_file(fresh, "info", info, (size_t)n, 0600) && !syncfs(fresh) && !renameat2(all, FRESH, all, name, RENAME_NOREPLACE) && !fsync(all)) {
      struct buf more;
      buf_init(&more, 1024);
      say_number(&more, "bytes", bytes);
      say(&more, "consistent", strcmp(state, "stopped") ? "0" : "1");
      int code = job_done(&more);
      buf_free(&more);
      return code;
    }
    snprintf(why, WHY, "the copy cannot be put in its place (%s)", error_word());
  }
  (void)remove_tree(all, FRESH, &pace);
  return agent_gone() ? 1 : job_failed("%s", why);
}

int container_snapshot_make(const struct fields *t) {
  struct record r;
  struct stat st;
  const char *name = name_of(t);
  int code;
  if (!name) return job_failed("the ticket names no snapshot");
  if (!record_take(t, &r)) return 1;
  AUTO_FD dir = r.spec.engine == SPEC_LXC ? lxc_folder(&r) : -1;
  AUTO_FD all = r.spec.engine == SPEC_LXC ? snapshots_of(&r, true) : -1;
  if (r.spec.engine == SPEC_PCT) code = pct_snapshot(&r, "snapshot", name);
  else if (r.spec.engine != SPEC_LXC) code = job_failed("a container of podman has no snapshots: its files are those of its image and volumes");
  else if (dir < 0 || all < 0) code = job_failed("the folders of the container or of its snapshots cannot be opened (%s)", error_word());
  else if (!fstatat(all, name, &st, AT_SYMLINK_NOFOLLOW)) code = job_failed("there is a snapshot \"%s\" already", name);
  else code = make_in(&r, dir, all, name);
  record_close(&r);
  return code;
}

/* The old root file system or the one of the snapshot, whenever this ends. */
static int roll_back(const struct record *r, int dir, int snapshot) {
  char why[WHY] = "";
  uint32_t base = record_base(r);
  struct pace pace;
  pace_begin(&pace);
  AUTO_FD from = openat(snapshot, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0 || !remove_tree(dir, "rootfs.new", &pace) || mkdirat(dir, "rootfs.new", 0700)) return job_failed("a folder for the root file system cannot be made (%s)", error_word());
  AUTO_FD to = openat(dir, "rootfs.new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (to < 0 || fchown(to, base, base) || !copy_tree(r, from, to, why) || syncfs(to)) {
    int problem = errno;
    (void)remove_tree(dir, "rootfs.new", &pace);
    errno = problem;
    return agent_gone() ? 1 : job_failed("%s", *why ? why : "the root file system cannot be given to the container");
  }
  FAILPOINT("container.rollback.copied");
  /* One that was taken over has no other config than its own. */
  if (r->spec.adopted && !copy_file(snapshot, dir, "config")) return job_failed("the config of the container cannot be written (%s)", error_word());
  if (renameat2(dir, "rootfs.new", dir, "rootfs", RENAME_EXCHANGE) || fsync(dir)) return job_failed("the root file system cannot be exchanged (%s)", error_word());
  FAILPOINT("container.rollback.exchanged");
  if (!remove_tree(dir, "rootfs.new", &pace) && errno != EPIPE) return job_failed("it is as in the snapshot, but what was there before cannot be removed (%s)", error_word());
  return job_done(NULL);
}

int container_rollback(const struct fields *t) {
  struct record r;
  char state[24];
  const char *name = name_of(t);
  int code;
  if (!name) return job_failed("the ticket names no snapshot");
  if (!record_take(t, &r)) return 1;
  AUTO_FD dir = r.spec.engine == SPEC_LXC ? lxc_folder(&r) : -1;
  AUTO_FD all = r.spec.engine == SPEC_LXC ? snapshots_of(&r, false) : -1;
  AUTO_FD snapshot = all < 0 ? -1 : openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  lxc_state(r.name, state);
  if (r.spec.engine == SPEC_PCT) code = pct_snapshot(&r, "rollback", name);
  else if (dir < 0) code = job_failed("there is no folder of a container of lxc");
  else if (snapshot < 0) code = job_failed("there is no snapshot \"%s\"", name);
  else if (strcmp(state, "stopped")) code = job_failed("the container is %s: stop it first", *state ? state : "in a state that lxc-info does not tell");
  else code = roll_back(&r, dir, snapshot);
  record_close(&r);
  return code;
}

/* What is half gone is no snapshot any more. */
static bool drop_in(int all, const char *name, const char *gone, struct pace *p) {
  if (!remove_tree(all, gone, p) || (renameat(all, name, all, gone) && errno != ENOENT)) return false;
  FAILPOINT("container.drop.renamed");
  return remove_tree(all, gone, p);
}

int container_drop(const struct fields *t) {
  struct record r;
  struct pace pace;
  char gone[64];
  const char *name = name_of(t);
  int code;
  pace_begin(&pace);
  if (!name) return job_failed("the ticket names no snapshot");
  if (!record_take(t, &r)) return 1;
  AUTO_FD all = snapshots_of(&r, false);
  snprintf(gone, sizeof gone, ".gone-%s", name);
  if (r.spec.engine == SPEC_PCT) code = pct_snapshot(&r, "delsnapshot", name);
  else if (all < 0) code = job_done(NULL);
  else if (!drop_in(all, name, gone, &pace)) code = agent_gone() ? 1 : job_failed("it cannot be removed (%s)", error_word());
  else code = job_done(NULL);
  record_close(&r);
  return code;
}

static void tell_info(struct buf *b, int snapshot) {
  AUTO_FD fd = openat(snapshot, "info", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, INFO_MOST, NULL);
  for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
    char *value = strchr(line, '=');
    if (!value) continue;
    *value++ = 0;
    say(b, line, value);
  }
}

static int is_snapshot(const struct dirent *e) { return container_snapshot(e->d_name); }

int container_snapshots(const struct fields *t) {
  struct record r;
  struct dirent **names = NULL;
  char why[WHY] = "";
  if (!record_open(t, &r, why) || !r.there) return job_failed("%s", *why ? why : "there is no such container");
  if (r.spec.engine == SPEC_PCT) return pct_snapshots(&r);
  AUTO_FD all = snapshots_of(&r, false);
  int n = all < 0 ? 0 : scandirat(all, ".", &names, is_snapshot, alphasort);
  bool there = true;
  for (int i = 0; i < n && there; i++) {
    struct buf b;
    AUTO_FD one = openat(all, names[i]->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    buf_init(&b, PAYLOAD_MAX);
    say(&b, "snapshot", names[i]->d_name);
    if (one >= 0) tell_info(&b, one);
    there = put_fields(F_ROW, &b);
    buf_free(&b);
  }
  if (n > 0) end_names(names, n);
  record_close(&r);
  return there ? job_done(NULL) : 1;
}
