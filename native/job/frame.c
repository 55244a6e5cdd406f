/* Frames to and from the agent, and fields in them. */
#include "job.h"
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#define LINGER_MS 10000

int64_t job_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool put_all(const uint8_t *p, size_t n) {
  while (n > 0) {
    ssize_t put = send(CONN, p, n, MSG_NOSIGNAL);
    if (put < 0 && errno == EAGAIN) {
      struct pollfd wait = {CONN, POLLOUT, 0};
      (void)poll(&wait, 1, -1);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    p += put;
    n -= (size_t)put;
  }
  return true;
}

bool put_frame(enum frame kind, const void *p, size_t n) {
  uint8_t head[5] = {(uint8_t)((n + 1) >> 24), (uint8_t)((n + 1) >> 16), (uint8_t)((n + 1) >> 8), (uint8_t)(n + 1), (uint8_t)kind};
  return n <= PAYLOAD_MAX && put_all(head, sizeof head) && put_all(p, n);
}

void say_bytes(struct buf *b, const char *key, const void *p, size_t n) {
  buf_put(b, key, strlen(key));
  buf_put(b, "=", 1);
  buf_put(b, p, n);
  buf_put(b, "", 1);
}

void say(struct buf *b, const char *key, const char *value) { say_bytes(b, key, value, strlen(value)); }

void say_number(struct buf *b, const char *key, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  say(b, key, text);
}

bool put_fields(enum frame kind, struct buf *b) {
  bool ok = !b->full && put_frame(kind, b->p, b->n);
  b->n = 0;
  b->full = false;
  return ok;
}

size_t frame_length(const uint8_t head[4]) { return (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]; }

/* Waits for all of it; 0: the agent has gone. */
static int get_all(uint8_t *p, size_t n) {
  while (n > 0) {
    ssize_t got = recv(CONN, p, n, 0);
    if (got < 0 && errno == EAGAIN) {
      struct pollfd wait = {CONN, POLLIN, 0};
      (void)poll(&wait, 1, -1);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    p += got;
    n -= (size_t)got;
  }
  return 1;
}

int get_frame(enum frame *kind, uint8_t payload[PAYLOAD_MAX], size_t *n) {
  uint8_t head[5];
  if (!get_all(head, sizeof head)) return 0;
  size_t length = frame_length(head);
  if (length < 1 || length > PAYLOAD_MAX + 1) return -1;
  *kind = (enum frame)head[4];
  *n = length - 1;
  return get_all(payload, *n) ? 1 : 0;
}

bool agent_gone(void) {
  struct pollfd wait = {CONN, POLLIN | POLLRDHUP, 0};
  return poll(&wait, 1, 0) > 0 && (wait.revents & (POLLHUP | POLLERR | POLLRDHUP));
}

/* What the agent still sends is taken and thrown away: it would lose the result with a connection that breaks while it writes. */
int job_leave(int code) {
  static uint8_t part[PAYLOAD_MAX];
  struct pollfd wait = {CONN, POLLIN, 0};
  if (code == 0) return code;
  (void)shutdown(CONN, SHUT_WR);
  for (int64_t until = job_now_ms() + LINGER_MS; job_now_ms() < until && poll(&wait, 1, LINGER_MS) > 0 && recv(CONN, part, sizeof part, 0) > 0;) continue;
  return code;
}

static const char *value_of(const char *at, const char *key, size_t n) { return !strncmp(at, key, n) && at[n] == '=' ? at + n + 1 : NULL; }

const char *field_after(const struct fields *f, const char *key, const char *before) {
  size_t n = strlen(key);
  const char *at = before ? before + strlen(before) + 1 : f->p;
  for (const char *end = f->p + f->n; at < end; at += strlen(at) + 1) {
    const char *value = value_of(at, key, n);
    if (value) return value;
  }
  return NULL;
}

const char *field(const struct fields *f, const char *key) { return field_after(f, key, NULL); }

bool field_number(const struct fields *f, const char *key, uint64_t max, uint64_t *out) {
  const char *text = field(f, key);
  uint64_t sum = 0;
  if (!text || !*text || strlen(text) > 19) return false;
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9') return false;
    sum = sum * 10 + (uint64_t)(*at - '0');
  }
  *out = sum;
  return sum <= max;
}

bool field_flag(const struct fields *f, const char *key) {
  const char *text = field(f, key);
  return text && !strcmp(text, "1");
}
