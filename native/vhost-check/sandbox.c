/* Where nginx may do what it likes: namespaces of its own, all files as they are but read-only, nobody's account, two capabilities (to read keys, to have low ports).
 * Where the machine gives less, the rest is done all the same and `lacks` says what is not there. */
#include "check.h"
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define NOBODY 65534u
#define LAST_CAP 63

void sandbox_lacks(struct sandbox *s, const char *what) {
  size_t n = strlen(s->lacks);
  snprintf(s->lacks + n, sizeof s->lacks - n, "%s%s (%s)", n ? ", " : "", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
}

static bool set(const char *path, const char *value) {
  AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write_whole(fd, value, strlen(value));
}

/* nginx opens the ports of its configuration; here nobody else has them, and the addresses of the host are not there. */
static void own_network(struct sandbox *s) {
  if (unshare(CLONE_NEWNET)) {
    sandbox_lacks(s, "no network of its own");
    return;
  }
  (void)set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  if (!set("/proc/sys/net/ipv4/ip_nonlocal_bind", "1")) sandbox_lacks(s, "no addresses but those for all");
  (void)set("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
}

/* The namespaces. The one of processes is that of the next child. */
void sandbox_enter(struct sandbox *s) {
  *s = (struct sandbox){.uid = NOBODY, .gid = NOBODY};
  s->mounts = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (!s->mounts) sandbox_lacks(s, "no mounts");
  own_network(s);
  if (unshare(CLONE_NEWIPC | CLONE_NEWUTS)) sandbox_lacks(s, "no IPC of its own");
  if (unshare(CLONE_NEWPID)) sandbox_lacks(s, "no processes of its own");
}

static bool read_only(void) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  struct statvfs root;
  if (!syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr)) return true;
  int problem = errno;
  bool is = !statvfs("/", &root) && (root.f_flag & ST_RDONLY);
  errno = problem;
  return is;
}

/* Nothing can be written any more but the scratch. False: nothing can be laid over anything, so nothing can be tried. */
bool sandbox_close(struct sandbox *s) {
  if (!s->mounts) return false;
  if (!read_only()) sandbox_lacks(s, "files that nobody's account may write can be written");
  s->mounts = !mount("reeve-vhost-check", SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=128m");
  if (!s->mounts) sandbox_lacks(s, "no scratch");
  return s->mounts;
}

static bool keep_two(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  uint32_t both = 1u << CAP_DAC_READ_SEARCH | 1u << CAP_NET_BIND_SERVICE;
  struct __user_cap_data_struct data[2] = {{both, both, both}, {0, 0, 0}};
  if (syscall(SYS_capset, &head, data)) return false;
  return !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) && !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

static void limit(int resource, rlim_t most) {
  struct rlimit r;
  if (getrlimit(resource, &r)) return;
  if (r.rlim_max > most) r.rlim_max = most;
  r.rlim_cur = r.rlim_max;
  (void)setrlimit(resource, &r);
}

/* Becomes the program, as nobody; what it prints goes to `out`. */
_Noreturn void sandbox_become(const struct sandbox *s, const char *const *argv, int out) {
  static char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
  AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 64u << 20);
  limit(RLIMIT_NOFILE, 65536);
  for (int cap = 0; cap <= LAST_CAP; cap++) if (cap != CAP_DAC_READ_SEARCH && cap != CAP_NET_BIND_SERVICE) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  bool ok = null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0 && !syscall(SYS_close_range, 3u, ~0u, 0u);
  ok = ok && !chdir("/") && setsid() >= 0 && !prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) && !syscall(SYS_setgroups, 0, NULL) && !setresgid(s->gid, s->gid, s->gid);
  ok = ok && !setresuid(s->uid, s->uid, s->uid) && keep_two() && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_PDEATHSIG, SIGKILL);
  umask(077);
  signal(SIGPIPE, SIG_DFL);
  if (ok) execve(argv[0], (char *const *)argv, envp);
  _exit(127);
}
