/* One loop between the agent's connection and rsync's descriptors. It reads nothing that it has no room for, so that each side waits for the other. */
#include "pump.h"
#include <poll.h>
#include <sys/socket.h>

#define HEAD 5u
#define OUT_ROOM (512u << 10)
#define TICK_MS 1000
#define ENOUGH (HEAD + PAYLOAD_MAX)

static struct { uint8_t p[OUT_ROOM]; size_t at, n; } out;                                /* on its way to the agent */
static struct { uint8_t p[PAYLOAD_MAX]; size_t at, n, left; uint8_t head[HEAD]; size_t have; bool data, ended; } in;   /* on its way to rsync */

static void head_of(uint8_t head[HEAD], enum frame kind, size_t n) {
  n++;
  head[0] = (uint8_t)(n >> 24);
  head[1] = (uint8_t)(n >> 16);
  head[2] = (uint8_t)(n >> 8);
  head[3] = (uint8_t)n;
  head[4] = (uint8_t)kind;
}

static size_t room(void) {
  if (out.at > 0 && OUT_ROOM - out.n < ENOUGH) {
    memmove(out.p, out.p + out.at, out.n - out.at);
    out.n -= out.at;
    out.at = 0;
  }
  return OUT_ROOM - out.n;
}

/* False: the agent has gone. */
static bool flush(void) {
  while (out.at < out.n) {
    ssize_t put = send(CONN, out.p + out.at, out.n - out.at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return true;
    if (put <= 0) return false;
    out.at += (size_t)put;
  }
  out.at = out.n = 0;
  return true;
}

/* A small frame: when there is no room, the agent is waited for. */
static bool emit(enum frame kind, const void *p, size_t n) {
  while (room() < HEAD + n) {
    struct pollfd wait = {CONN, POLLOUT, 0};
    (void)poll(&wait, 1, TICK_MS);
    if (!flush()) return false;
  }
  head_of(out.p + out.n, kind, n);
  memcpy(out.p + out.n + HEAD, p, n);
  out.n += HEAD + n;
  return true;
}

static void end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* From rsync to the agent: read straight into the frame. */
static void take_out(struct pump *p) {
  if (room() < ENOUGH) return;
  ssize_t got = read(p->out, out.p + out.n + HEAD, PAYLOAD_MAX);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    end(&p->out);
    (void)emit(F_END, "", 0);
    return;
  }
  head_of(out.p + out.n, F_DATA, (size_t)got);
  out.n += HEAD + (size_t)got;
}

/* To rsync: as much as it takes of what is there. A side that has ended takes all. */
static void give_in(struct pump *p) {
  while (in.at < in.n) {
    if (in.have < HEAD) {
      size_t n = HEAD - in.have < in.n - in.at ? HEAD - in.have : in.n - in.at;
      memcpy(in.head + in.have, in.p + in.at, n);
      in.have += n;
      in.at += n;
      if (in.have < HEAD) return;
      in.left = frame_length(in.head) - 1;
      in.data = in.head[4] == F_DATA && in.left <= PAYLOAD_MAX;
      if (in.head[4] == F_END || in.left > PAYLOAD_MAX) in.ended = true;
    }
    size_t n = in.left < in.n - in.at ? in.left : in.n - in.at;
    ssize_t put = (ssize_t)n;
    if (n > 0 && in.data && p->in >= 0) put = write(p->in, in.p + in.at, n);
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0 && errno != EINTR) end(&p->in);
    if (put > 0) {
      in.at += (size_t)put;
      in.left -= (size_t)put;
    }
    if (in.left == 0) in.have = 0;
  }
  in.at = in.n = 0;
  if (in.ended) {
    end(&p->in);
    end(&p->hands);
  }
}

/* False: the agent has gone. */
static bool take_in(struct pump *p) {
  ssize_t got = recv(CONN, in.p, sizeof in.p, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) return false;
  in.at = 0;
  in.n = (size_t)got;
  give_in(p);
  return true;
}

