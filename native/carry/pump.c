/* One loop between the job, the other agent and this one. It reads nothing that it has no room for, so that each side waits for the other. */
#include "carry.h"
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define FROM_ROOM (1u << 20)                  /* also for what the agent had from the job */
#define LAST_MS 10000                         /* how long the last bytes may take to the other side: it may have gone without a word */
#define LOOKS 64                              /* after so many rounds without waiting, whether the agent is still there */

static struct { uint8_t p[FROM_ROOM]; size_t at, n; } from;                 /* of the job, not looked at yet */
static struct { uint8_t p[FRAME_MAX]; size_t at, n; } to, told;             /* to the job, and to the agent */
static struct { uint8_t head[HEAD]; size_t have, left; } frame;             /* of the job, being read */

/* What each way waits for: 0 nothing, else events of poll(2). */
static struct { short tls_read, tls_write, job_read, job_write, told; } waits;

/* peer_ended: nothing more comes from the other side. peer_deaf: nothing goes there any more. job_deaf, job_ended: the same of the job. */
static struct { bool peer_ended, peer_deaf, job_deaf, job_ended, closing, bad; int64_t until; } state;

static void drop_peer(void) {
  ERR_clear_error();
  state.peer_deaf = true;
}

/* What stands between TLS and going on. False: the connection is broken. */
static bool blocked(SSL *ssl, int result, short *wait) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: *wait = POLLIN; return true;
    case SSL_ERROR_WANT_WRITE: *wait = POLLOUT; return true;
    default: return false;
  }
}

/* Tells the other side that no more comes. False: not yet. */
static bool close_peer(SSL *ssl) {
  if (!state.closing && !state.job_ended) state.until = carry_now_ms() + LAST_MS;
  state.closing = true;
  if (state.peer_deaf) return true;
  if (waits.tls_write) return false;
  int done = SSL_shutdown(ssl);
  if (done < 0 && blocked(ssl, done, &waits.tls_write)) return false;
  (void)shutdown(CONN, SHUT_WR);
  drop_peer();
  return true;
}

/* Bytes of the job to the other side. */
static size_t write_peer(SSL *ssl, const uint8_t *p, size_t n) {
  size_t put = 0;
  if (state.peer_deaf || state.closing) return n;
  if (waits.tls_write) return 0;
  int done = SSL_write_ex(ssl, p, n, &put);
  if (done == 1) return put;
  if (!blocked(ssl, done, &waits.tls_write)) drop_peer();
  return state.peer_deaf ? n : 0;
}

/* Takes a head, or a part of it. False: it is not whole, or what it begins has to wait. */
static bool begin_frame(SSL *ssl) {
  size_t n = HEAD - frame.have < from.n - from.at ? HEAD - frame.have : from.n - from.at;
  memcpy(frame.head + frame.have, from.p + from.at, n);
  frame.have += n;
  from.at += n;
  if (frame.have < HEAD) return false;
  size_t length = length_of(frame.head);
  if (length == SIZE_MAX) {
    state.bad = true;
    return false;
  }
  /* The last bytes are on their way before this side says that it has ended. */
  if ((frame.head[4] == K_END || frame.head[4] == K_RESULT) && !close_peer(ssl)) return false;
  if (frame.head[4] != K_DATA && frame.head[4] != K_END) {
    if (told.n > 0) return false;
    memcpy(told.p, frame.head, HEAD);
    told.n = HEAD;
  }
  frame.left = length;
  frame.have = HEAD + 1;
  return true;
}

/* Frames of the job: bytes to the other side, all else to the agent. True: something moved. */
static bool pass_out(SSL *ssl) {
  bool moved = false;
  while (from.at < from.n || frame.have == HEAD) {
    if (frame.have <= HEAD && !begin_frame(ssl)) break;
    size_t n = frame.left < from.n - from.at ? frame.left : from.n - from.at, put = n;
    if (n > 0 && frame.head[4] == K_DATA) put = write_peer(ssl, from.p + from.at, n);
    else if (n > 0 && frame.head[4] != K_END) {
      memcpy(told.p + told.n, from.p + from.at, n);
      told.n += n;
    }
    if (n > 0 && put == 0) break;
    from.at += put;
    frame.left -= put;
    moved = true;
    if (frame.left == 0) frame.have = 0;
    else if (from.at == from.n) break;
  }
  if (from.at == from.n) from.at = from.n = 0;
  return moved;
}

