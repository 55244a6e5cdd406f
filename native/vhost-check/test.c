/* One run of nginx -t. */
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define NOT_SET_UP 126

static long long clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void child(const struct test *t, int out) {
  static char *const argv[] = {(char[]){NGINX}, (char[]){"-t"}, (char[]){"-c"}, (char[]){NGINX_MAIN}, NULL};
  static char *const envp[] = {(char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, (char[]){"LC_ALL=C"}, NULL};
  char why[200];
  setpgid(0, 0);
  if (!see_less(t, why)) {
    (void)!write(out, why, strlen(why));
    _exit(NOT_SET_UP);
  }
  int null = open("/dev/null", O_RDWR);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(NOT_SET_UP);
  execve(NGINX, argv, envp);
  _exit(NOT_SET_UP);
}

bool run_test(const struct test *t, char output[OUTPUT_MAX], int *code, char why[200]) {
  int ends[2], status = 0;
  size_t used = 0;
  char scrap[4096];
  if (pipe2(ends, O_CLOEXEC)) return snprintf(why, 200, "no pipe"), false;
  pid_t pid = fork();
  if (pid == 0) child(t, ends[1]);
  close(ends[1]);
  long long deadline = clock_ms() + TEST_MS;
  bool late = false;
  for (ssize_t got = 1; pid > 0 && got != 0;) {
    struct pollfd p = {ends[0], POLLIN, 0};
    long long left = deadline - clock_ms();
    late = left <= 0;
    if (late) break;
    if (poll(&p, 1, (int)left) <= 0) continue;
    got = read(ends[0], scrap, sizeof scrap);
    size_t room = OUTPUT_MAX - 1 - used, n = got < 0 ? 0 : (size_t)got > room ? room : (size_t)got;
    memcpy(output + used, scrap, n);
    used += n;
  }
  output[used] = 0;
  close(ends[0]);
  if (pid > 0 && late) kill(-pid, SIGKILL);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (pid < 0) snprintf(why, 200, "no process");
  else if (late) snprintf(why, 200, "nginx -t did not end within %d s", TEST_MS / 1000);
  else if (*code == NOT_SET_UP) snprintf(why, 200, "%.190s", *output ? output : "nginx cannot be started");
  else if (*code < 0) snprintf(why, 200, "nginx -t was killed by signal %d", WTERMSIG(status));
  else return true;
  return false;
}