static void take_text(struct pump *p, int *fd, bool print) {
  char text[8192];
  ssize_t got = read(*fd, text, sizeof text);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    end(fd);
    return;
  }
  if (print) teller_out(&p->teller, text, (size_t)got);
  else teller_err(&p->teller, text, (size_t)got);
}

/* Two descriptors that the remote shell has: its standard input and output. */
static void take_hands(struct pump *p) {
  char byte;
  union { struct cmsghdr head; char room[CMSG_SPACE(2 * sizeof(int))]; } control;
  struct iovec one = {&byte, 1};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(p->hands, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
    end(&p->hands);
    return;
  }
  int fds[2];
  memcpy(fds, CMSG_DATA(head), sizeof fds);
  /* What rsync writes for the other side is the standard input of its remote shell. */
  p->out = fds[0];
  p->in = fds[1];
  (void)fcntl(p->out, F_SETFL, O_NONBLOCK);
  (void)fcntl(p->in, F_SETFL, O_NONBLOCK);
}

/* False: the agent has gone. */
static bool once(struct pump *p, bool waiting_for_hands, int wait_ms) {
  bool give = in.at < in.n && p->in >= 0;
  struct pollfd f[6] = {
    {CONN, (short)((in.at < in.n ? 0 : POLLIN) | (out.at < out.n ? POLLOUT : 0) | POLLRDHUP), 0},
    {room() >= ENOUGH ? p->out : -1, POLLIN, 0},
    {give ? p->in : -1, POLLOUT, 0},
    {p->err, POLLIN, 0},
    {p->print, POLLIN, 0},
    {waiting_for_hands || p->hands < 0 ? p->hands : -1, POLLIN, 0},
  };
  /* Before rsync has a way to take bytes there is nobody to give them to. */
  if (waiting_for_hands) f[0].events &= (short)~POLLIN;
  if (poll(f, 6, wait_ms) < 0) return errno == EINTR;
  if (f[0].revents & (POLLERR | POLLHUP | POLLRDHUP)) return false;
  if (f[5].revents) take_hands(p);
  if (f[1].revents) take_out(p);
  if (f[2].revents) give_in(p);
  if (f[3].revents) take_text(p, &p->err, false);
  if (f[4].revents) take_text(p, &p->print, true);
  /* Without rsync there is nobody for whom its remote shell, which has rsync's standard error, should stay. */
  if (p->print < 0) end(&p->hands);
  if (f[0].revents & POLLIN && !take_in(p)) return false;
  return flush();
}

static bool tick(struct pump *p) {
  struct buf b;
  buf_init(&b, 4096);
  struct teller *t = &p->teller;
  say_number(&b, "files", t->files);
  say_number(&b, "files-total", t->total);
  say_number(&b, "bytes", t->bytes);
  say_number(&b, "rate", t->rate);
  say_number(&b, "percent", t->percent);
  say_number(&b, "remaining", teller_remaining(t));
  bool ok = emit(F_PROGRESS, b.p, b.n) && flush();
  buf_free(&b);
  return ok;
}

bool pump_emit(enum frame kind, const void *p, size_t n) { return emit(kind, p, n); }

void pump_run(struct pump *p, int64_t deadline_ms, bool client) {
  int64_t next = job_now_ms() + TICK_MS;
  bool waiting = client;
  while (p->out >= 0 || p->err >= 0 || p->print >= 0 || (waiting && p->hands >= 0)) {
    int64_t now = job_now_ms();
    if (now >= deadline_ms) {
      p->o->late = true;
      return;
    }
    if (client && now >= next) {
      teller_rate(&p->teller, now);
      if (!tick(p)) p->o->gone = true;
      next = now + TICK_MS;
    }
    if (p->o->gone || !once(p, waiting, client ? (int)(next - now) : TICK_MS)) {
      p->o->gone = true;
      return;
    }
    if (waiting && (p->out >= 0 || p->hands < 0)) waiting = false;
  }
  /* All that rsync has said is on its way before the result. */
  while (out.at < out.n) {
    struct pollfd wait = {CONN, POLLOUT, 0};
    (void)poll(&wait, 1, TICK_MS);
    if (!flush()) {
      p->o->gone = true;
      return;
    }
  }
}
