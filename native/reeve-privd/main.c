/* reeve-privd: the root helper. Started by systemd's socket unit without arguments, or by hand. See README.md beside this file. */
#include "reeve.h"
#include "vhost.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#define LISTEN_FDS_START 3  /* sd_listen_fds(3) */

/* Exit codes: 0 fine or idle, 1 cannot start (or the file checked is bad), 2 wrong arguments. */
enum { EXIT_FINE = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

pid_t main_pid;
struct config config = {.state = "/var/lib/reeve-privd", .policy = "/etc/reeve/policy", .caller = (uid_t)-1};
struct shared *shared;

static int64_t clock_ms(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int64_t now_ms(void) { return clock_ms(CLOCK_BOOTTIME); }
int64_t wall_ms(void) { return clock_ms(CLOCK_REALTIME); }

void log_line(const char *format, ...) {
  static const char head[] = "reeve-privd: ";
  char line[2048];
  va_list list;
  va_start(list, format);
  memcpy(line, head, sizeof head);
  vsnprintf(line + sizeof head - 1, sizeof line - sizeof head, format, list);
  va_end(list);
  size_t n = strlen(line);
  line[n] = '\n';
  /* At once: several processes share it. */
  (void)!write(STDERR_FILENO, line, n + 1);
}

#ifdef REEVE_TEST
static const char *wanted_failpoint;  /* children clear their environment */

void failpoint(const char *name) {
  char path[600];
  /* Armed by REEVE_FAILPOINT for every child, or by the file <state>/failpoint.<name> for the next one. */
  snprintf(path, sizeof path, "%s/failpoint.%s", config.state, name);
  if (!unlink(path) || (wanted_failpoint && !strcmp(wanted_failpoint, name))) kill(getpid(), SIGKILL);
}
#endif

/* /proc/sys/kernel/random/boot_id: 36 characters. */
void boot_id(char out[37]) {
  AUTO_FD fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, out, 36);
  out[n == 36 ? 36 : 0] = 0;
}

/* The socket systemd passes (sd_listen_fds(3)), or -1. */
static int activated_listener(void) {
  const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
  uint64_t number;
  if (!pid || !fds || !parse_number(pid, strlen(pid), INT32_MAX, &number) || (pid_t)number != getpid() || strcmp(fds, "1")) return -1;
  struct stat st;
  int listening = 0;
  socklen_t n = sizeof listening;
  if (fstat(LISTEN_FDS_START, &st) || !S_ISSOCK(st.st_mode)) return -1;
  if (getsockopt(LISTEN_FDS_START, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) || !listening) return -1;
  return LISTEN_FDS_START;
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)unlink(path);
  mode_t before = umask(0117);
  bool ok = fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof address) && !chown(path, config.caller, (gid_t)-1) && !listen(fd, 64);
  umask(before);
  return ok ? fd : -1;
}

static bool find_caller(void) {
  struct accounts a;
  accounts_parse(&a, read_whole("/etc/passwd", ACCOUNTS_MAX, NULL), NULL, NULL);
  const struct user *u = user_by_name(&a, "reeve-agent");
  if (u && u->uid != 0) config.caller = u->uid;
  accounts_free(&a);
  return config.caller != (uid_t)-1;
}

static void look_at_kernel(void) {
  int pair[2];
  AUTO_FD fd = -1;
  socklen_t n = sizeof fd;
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);  /* LANDLOCK_CREATE_RULESET_VERSION */
  config.landlock = abi > 0 ? (int)abi : 0;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return;
  config.pidfd = !getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &n);
  close(pair[0]);
  close(pair[1]);
}

static int bad(const char *why) {
  log_line("%s", why);
  return EXIT_BAD;
}

static int run(const char *listen_path) {
  config.activated = !listen_path;
  if (config.activated && !find_caller()) return bad("there is no user reeve-agent, so nobody may call");
  int listener = config.activated ? activated_listener() : listen_at(listen_path);
  if (listener < 0) return bad("there is no socket to listen on: start reeve-privd.socket, or use --listen");
  look_at_kernel();
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || !harden_parent() || !state_prepare()) return EXIT_BAD;
  *shared = (struct shared){.refused_tokens = 10, .refused_at_ms = now_ms()};
  config.seccomp = seccomp_install();
  if (!config.seccomp) return bad("the system call filter cannot be installed");
  main_pid = getpid();
  const char *why = audit_recover();
  if (why) log_line("the audit log cannot be written: %s", why);
  return serve(listener);
}

static int usage(void) {
  fputs("usage: reeve-privd                       serve on the socket that systemd passes\n"
        "       reeve-privd --listen PATH --caller-uid UID [--state DIR] [--policy FILE]\n"
        "       reeve-privd --check-policy FILE   print its problems, exit 1 when there are any\n"
        "       reeve-privd --check-keys FILE     say of each line of a key file whether it may be managed\n"
        "       reeve-privd --check-sites FOLDER  say of each file of a set of sites whether it may be one\n"
        "       reeve-privd --explain FILE        answer requests \"op key=value ...\" read from standard input\n"
        "       reeve-privd --verify-audit [FILE] check the hash chain of the audit log\n"
        "       reeve-privd --version\n", stderr);
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  const char *listen_path = NULL;
  uint64_t uid;
  bool verify = false;
  const char *file = NULL;
#ifdef REEVE_TEST
  const char *armed = getenv("REEVE_FAILPOINT");
  wanted_failpoint = armed ? strdup(armed) : NULL;
#endif
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(argv[i], "--version")) return puts("reeve-privd " REEVE_VERSION) < 0;
    if (!strcmp(argv[i], "--verify-audit")) {
      verify = true;
      if (value && value[0] != '-') file = argv[++i];
      continue;
    }
    if (!value) return usage();
    i++;
    if (!strcmp(argv[i - 1], "--check-policy")) return check_policy(value);
    if (!strcmp(argv[i - 1], "--check-keys")) return check_keys(value);
    if (!strcmp(argv[i - 1], "--check-sites")) return check_sites(value);
    if (!strcmp(argv[i - 1], "--explain")) return explain(value);
    if (!strcmp(argv[i - 1], "--listen")) listen_path = value;
    else if (!strcmp(argv[i - 1], "--state")) config.state = value;
    else if (!strcmp(argv[i - 1], "--policy")) config.policy = value;
    else if (!strcmp(argv[i - 1], "--caller-uid") && parse_number(value, strlen(value), UINT32_MAX - 1, &uid)) config.caller = (uid_t)uid;
    else return usage();
  }
  if (verify) return audit_verify(file);
  /* By hand both are given; else systemd gives the socket and passwd the caller. */
  if ((listen_path != NULL) != (config.caller != (uid_t)-1)) return usage();
  return run(listen_path);
}
