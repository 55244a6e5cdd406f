/* A root that holds nothing but what one piece of work is about. What is bound is read-only, without devices and set-id programs; the process in it keeps no right that it does not need. */
#include "made.h"
#include "rsync.h"
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define LAST_CAP 63
#define WHY 300

static char lacks[200];

static bool said(char why[WHY], const char *what) {
  snprintf(why, WHY, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return false;
}

static void lack(const char *what) {
  size_t n = strlen(lacks);
  snprintf(lacks + n, sizeof lacks - n, "%s%s", n ? ", " : "", what);
}

const char *view_sandbox(void) { return *lacks ? lacks : "full"; }

/* Without ABI 2 a file could not be linked from one folder to another, which snapshots are made of: 0 then, as without Landlock. */
static long landlock_abi(void) {
  long abi = job.landlock ? syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) : 0;
  return abi < 2 ? 0 : abi;
}

bool view_begin(struct view *v, char why[WHY]) {
  memset(v, 0, sizeof *v);
  snprintf(v->root, sizeof v->root, "%s/job/root", job.state);
  if (mkdir(v->root, 0700) && errno != EEXIST) return said(why, "a folder cannot be made below the state folder");
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return said(why, "this machine does not let root set up mounts of its own, which backups need");
  if (unshare(CLONE_NEWNET)) lack("no network of its own");
  if (unshare(CLONE_NEWIPC | CLONE_NEWUTS)) lack("no IPC of its own");
  if (landlock_abi() == 0) lack("no Landlock that lets files be linked");
  return true;
}

bool view_bind(struct view *v, int fd, const char *at, bool write, char why[WHY]) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  struct stat st;
  if (v->n == VIEW_MAX || strlen(at) >= PATH_ROOM || fstat(fd, &st)) return said(why, "too much is wanted");
  if (write) attr.attr_clr = MOUNT_ATTR_RDONLY;
  else attr.attr_set |= MOUNT_ATTR_RDONLY;
  int tree = (int)syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
  if (tree < 0) return said(why, "a folder cannot be mounted");
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr)) {
    close(tree);
    return said(why, "a folder cannot be mounted read-only");
  }
  v->bound[v->n].tree = tree;
  v->bound[v->n].file = !S_ISDIR(st.st_mode);
  strcpy(v->bound[v->n].at, at);
  v->n++;
  return true;
}

/* The folders above a path of the root. */
static bool make_above(const char *path) {
  char part[PATH_ROOM + 320];
  snprintf(part, sizeof part, "%s", path);
  for (char *at = strchr(part + 1, '/'); at; at = strchr(at + 1, '/')) {
    *at = 0;
    if (mkdir(part, 0755) && errno != EEXIST) return false;
    *at = '/';
  }
  return true;
}

