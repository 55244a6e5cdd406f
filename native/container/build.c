/* build: what a container is started from. lxc: an archive that somebody imported becomes a root file system; it is hostile until it is shut in there. */
#include "container.h"
#include <linux/capability.h>

#define TAR "/usr/bin/tar"
#define FRESH "rootfs.new"
#define KEYS_MOST (512u << 10)
#define SAID_MOST (1u << 20)

/* Unpackers by what a file begins with. */
static const struct { const char *magic; size_t n; const char *option, *program; } packed[] = {
  {"\x1f\x8b", 2, "--gzip", "/usr/bin/gzip"}, {"\xfd" "7zXZ", 5, "--xz", "/usr/bin/xz"}, {"\x28\xb5\x2f\xfd", 4, "--zstd", "/usr/bin/zstd"}, {"BZh", 3, "--bzip2", "/usr/bin/bzip2"},
};
#define PACKED (sizeof packed / sizeof *packed)

static int unpack(void *data) {
  static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
  const char *option = data;
  const char *argv[] = {TAR, "--extract", "--file=-", "--directory=/to", "--numeric-owner", "--same-owner", "--preserve-permissions", "--delay-directory-restore", "--no-wildcards",
    "--xattrs", "--xattrs-include=security.capability", "--warning=no-timestamp", "--warning=no-unknown-keyword", option, NULL};
  execve(TAR, (char *const *)argv, env);
  return 127;
}

/* The first keys and the name, in the root file system as "/": a link of the archive leads nowhere else. */
struct furnish { const struct record *r; struct buf keys; };

static bool put_plain(const char *path, const void *p, size_t n, mode_t mode) {
  if (unlink(path) && errno != ENOENT) return false;
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
  bool ok = fd >= 0 && write_whole(fd, p, n) && !fchmod(fd, mode);
  end_fd(&fd);
  return ok;
}

static int wrong(const char *what) {
  dprintf(2, "%s\n", what);
  return 1;
}

static int furnish(void *data) {
  struct furnish *f = data;
  struct stat st;
  char name[80];
  if (chroot("/to") || chdir("/")) return wrong("the root file system cannot be entered");
  if (lstat("/sbin/init", &st)) return wrong("the archive is no root file system of a machine: it has no /sbin/init");
  int n = snprintf(name, sizeof name, "%s\n", f->r->name);
  if (!stat("/etc", &st) && !put_plain("/etc/hostname", name, (size_t)n, 0644)) return wrong("its name cannot be written to /etc/hostname");
  if (f->keys.n == 0) return 0;
  if ((mkdir("/root", 0700) && errno != EEXIST) || (mkdir("/root/.ssh", 0700) && errno != EEXIST) || chmod("/root/.ssh", 0700)) return wrong("there is no folder /root/.ssh for the first keys");
  return put_plain("/root/.ssh/authorized_keys", f->keys.p, f->keys.n, 0600) ? 0 : wrong("the first keys cannot be written to /root/.ssh/authorized_keys");
}

static bool is_archive(int fd, const char *wanted) {
  uint8_t sum[32];
  char text[65];
  struct pace pace;
  pace_begin(&pace);
  if (digest_file(fd, sum, &pace) || lseek(fd, 0, SEEK_SET)) return false;
  hex(text, sum, 32);
  return !strcmp(text, wanted);
}

/* NULL: it is not packed. False and `why`: what it is packed with is not installed. */
static bool option_of(int fd, const char **option, char why[WHY]) {
  uint8_t head[8] = {0};
  *option = NULL;
  if (pread(fd, head, sizeof head, 0) < 0) head[0] = 0;
  for (size_t i = 0; i < PACKED; i++) {
    if (memcmp(head, packed[i].magic, packed[i].n)) continue;
    *option = packed[i].option;
    if (!access(packed[i].program, X_OK)) return true;
    snprintf(why, WHY, "the archive needs %s, which is not installed here", packed[i].program);
    return false;
  }
  return true;
}

/* Devices are left out: the container is given its own. tar(1) ends with 2 for them, as for everything else that went wrong. */
static bool only_devices(const char *said, uint64_t *devices, char why[WHY]) {
  *devices = 0;
  for (size_t n; *said; said += n + (said[n] == '\n')) {
    n = strcspn(said, "\n");
    char line[400];
    plain(line, sizeof line, said, n);
    size_t m = strlen(line);
    static const char *const ends[] = {": Cannot mknod: Operation not permitted", ": Cannot mknod: Permission denied", NULL};
    bool device = false;
    for (const char *const *e = ends; *e; e++) device = device || (m > strlen(*e) && !strcmp(line + m - strlen(*e), *e));
    *devices += device;
    if (n == 0 || device || strstr(line, "Exiting with failure status due to previous errors") || strstr(line, "Removing leading `")) continue;
    snprintf(why, WHY, "the archive cannot be unpacked: %s", line);
    return false;
  }
  return true;
}

