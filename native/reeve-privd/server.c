/* The parent: accepts, knows its caller by SO_PEERCRED, forks one child per request, reads nothing itself. */
#include "reeve.h"
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LEAVE_MS 1000

static int queue[QUEUE_MAX];
static size_t queued;
static int64_t stranger_at_ms = -1000;
static const uint8_t zero[OP_BYTES];

/* Refused connections stay open for a moment: closing one with unread bytes in it could cost the caller the answer. */
static struct { int conn; int64_t at_ms; } leaving[16];
static size_t nleaving;

static void leave_old(int64_t before_ms) {
  size_t keep = 0;
  for (size_t i = 0; i < nleaving; i++) {
    if (leaving[i].at_ms <= before_ms) close(leaving[i].conn);
    else leaving[keep++] = leaving[i];
  }
  nleaving = keep;
}

static void leave(int conn) {
  if (nleaving == sizeof leaving / sizeof *leaving) leave_old(leaving[0].at_ms);
  shutdown(conn, SHUT_WR);
  leaving[nleaving].conn = conn;
  leaving[nleaving++].at_ms = now_ms();
}

bool send_all(int fd, const uint8_t *p, size_t n, int deadline_ms) {
  int64_t deadline = now_ms() + deadline_ms;
  while (n > 0) {
    ssize_t put = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0) {
      p += put;
      n -= (size_t)put;
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno != EAGAIN) return false;
    struct pollfd wait = {fd, POLLOUT, 0};
    int64_t left = deadline - now_ms();
    if (left <= 0 || poll(&wait, 1, (int)left) == 0) return false;
  }
  return true;
}

/* An error without a request behind it (BUSY), or for a child that the filter killed. Never waits. */
static void reply_error(int conn, uint16_t status, const struct slot *slot) {
  struct call c;
  struct buf out;
  call_init(&c);
  buf_init(&out, 4096);
  if (status == REEVE_E_BUSY) fail(&c, status, "rule", "8 requests run and 32 wait", NULL);
  bool named = slot && slot->named;
  frame_reply(&out, named ? slot->verb : 0, named ? slot->op : zero, status, &c.errors);
  (void)send_all(conn, out.p, out.n, 0);
  buf_free(&out);
  call_free(&c);
}

static void refuse(int conn) {
  reply_error(conn, REEVE_E_BUSY, NULL);
  leave(conn);
}

static bool is_caller(int conn) {
  struct ucred peer;
  socklen_t n = sizeof peer;
  if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &n) || n != sizeof peer) return false;
  if (peer.uid == config.caller) return true;
  if (now_ms() - stranger_at_ms >= 1000) {
    stranger_at_ms = now_ms();
    struct audit_record r = {AUDIT_REFUSED, peer.uid, zero, "connect", "", NULL, REEVE_E_IDENTITY_REFUSED};
    (void)audit_append(&r, false);
    log_line("a connection of uid %u was closed: only uid %u is answered", peer.uid, config.caller);
  }
  return false;
}

static struct slot *free_slot(void) {
  for (int i = 0; i < CHILDREN_MAX; i++) if (shared->slots[i].pid == 0) return &shared->slots[i];
  return NULL;
}

static int active(void) {
  int n = 0;
  for (int i = 0; i < CHILDREN_MAX; i++) n += shared->slots[i].pid != 0;
  return n;
}

static void start(struct slot *slot, int conn) {
  memset(slot, 0, sizeof *slot);
  slot->conn = conn;
  pid_t pid = fork();
  if (pid == 0) child_main(conn, slot);
  if (pid < 0) refuse(conn);
  else slot->pid = pid;
}

static void take(int conn) {
  struct slot *slot;
  if (!is_caller(conn)) close(conn);
  else if ((slot = free_slot())) start(slot, conn);
  else if (queued < QUEUE_MAX) queue[queued++] = conn;
  else refuse(conn);
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (int i = 0; i < CHILDREN_MAX; i++) {
      struct slot *slot = &shared->slots[i];
      if (slot->pid != pid) continue;
      if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS && !slot->replied) reply_error(slot->conn, REEVE_E_SANDBOX_VIOLATION, slot);
      if (WIFSIGNALED(status)) log_line("a child ended by signal %d", WTERMSIG(status));
      close(slot->conn);
      slot->pid = 0;
      if (queued == 0) continue;
      int conn = queue[0];
      memmove(queue, queue + 1, --queued * sizeof *queue);
      start(slot, conn);
    }
  }
}

/* Serves until a signal, or until idle for 60 s when systemd starts us on demand. */
int serve(int listener) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int sigfd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (sigfd < 0 || fcntl(listener, F_SETFL, O_NONBLOCK) || fcntl(listener, F_SETFD, FD_CLOEXEC)) return 1;
  while (!shared->stopping || active() > 0) {
    struct pollfd p[2] = {{sigfd, POLLIN, 0}, {shared->stopping ? -1 : listener, POLLIN, 0}};
    bool idle = config.activated && active() == 0 && queued == 0;
    int n = poll(p, 2, nleaving ? LEAVE_MS : idle ? IDLE_EXIT_MS : -1);
    if (n < 0 && errno != EINTR) return 1;
    if (n == 0 && nleaving == 0) break;
    leave_old(now_ms() - LEAVE_MS);
    struct signalfd_siginfo info;
    while (n > 0 && read(sigfd, &info, sizeof info) == sizeof info) if (info.ssi_signo != SIGCHLD) shared->stopping = true;
    while (shared->stopping && queued > 0) close(queue[--queued]);
    reap();
    if (n > 0 && p[1].revents) {
      int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (conn >= 0) take(conn);
      else if (errno == EMFILE || errno == ENFILE) poll(NULL, 0, 100);
    }
  }
  close(sigfd);
  return 0;
}
