/* What the helper takes away from itself: one system call filter for it and all it starts, and the hygiene of each child (SECURITY.md 4.1). */
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "reeve-privd knows the system calls of x86_64 and aarch64 only"
#endif

#define NAMESPACE_FLAGS (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Calls that neither the helper nor useradd, usermod, userdel, groupdel, gpasswd need. Each one ends the process. */
static const int denied[] = {
  SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen,
  SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_bpf, SYS_kexec_load, SYS_reboot,
  SYS_unshare, SYS_setns, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
  SYS_io_uring_register, SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_acct,
  SYS_quotactl, SYS_nfsservctl, SYS_lookup_dcookie, SYS_personality, SYS_fanotify_init, SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_syslog, SYS_vhangup,
  SYS_mbind, SYS_migrate_pages, SYS_move_pages, SYS_mknodat, SYS_memfd_secret, SYS_pidfd_getfd,
#ifdef SYS_kexec_file_load
  SYS_kexec_file_load,
#endif
#ifdef __x86_64__
  SYS_mknod, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms, SYS_query_module,
#endif
};

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))

bool seccomp_install(void) {
  enum { LISTED = sizeof denied / sizeof *denied };
  const struct sock_filter before[] = {
    LOAD(arch), IF_EQUAL(ARCH, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),  /* x32 */
#endif
  };
  /* Low halves of the first argument, little-endian machines. Sockets: local and netlink (audit records of PAM) only, others fail softly because
   * name services of the host may try them. clone3 hides its flags from a filter, so it does not exist here; glibc then uses clone. */
  const struct sock_filter after[] = {
    IF_EQUAL(SYS_clone3, 0, 1), RETURN(SECCOMP_RET_ERRNO | ENOSYS),
    IF_EQUAL(SYS_clone, 0, 4), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NAMESPACE_FLAGS, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW),
    IF_EQUAL(SYS_socket, 0, 4), LOAD(args[0]), IF_EQUAL(AF_UNIX, 2, 0), IF_EQUAL(AF_NETLINK, 1, 0), RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
    RETURN(SECCOMP_RET_ALLOW),
  };
  struct sock_filter filter[sizeof before / sizeof *before + 2 * LISTED + sizeof after / sizeof *after];
  size_t n = 0;
  memcpy(filter, before, sizeof before);
  n += sizeof before / sizeof *before;
  for (size_t i = 0; i < LISTED; i++) {
    filter[n++] = (struct sock_filter)IF_EQUAL((uint32_t)denied[i], 0, 1);
    filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
  }
  memcpy(filter + n, after, sizeof after);
  n += sizeof after / sizeof *after;
  struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
  return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#ifdef REEVE_TEST
/* The deliberate violation of the test build: the next child after the file <state>/violate appears. */
void violate(void) {
  char path[600];
  snprintf(path, sizeof path, "%s/violate", config.state);
  if (!unlink(path)) (void)syscall(SYS_unshare, 0);
}
#endif

static void limit(int resource, rlim_t soft, rlim_t hard) {
  struct rlimit r = {soft, hard};
  (void)setrlimit(resource, &r);
}

/* Once, before the first request. */
bool harden_parent(void) {
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && !chdir("/") && !prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  /* What a killed child had started comes back to us: unreaped, its process id would keep /etc/passwd.lock and its like looking alive. */
  ok = ok && !prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (null > 2) close(null);
  limit(RLIMIT_CORE, 0, 0);
  return ok;
}

/* In each child: nothing inherited but the connection (moved to descriptor 3) and the log. */
void harden_child(int conn) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != main_pid || (conn != 3 && dup2(conn, 3) < 0) || syscall(SYS_close_range, 4u, ~0u, 0u)) _exit(125);
  if (clearenv() || setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) || setenv("LC_ALL", "C", 1)) _exit(125);
  if (fcntl(3, F_SETFD, FD_CLOEXEC) || setsid() < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) _exit(125);
  signal(SIGTERM, SIG_IGN);  /* a stop of the service waits for the change under way */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  limit(RLIMIT_FSIZE, 256u << 20, 256u << 20);
  limit(RLIMIT_CPU, 60, 60);
#ifndef REEVE_SANITIZE
  limit(RLIMIT_NOFILE, 64, 1024);
#endif
}