static int fill(const struct record *r, int archive, int fresh, uint64_t *devices, char why[WHY]) {
  const char *option;
  struct buf said;
  if (!option_of(archive, &option, why)) return -1;
  struct inside i = {.base = record_base(r), .from = -1, .to = fresh, .in = archive, .caps = file_caps, .work = unpack, .data = (void *)option};
  buf_init(&said, SAID_MOST);
  int code = inside_run(&i, &said, why);
  FAILPOINT("container.build.unpacked");
  buf_put(&said, "", 1);
  if (code >= 0 && !only_devices((char *)said.p, devices, why)) code = -1;
  else if (code > 0 && (code != 2 || *devices == 0)) snprintf(why, WHY, "the archive cannot be unpacked: tar ended with exit code %d", code), code = -1;
  buf_free(&said);
  return code < 0 ? -1 : 0;
}

static int dress(const struct record *r, int fresh, char why[WHY]) {
  struct furnish f = {.r = r};
  struct inside i = {.base = record_base(r), .from = -1, .to = fresh, .in = -1, .caps = file_caps | CAP_BIT(CAP_SYS_CHROOT), .work = furnish, .data = &f};
  struct buf said;
  buf_init(&f.keys, KEYS_MOST);
  buf_init(&said, 65536);
  for (size_t k = 0; k < r->spec.keys.n; k++) buf_say(&f.keys, "%s %s\n", r->spec.keys.items[k].type, r->spec.keys.items[k].blob);
  int code = inside_run(&i, &said, why);
  if (code > 0) {
    size_t n;
    const char *line = last_line((const char *)said.p, said.n, &n);
    plain(why, WHY, line, n);
  }
  buf_free(&f.keys);
  buf_free(&said);
  return code ? -1 : 0;
}

/* In a folder beside, which only takes the place when it is complete. */
static int build_lxc(const struct record *r) {
  char path[400], why[WHY] = "";
  uint64_t devices = 0;
  struct pace pace;
  struct stat st;
  pace_begin(&pace);
  AUTO_FD dir = lxc_folder(r);
  if (dir < 0) return job_failed("folder %s/%s cannot be opened (%s)", places.lxc, r->name, error_word());
  if (!fstatat(dir, "rootfs", &st, AT_SYMLINK_NOFOLLOW)) return job_done(NULL);
  if (r->spec.adopted) return job_failed("it was taken over, and its root file system is not there");
  snprintf(path, sizeof path, "%s/archive/%s", job.state, r->spec.archive);
  AUTO_FD archive = open_plain(path, O_RDONLY | O_NOFOLLOW);
  if (archive < 0) return job_failed("archive %s is not on this host: import it first", r->spec.archive);
  if (!is_archive(archive, r->spec.archive)) return job_failed("archive %s on this host is not what was imported any more: import it again", r->spec.archive);
  if (!remove_tree(dir, FRESH, &pace) || mkdirat(dir, FRESH, 0755)) return job_failed("folder %s/%s/" FRESH " cannot be made (%s)", places.lxc, r->name, error_word());
  AUTO_FD fresh = openat(dir, FRESH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  uint32_t base = record_base(r);
  if (fresh < 0 || fchown(fresh, base, base) || fchmod(fresh, 0755)) return job_failed("folder %s/%s/" FRESH " cannot be given to the container (%s)", places.lxc, r->name, error_word());
  if (fill(r, archive, fresh, &devices, why) || dress(r, fresh, why)) {
    (void)remove_tree(dir, FRESH, &pace);
    return agent_gone() ? 1 : job_failed("%s", why);
  }
  FAILPOINT("container.build.complete");
  if (syncfs(fresh) || renameat2(dir, FRESH, dir, "rootfs", RENAME_NOREPLACE) || fsync(dir)) return job_failed("the root file system cannot be put in its place (%s)", error_word());
  struct buf more;
  buf_init(&more, 1024);
  say_number(&more, "skipped", devices);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static int build_podman(const struct record *r) {
  const char *argv[] = {PODMAN, "--events-backend=none", "image", "exists", "--", r->spec.image, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  if (access(PODMAN, X_OK)) return job_failed("podman is not installed here");
  if (tool_run(&t)) return job_done(NULL);
  /* podman-image-exists(1): 1, it is not there. */
  return t.end == PROGRAM_FAILED && t.p.nsaid == 0 ? job_failed("image %s is not on this host: pull or import it first", r->spec.image) : tool_failed(&t, "podman cannot look for the image");
}

int container_build(const struct fields *t) {
  struct record r;
  if (!record_take(t, &r)) return 1;
  int code = r.spec.engine == SPEC_PODMAN ? build_podman(&r) : r.spec.engine == SPEC_LXC ? build_lxc(&r) : pct_build(&r);
  record_close(&r);
  return code;
}
