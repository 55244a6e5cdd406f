/* Starting one side of rsync in its view, and seeing it to its end. */
#include "program.h"
#include "pump.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GRACE_MS 10000

/* The remote shell that rsync is given: hands its standard input and output over, and stays until it is told to go. */
int pipe_main(void) {
  int fds[2] = {0, 1};
  char byte = 0;
  union { struct cmsghdr head; char room[CMSG_SPACE(sizeof fds)]; } control;
  struct iovec one = {&byte, 1};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fds)};
  memcpy(CMSG_DATA(head), fds, sizeof fds);
  if (sendmsg(PIPE_FD, &message, MSG_NOSIGNAL) != 1) return 1;
  /* Only the one who has them now decides when they are at their end. */
  close(0);
  close(1);
  while (read(PIPE_FD, &byte, 1) > 0 || errno == EINTR) continue;
  return 0;
}

static bool place(int fd, int at) { return fd < 0 || dup2(fd, at) >= 0; }

/* In the child. */
_Noreturn static void become(const struct side *s, int in, int out, int err, int hands) {
  static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
  struct rlimit none = {0, 0}, files = {4096, 4096};
  bool ok = place(in, 0) && place(out, 1) && place(err, 2) && place(hands, PIPE_FD);
  if (hands >= 0) ok = ok && !fcntl(PIPE_FD, F_SETFD, 0);
  ok = ok && !syscall(SYS_close_range, 3u, PIPE_FD - 1u, 0u) && !syscall(SYS_close_range, PIPE_FD + (hands >= 0 ? 1u : 0u), ~0u, 0u) && setsid() >= 0;
  (void)setrlimit(RLIMIT_CORE, &none);
  (void)setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_DFL);
  umask(022);
  if (ok && view_enter(s->view, s->uid, s->gid, s->caps, s->write, s->devices)) execve(s->argv[0], (char *const *)s->argv, env);
  _exit(127);
}

static void both(int fds[2]) {
  for (int i = 0; i < 2; i++) if (fds[i] >= 0) close(fds[i]);
}

/* Its end is waited for; one that does not come is made. */
static int reap(pid_t pid, bool kill_now, struct outcome *out) {
  int status = 0;
  struct rusage used;
  AUTO_FD handle = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd wait = {handle, POLLIN, 0};
  if (kill_now || poll(&wait, 1, GRACE_MS) == 0) (void)kill(-pid, SIGKILL);
  while (wait4(pid, &status, 0, &used) < 0) if (errno != EINTR) return -1;
  (void)kill(-pid, SIGKILL);
  out->cpu_ms = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 + (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  out->memory = (uint64_t)used.ru_maxrss * 1024;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool rsync_run(const struct side *s, struct outcome *out) {
  int to[2] = {-1, -1}, from[2] = {-1, -1}, err[2] = {-1, -1}, hands[2] = {-1, -1};
  memset(out, 0, sizeof *out);
  struct pump p = {.in = -1, .out = -1, .err = -1, .print = -1, .hands = -1, .o = out};
  bool ok = !pipe2(from, O_CLOEXEC) && !pipe2(err, O_CLOEXEC);
  if (s->client) ok = ok && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hands);
  else ok = ok && !pipe2(to, O_CLOEXEC);
  AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
  pid_t pid = ok ? fork() : -1;
  if (pid == 0) become(s, s->client ? null : to[0], from[1], err[1], hands[1]);
  if (pid < 0) {
    both(to), both(from), both(err), both(hands);
    return false;
  }
  close(from[1]);
  close(err[1]);
  if (s->client) {
    close(hands[1]);
    p.hands = hands[0];
    p.print = from[0];
  } else {
    close(to[0]);
    p.in = to[1];
    p.out = from[0];
    (void)fcntl(p.in, F_SETFL, O_NONBLOCK);
    (void)fcntl(p.in, F_SETPIPE_SZ, 1 << 18);
    (void)fcntl(p.out, F_SETPIPE_SZ, 1 << 18);
  }
  p.err = err[0];
  p.teller.out = out;
  p.teller.no_devices = !s->devices && s->uid == 0;
  p.teller.began_ms = job_now_ms();
  pump_run(&p, s->seconds ? p.teller.began_ms + (int64_t)s->seconds * 1000 : INT64_MAX, s->client);
  for (int *fds[] = {&p.in, &p.out, &p.err, &p.print, &p.hands, NULL}, **f = fds; *f; f++) if (**f >= 0) close(**f);
  out->exit = reap(pid, out->gone || out->late, out);
  return out->exit >= 0;
}

bool rsync_version(char out[32]) {
  static const char *const argv[] = {RSYNC, "--version", NULL};
  static struct program p = {.argv = argv, .in = -1, .out = -1, .uid = SAME_ACCOUNT, .grows = -1};
  p.deadline_ms = job_now_ms() + GRACE_MS;
  if (program_run(&p) != PROGRAM_OK) return false;
  p.said[p.nsaid < SAID_KEPT ? p.nsaid : SAID_KEPT - 1] = 0;
  return sscanf(p.said, "rsync version %31s", out) == 1;
}

bool rsync_new_enough(const char *version) {
  int major = 0, minor = 0;
  return sscanf(version, "%d.%d", &major, &minor) == 2 && (major > 3 || (major == 3 && minor >= 5));
}
