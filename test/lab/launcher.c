/*
 * Starts programs in the hosts of a lab for a test's process, which is large and would be copied anew for each of them, and which would need two programs more to
 * get into a host. Requests on standard input, events on standard output, each behind its length (4 bytes, little-endian as all numbers here):
 *   request: number, pid of the host's first process, 1 where the host has a user namespace of its own (4 bytes each); control group, folder, count and
 *            arguments, count and environment, each text ended by a zero byte, counts of 4 bytes; the rest is standard input
 *   event:   number, kind (4 bytes each), then 0 started: its pid; 1 and 2: output and errors; 3 ended: its exit code
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 256, REQUEST_MAX = 256 << 20, CHUNK = 64 << 10 };
enum { STARTED, OUTPUT, ERRORS, ENDED };

struct job {
  uint32_t number, code;
  pid_t pid;
  int in, out[2];  /* -1: closed */
  bool ended;
  char *request;
  const char *input;
  size_t input_left;
};
static struct job jobs[JOBS];

static void die(const char *what) {
  perror(what);
  _exit(1);
}

static void write_all(const void *p, size_t n) {
  for (const char *at = p; n > 0;) {
    ssize_t put = write(1, at, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) _exit(1);
    at += put;
    n -= (size_t)put;
  }
}

static void tell(uint32_t number, uint32_t kind, const void *p, size_t n) {
  uint32_t head[3] = {(uint32_t)n + 8, number, kind};
  write_all(head, sizeof head);
  write_all(p, n);
}

/* Exactly n bytes; false at the end of the input. */
static bool read_all(void *p, size_t n) {
  for (char *at = p; n > 0;) {
    ssize_t got = read(0, at, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    n -= (size_t)got;
  }
  return true;
}

static uint32_t take_number(const char **at) {
  uint32_t value;
  memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

static char *take_text(const char **at) {
  char *text = (char *)*at;
  *at += strlen(text) + 1;
  return text;
}

static char **take_list(const char **at) {
  uint32_t count = take_number(at);
  char **list = calloc(count + 1u, sizeof *list);
  if (!list) die("calloc");
  for (uint32_t i = 0; i < count; i++) list[i] = take_text(at);
  return list;
}

static void refuse(const char *what, int code) {
  dprintf(2, "lab: %s: %s\n", what, strerror(errno));
  _exit(code);
}

/* Into the host, and there the program; the caller stays outside, as its parent, and ends as it ends. */
static void run_in_host(pid_t leader, bool user, const char *cgroup, const char *folder, char **argv, char **env) {
  char path[4096];
  setsid();
  snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
  int group = open(path, O_WRONLY | O_CLOEXEC);
  if (group < 0 || write(group, "0", 1) != 1) refuse(path, 1);
  close(group);
  int host = (int)syscall(SYS_pidfd_open, leader, 0);
  if (host < 0) refuse("the host is off", 1);
  if (user && setns(host, CLONE_NEWUSER)) refuse("user namespace", 1);
  if (setns(host, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP)) refuse("namespaces", 1);
  if (user && (setgid(0) || setuid(0))) refuse("setuid", 1);
  close(host);
  pid_t pid = fork();
  if (pid < 0) refuse("fork", 1);
  if (pid == 0) {
    environ = env;
    if (chdir(folder)) refuse(folder, 125);
    execvp(argv[0], argv);
    refuse(argv[0], errno == ENOENT ? 127 : 126);
  }
  /* Output has ended when the program has closed it. */
  for (int fd = 0; fd < 3; fd++) close(fd);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) kill(getpid(), SIGKILL);
  _exit(WEXITSTATUS(status));
}

static void start(char *request) {
  const char *at = request;
  uint32_t length = take_number(&at), number = take_number(&at), leader = take_number(&at), user = take_number(&at);
  const char *cgroup = take_text(&at), *folder = take_text(&at);
  char **argv = take_list(&at), **env = take_list(&at);
  struct job *job = jobs;
  while (job < jobs + JOBS && job->request) job++;
  int in[2], out[2], err[2];
  if (job == jobs + JOBS || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) die("too many programs");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(125);
    run_in_host((pid_t)leader, user == 1, cgroup, folder, argv, env);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  free(argv);
  free(env);
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  *job = (struct job){.number = number, .pid = pid, .in = in[1], .out = {out[0], err[0]}, .request = request, .input = at, .input_left = (size_t)(request + 4 + length - at)};
  uint32_t told = (uint32_t)pid;
  tell(number, STARTED, &told, sizeof told);
}

static void feed(struct job *job) {
  while (job->input_left > 0) {
    ssize_t put = write(job->in, job->input, job->input_left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put <= 0) break;
    job->input += put;
    job->input_left -= (size_t)put;
  }
  close(job->in);
  job->in = -1;
}

static void drain(struct job *job, int which) {
  static char chunk[CHUNK];
  ssize_t got = read(job->out[which], chunk, sizeof chunk);
  if (got < 0 && errno == EINTR) return;
  if (got > 0) {
    tell(job->number, which == 0 ? OUTPUT : ERRORS, chunk, (size_t)got);
    return;
  }
  close(job->out[which]);
  job->out[which] = -1;
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (struct job *job = jobs; job < jobs + JOBS; job++) {
      if (!job->request || job->ended || job->pid != pid) continue;
      job->ended = true;
      job->code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128 + SIGKILL;
    }
  }
}

/* Ended, and all that it wrote was passed on. */
static void finish(void) {
  for (struct job *job = jobs; job < jobs + JOBS; job++) {
    if (!job->request || !job->ended || job->out[0] >= 0 || job->out[1] >= 0) continue;
    if (job->in >= 0) close(job->in);
    tell(job->number, ENDED, &job->code, sizeof job->code);
    free(job->request);
    job->request = NULL;
  }
}

int main(void) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  signal(SIGPIPE, SIG_IGN);
  int ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (ended < 0) die("signalfd");
  for (;;) {
    struct pollfd fds[2 + 3 * JOBS] = {{0, POLLIN, 0}, {ended, POLLIN, 0}};
    for (int i = 0; i < JOBS; i++) {
      struct job *job = &jobs[i];
      struct pollfd *of = fds + 2 + 3 * i;
      of[0] = (struct pollfd){job->request ? job->in : -1, POLLOUT, 0};
      for (int which = 0; which < 2; which++) of[1 + which] = (struct pollfd){job->request ? job->out[which] : -1, POLLIN, 0};
    }
    if (poll(fds, 2 + 3 * JOBS, -1) < 0 && errno != EINTR) die("poll");
    for (int i = 0; i < JOBS; i++) {
      const struct pollfd *of = fds + 2 + 3 * i;
      if (of[0].revents) feed(&jobs[i]);
      for (int which = 0; which < 2; which++) if (of[1 + which].revents) drain(&jobs[i], which);
    }
    struct signalfd_siginfo info;
    while (read(ended, &info, sizeof info) == sizeof info) continue;
    reap();
    finish();
    if (!fds[0].revents) continue;
    uint32_t length;
    if (!read_all(&length, sizeof length)) return 0;
    char *request = length > REQUEST_MAX ? NULL : malloc(length + 5u);
    if (!request) die("request");
    memcpy(request, &length, sizeof length);
    request[length + 4] = 0;
    if (!read_all(request + 4, length)) return 0;
    start(request);
  }
}