static bool read_job(void) {
  if (state.job_ended || waits.job_read) return false;
  if (from.n == FROM_ROOM || from.at > FROM_ROOM / 2) {
    memmove(from.p, from.p + from.at, from.n - from.at);
    from.n -= from.at;
    from.at = 0;
  }
  if (FROM_ROOM - from.n < FRAME_MAX || from.n - from.at >= 4 * FRAME_MAX) return false;
  ssize_t got = recv(JOB, from.p + from.n, 4 * FRAME_MAX < FROM_ROOM - from.n ? 4 * FRAME_MAX : FROM_ROOM - from.n, MSG_DONTWAIT);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) {
    waits.job_read = POLLIN;
    return false;
  }
  if (got <= 0) {
    if (!state.closing) state.until = carry_now_ms() + LAST_MS;
    state.job_ended = true;
  } else from.n += (size_t)got;
  return true;
}

/* Bytes of the other side, as many as there are, into one frame for the job. */
static bool read_peer(SSL *ssl) {
  size_t n = 0;
  if (to.n > 0 || state.peer_ended || waits.tls_read) return false;
  while (n < PAYLOAD_MAX) {
    size_t got = 0;
    int done = SSL_read_ex(ssl, to.p + HEAD + n, PAYLOAD_MAX - n, &got);
    n += got;
    if (done == 1) continue;
    if (!blocked(ssl, done, &waits.tls_read)) {
      ERR_clear_error();
      state.peer_ended = true;
    }
    break;
  }
  if (n > 0) {
    head_of(to.p, K_DATA, n);
    to.n = HEAD + n;
  }
  return n > 0 || state.peer_ended;
}

static bool write_job(void) {
  static bool end_told;
  if (to.n == 0 && state.peer_ended && !end_told) {
    /* A side that has gone without a word has ended, too: rsync is to hear of it. */
    head_of(to.p, K_END, 0);
    to.n = HEAD;
    end_told = true;
  }
  if (state.job_deaf) to.at = to.n = 0;
  if (to.n == 0 || waits.job_write) return false;
  ssize_t put = send(JOB, to.p + to.at, to.n - to.at, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put < 0 && errno == EINTR) return true;
  if (put < 0 && errno == EAGAIN) {
    waits.job_write = POLLOUT;
    return false;
  }
  /* It has ended: what still comes for it is taken and dropped, so that the other side gets to its end. */
  if (put < 0) state.job_deaf = true;
  else if ((to.at += (size_t)put) == to.n) to.at = to.n = 0;
  return true;
}

/* False: the agent has gone. */
static bool tell(bool *moved) {
  if (told.n == 0 || waits.told || (frame.have > HEAD && frame.head[4] != K_DATA && frame.head[4] != K_END && frame.left > 0)) return true;
  ssize_t put = send(CONTROL, told.p + told.at, told.n - told.at, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put < 0 && errno == EINTR) return true;
  if (put < 0 && errno == EAGAIN) {
    waits.told = POLLOUT;
    return true;
  }
  if (put < 0) return false;
  if ((told.at += (size_t)put) == told.n) told.at = told.n = 0;
  return *moved = true;
}

/* Waits for what holds everything up, or only looks. False: the agent has gone. */
static bool look(bool wait) {
  struct pollfd f[3] = {{CONN, (short)(waits.tls_read | waits.tls_write), 0}, {JOB, (short)(waits.job_read | waits.job_write), 0}, {CONTROL, (short)(waits.told | POLLRDHUP), 0}};
  int timeout = wait ? -1 : 0;
  /* An end of which nothing is wanted would only say over and over that it has hung up. */
  for (int i = 0; i < 2; i++) if (!f[i].events) f[i].fd = -1;
  if ((state.closing || state.job_ended) && !state.peer_deaf) {
    int64_t left = state.until - carry_now_ms();
    if (left <= 0) drop_peer();
    if (wait) timeout = left > 0 ? (int)left : 0;
  }
  if (poll(f, 3, timeout) < 0) return errno == EINTR;
  if (f[2].revents & (POLLRDHUP | POLLHUP | POLLERR)) return false;
  const short broken = POLLHUP | POLLERR;
  if (f[0].revents & (broken | waits.tls_read)) waits.tls_read = 0;
  if (f[0].revents & (broken | waits.tls_write)) waits.tls_write = 0;
  if (f[1].revents & (broken | POLLIN)) waits.job_read = 0;
  if (f[1].revents & (broken | POLLOUT)) waits.job_write = 0;
  if (f[2].revents & POLLOUT) waits.told = 0;
  return true;
}

bool pump_taken(const uint8_t *p, size_t n) {
  if (n > FROM_ROOM - from.n) return false;
  memcpy(from.p + from.n, p, n);
  from.n += n;
  return true;
}

bool pump_run(SSL *ssl) {
  for (unsigned round = 0;; round++) {
    bool moved = pass_out(ssl);
    if (state.bad) return false;
    moved |= read_peer(ssl);
    moved |= write_job();
    moved |= read_job();
    if (!tell(&moved)) return true;
    /* What it said last may be half a frame. */
    if (state.job_ended && from.at == from.n && (told.n == 0 || frame.left > 0)) return true;
    if ((!moved || round % LOOKS == 0) && !look(!moved)) return true;
  }
}
