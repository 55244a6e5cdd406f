/* Starting programs, watching them, and ending them. */
#include "program.h"
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LAST_CAP 63
#define STOP_MS 30000
#define LOOK_MS 250

/* The account, and no right of root even when it is root: nothing can be had back by what it starts. */
static bool become(uid_t uid, gid_t gid) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  for (int cap = 0; cap <= LAST_CAP; cap++) (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  if (syscall(SYS_setgroups, 0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) return false;
  return !syscall(SYS_capset, &head, none) && !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && (uid == 0 || setresuid(0, 0, 0));
}

_Noreturn static void start(const struct program *p, int errors, pid_t parent) {
  static char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "TMPDIR=/scratch", "LC_ALL=C", NULL};
  struct rlimit none = {0, 0};
  AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = null >= 0 && dup2(p->in >= 0 ? p->in : null, 0) >= 0 && dup2(p->out >= 0 ? p->out : errors, 1) >= 0 && dup2(errors, 2) >= 0;
  ok = ok && !syscall(SYS_close_range, 3u, ~0u, 0u) && !chdir("/") && setsid() >= 0;
  (void)setrlimit(RLIMIT_CORE, &none);
  signal(SIGPIPE, SIG_DFL);
  umask(077);
  ok = ok && (p->uid == SAME_ACCOUNT || become(p->uid, p->gid));
  ok = ok && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent;
  if (ok) execve(p->argv[0], (char *const *)p->argv, p->env ? (char *const *)p->env : env);
  _exit(127);
}

bool program_start(struct program *p) {
  int errors[2];
  p->nsaid = 0;
  p->pid = -1;
  p->status = 0;
  p->errors = -1;
  if (pipe2(errors, O_CLOEXEC)) return false;
  pid_t parent = getpid();
  p->pid = fork();
  /* A pipe whose ends were 0 to 2 would be overwritten on its way there. */
  if (p->pid == 0) start(p, fcntl(errors[1], F_DUPFD_CLOEXEC, 10), parent);
  close(errors[1]);
  p->errors = errors[0];
  (void)fcntl(p->errors, F_SETFL, O_NONBLOCK);
  return p->pid > 0;
}

/* The last of it; n is much less than what is kept. */
static void keep(struct program *p, const char *s, size_t n) {
  size_t over = p->nsaid + n > SAID_KEPT ? p->nsaid + n - SAID_KEPT : 0;
  memmove(p->said, p->said + over, p->nsaid - over);
  p->nsaid -= over;
  memcpy(p->said + p->nsaid, s, n);
  p->nsaid += n;
}

static void listen(struct program *p) {
  char part[4096];
  ssize_t n;
  while (p->errors >= 0 && (n = read(p->errors, part, sizeof part)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    keep(p, part, (size_t)n);
  }
  if (p->errors >= 0) close(p->errors);
  p->errors = -1;
}

static bool measure(struct program *p) {
  struct stat st;
  off_t at;
  if (!p->pace) return !agent_gone();
  if (p->grows >= 0 && !fstat(p->grows, &st)) p->pace->bytes = (uint64_t)st.st_size;
  else if (p->in >= 0 && (at = lseek(p->in, 0, SEEK_CUR)) > 0 && (uint64_t)at > p->pace->bytes) p->pace->bytes = (uint64_t)at;
  return pace_step(p->pace) && !agent_gone();
}

/* Has it ended? Then all that it has started ends, too. */
static bool has_ended(struct program *p) {
  pid_t ended = waitpid(p->pid, &p->status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  (void)kill(-p->pid, SIGKILL);
  p->pid = -1;
  listen(p);
  if (p->errors >= 0) close(p->errors);
  p->errors = -1;
  return true;
}

static void finish(struct program *p) {
  if (p->pid <= 0) return;
  (void)kill(-p->pid, SIGKILL);
  (void)kill(p->pid, SIGKILL);
  while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR) continue;
  p->pid = -1;
  listen(p);
  if (p->errors >= 0) close(p->errors);
  p->errors = -1;
}

static enum program_end verdict(const struct program *p) { return WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0 ? PROGRAM_OK : PROGRAM_FAILED; }

/* A little while, or until it says something. */
static void doze(struct program *p, int ms) {
  struct pollfd wait = {p->errors, POLLIN, 0};
  if (poll(&wait, 1, ms) > 0) listen(p);
  if (p->errors < 0) (void)poll(NULL, 0, 10);
}

enum program_end program_run(struct program *p) {
  if (!program_start(p)) return PROGRAM_FAILED;
  while (!has_ended(p)) {
    if (!measure(p)) {
      finish(p);
      return PROGRAM_GONE;
    }
    if (job_now_ms() > p->deadline_ms) {
      finish(p);
      return PROGRAM_LATE;
    }
    doze(p, LOOK_MS);
  }
  return measure(p) ? verdict(p) : PROGRAM_GONE;
}

enum program_end program_watch(struct program *p, int for_ms) {
  for (int64_t until = job_now_ms() + for_ms; p->pid > 0 && job_now_ms() < until;) {
    if (has_ended(p)) return PROGRAM_FAILED;
    if (!measure(p)) return PROGRAM_GONE;
    if (job_now_ms() > p->deadline_ms) return PROGRAM_LATE;
    doze(p, for_ms < LOOK_MS ? for_ms : LOOK_MS);
  }
  return p->pid > 0 ? PROGRAM_OK : PROGRAM_FAILED;
}

enum program_end program_stop(struct program *p, int signal) {
  int64_t until = job_now_ms() + STOP_MS;
  if (p->pid <= 0) return PROGRAM_FAILED;
  (void)kill(p->pid, signal);
  while (!has_ended(p)) {
    if (job_now_ms() > until || agent_gone()) {
      finish(p);
      return PROGRAM_LATE;
    }
    doze(p, LOOK_MS);
  }
  return verdict(p);
}

bool program_tell(const struct program *p) { return p->nsaid == 0 || put_frame(F_OUTPUT, p->said, p->nsaid); }

const char *program_ended(const struct program *p, char text[40]) {
  if (WIFSIGNALED(p->status)) snprintf(text, 40, "signal %d", WTERMSIG(p->status));
  else if (WEXITSTATUS(p->status) == 127) snprintf(text, 40, "it could not be started");
  else snprintf(text, 40, "exit code %d", WEXITSTATUS(p->status));
  return text;
}