static bool attach(const struct view *v, size_t i) {
  char target[PATH_ROOM + 320];
  snprintf(target, sizeof target, "%s%s", v->root, v->bound[i].at);
  if (!make_above(target)) return false;
  if (v->bound[i].file) {
    AUTO_FD made = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (made < 0) return false;
  } else if (mkdir(target, 0755) && errno != EEXIST) return false;
  return !syscall(SYS_move_mount, v->bound[i].tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

bool view_file(struct view *v, const char *at, const char *text, size_t n) {
  char target[PATH_ROOM + 320];
  snprintf(target, sizeof target, "%s%s", v->root, at);
  AUTO_FD fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
  return fd >= 0 && write_whole(fd, text, n) && !fchmod(fd, 0444);
}

/* What a program of the system is started with: folders that are links are links here, too. */
static bool system_files(struct view *v) {
  static const char *const folders[] = {"/usr", "/lib", "/lib64", "/bin", NULL};
  static const char *const files[] = {"/etc/ld.so.cache", "/dev/null", NULL};
  char why[WHY], link[300], target[400];
  for (const char *const *f = folders; *f; f++) {
    ssize_t n = readlink(*f, link, sizeof link - 1);
    snprintf(target, sizeof target, "%s%s", v->root, *f);
    if (n > 0) {
      link[n] = 0;
      if (symlink(link, target)) return false;
      continue;
    }
    AUTO_FD fd = open(*f, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && !(view_bind(v, fd, *f, false, why) && attach(v, v->n - 1))) return false;
  }
  for (const char *const *f = files; *f; f++) {
    AUTO_FD fd = open(*f, O_PATH | O_CLOEXEC);
    if (fd < 0) continue;
    /* A device behind a mount without devices cannot be opened. */
    bool device = !strcmp(*f, "/dev/null");
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_NODEV};
    if (!view_bind(v, fd, *f, device, why)) return false;
    if (device && syscall(SYS_mount_setattr, v->bound[v->n - 1].tree, "", AT_EMPTY_PATH, &attr, sizeof attr)) return false;
    if (!attach(v, v->n - 1)) return false;
  }
  /* By its name: /proc/self/exe would lead into the namespace that this process has left. */
  ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
  link[n > 0 ? n : 0] = 0;
  AUTO_FD self = open(link, O_PATH | O_CLOEXEC);
  return self >= 0 && view_bind(v, self, "/job/" PIPE_NAME, false, why) && attach(v, v->n - 1);
}

bool view_build(struct view *v, char why[WHY]) {
  size_t wanted = v->n;
  /* What is in the root is for all to see; only who is in it can. */
  umask(022);
  if (mount("reeve-job", v->root, "tmpfs", MS_NOSUID, "mode=0755,size=16m")) return said(why, "there is no place for a root of its own");
  for (size_t i = 0; i < wanted; i++) if (!attach(v, i)) return said(why, "a folder cannot be mounted where it is wanted");
  if (!system_files(v)) return said(why, "the programs of the system cannot be mounted");
  for (size_t i = 0; i < v->n; i++) close(v->bound[i].tree);
  return true;
}

#define READ (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define REFER (1ull << 13)                    /* since ABI 2 */
#define TRUNCATE (1ull << 14)                 /* since ABI 3 */

static bool allow(int rules, const char *path, uint64_t access) {
  AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);
  struct landlock_path_beneath_attr attr = {.allowed_access = access, .parent_fd = fd};
  return fd >= 0 && !syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
}

static bool landlock(const char *write, bool devices) {
  long abi = landlock_abi();
  if (abi == 0) return true;
  uint64_t more = REFER | (abi >= 3 ? TRUNCATE : 0);
  struct landlock_ruleset_attr attr = {.handled_access_fs = READ | WRITE | DEVICES | more};
  AUTO_FD rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
  if (rules < 0 || !allow(rules, "/", READ) || !allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)) return false;
  if (write && !allow(rules, write, READ | WRITE | more | (devices ? DEVICES : 0))) return false;
  return !syscall(SYS_landlock_restrict_self, rules, 0);
}

static bool keep_caps(uint64_t caps) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{(uint32_t)caps, (uint32_t)caps, (uint32_t)caps}, {(uint32_t)(caps >> 32), (uint32_t)(caps >> 32), (uint32_t)(caps >> 32)}};
  if (syscall(SYS_capset, &head, data)) return false;
  for (int cap = 0; cap <= LAST_CAP; cap++) if (caps >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0)) return false;
  return true;
}

/* The account and nothing else; `caps` stay, also over an exec. */
static bool drop(uid_t uid, gid_t gid, uint64_t caps) {
  for (int cap = 0; cap <= LAST_CAP; cap++) if (!(caps >> cap & 1)) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  bool ok = !prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) && !syscall(SYS_setgroups, 0, NULL) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid);
  return ok && keep_caps(caps) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_PDEATHSIG, SIGKILL);
}

bool view_enter(const struct view *v, uid_t uid, gid_t gid, uint64_t caps, const char *write, bool devices) {
  return !chroot(v->root) && !chdir("/") && drop(uid, gid, caps) && landlock(write, devices);
}

bool folder_become(int dir, uint64_t caps) { return !fchdir(dir) && !chroot(".") && !chdir("/") && drop(0, 0, caps); }

bool store_become(int dir) {
  return !fchdir(dir) && !chroot(".") && !chdir("/") && drop(job.store_uid, job.store_gid, 0);
}
