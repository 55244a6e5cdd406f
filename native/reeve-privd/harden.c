/* What the helper takes away from itself: one system call filter for it and all it starts, and the hygiene of each child (SECURITY.md 4.1). */
#include "reeve.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "reeve-privd knows the system calls of x86_64 and aarch64 only"
#endif

#define NAMESPACE_FLAGS (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define DENY(call) IF_EQUAL(SYS_##call, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS)

/* One program for the helper and all it starts. First the calls that neither it nor useradd, usermod, userdel, groupdel, gpasswd need: each one
 * ends the process. Then arguments, of which it sees the low halves (little-endian machines): no new namespaces; sockets are local and netlink (audit
 * records of PAM) only, others fail softly because name services of the host may try them. clone3 hides its flags from a filter, so it does not
 * exist here; glibc then uses clone. */
static struct sock_filter filter[] = {
  LOAD(arch), IF_EQUAL(ARCH, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
#ifdef __x86_64__
  BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),  /* x32 */
  DENY(mknod), DENY(iopl), DENY(ioperm), DENY(modify_ldt), DENY(uselib), DENY(ustat), DENY(sysfs), DENY(_sysctl), DENY(create_module),
  DENY(get_kernel_syms), DENY(query_module),
#endif
#ifdef SYS_kexec_file_load
  DENY(kexec_file_load),
#endif
  DENY(ptrace), DENY(process_vm_readv), DENY(process_vm_writev), DENY(kcmp), DENY(mount), DENY(umount2), DENY(pivot_root), DENY(chroot),
  DENY(open_tree), DENY(move_mount), DENY(fsopen), DENY(fsconfig), DENY(fsmount), DENY(fspick), DENY(mount_setattr), DENY(init_module),
  DENY(finit_module), DENY(delete_module), DENY(bpf), DENY(kexec_load), DENY(reboot), DENY(unshare), DENY(setns), DENY(keyctl), DENY(add_key),
  DENY(request_key), DENY(perf_event_open), DENY(userfaultfd), DENY(io_uring_setup), DENY(io_uring_enter), DENY(io_uring_register), DENY(swapon),
  DENY(swapoff), DENY(sethostname), DENY(setdomainname), DENY(settimeofday), DENY(clock_settime), DENY(clock_adjtime), DENY(adjtimex), DENY(acct),
  DENY(quotactl), DENY(nfsservctl), DENY(lookup_dcookie), DENY(personality), DENY(fanotify_init), DENY(name_to_handle_at), DENY(open_by_handle_at),
  DENY(syslog), DENY(vhangup), DENY(mbind), DENY(migrate_pages), DENY(move_pages), DENY(mknodat), DENY(memfd_secret), DENY(pidfd_getfd),
  IF_EQUAL(SYS_clone3, 0, 1), RETURN(SECCOMP_RET_ERRNO | ENOSYS),
  IF_EQUAL(SYS_clone, 0, 4), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)NAMESPACE_FLAGS, 0, 1), RETURN(SECCOMP_RET_KILL_PROCESS),
  RETURN(SECCOMP_RET_ALLOW),
  IF_EQUAL(SYS_socket, 0, 4), LOAD(args[0]), IF_EQUAL(AF_UNIX, 2, 0), IF_EQUAL(AF_NETLINK, 1, 0), RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
  RETURN(SECCOMP_RET_ALLOW),
};

bool seccomp_install(void) {
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
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
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != main_pid) _exit(125);
  if ((conn != 3 && dup2(conn, 3) < 0) || syscall(SYS_close_range, 4u, ~0u, 0u)) _exit(125);
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
