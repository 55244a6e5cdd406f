/*
 * reeve-carry: the bytes of a copy between a job of this host and the agent of another one. See README.md.
 *
 * usage: reeve-carry          (descriptors: 0 the connection to the other agent, 3 to the agent that starts it, 4 to its job)
 *
 * exit codes: 0 the job has ended, or the agent; 1 the other side was refused, and the agent knows; 2 the agent, or the job, broke the rules.
 */
#include "carry.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROVE_MS 10000

int64_t carry_now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void head_of(uint8_t head[HEAD], uint8_t kind, size_t n) {
  n++;
  head[0] = (uint8_t)(n >> 24);
  head[1] = (uint8_t)(n >> 16);
  head[2] = (uint8_t)(n >> 8);
  head[3] = (uint8_t)n;
  head[4] = kind;
}

size_t length_of(const uint8_t head[HEAD]) {
  size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
  return n < 1 || n > PAYLOAD_MAX + 1 ? SIZE_MAX : n - 1;
}

static bool get_all(uint8_t *p, size_t n) {
  while (n > 0) {
    ssize_t got = recv(CONTROL, p, n, 0);
    struct pollfd wait = {CONTROL, POLLIN, 0};
    if (got < 0 && errno == EAGAIN) (void)poll(&wait, 1, -1);
    else if (got < 0 && errno == EINTR) continue;
    else if (got <= 0) return false;
    else p += got, n -= (size_t)got;
  }
  return true;
}

/* The next frame of the agent; false: it has gone, or breaks the rules. */
static bool get_frame(uint8_t *kind, uint8_t payload[PAYLOAD_MAX], size_t *n) {
  uint8_t head[HEAD];
  if (!get_all(head, sizeof head)) return false;
  *kind = head[4];
  *n = length_of(head);
  return *n != SIZE_MAX && get_all(payload, *n);
}

static bool put_frame(uint8_t kind, const char *text) {
  uint8_t frame[HEAD + 300];
  size_t n = strlen(text) < 300 ? strlen(text) : 300;
  head_of(frame, kind, n);
  memcpy(frame + HEAD, text, n);
  return send(CONTROL, frame, HEAD + n, MSG_NOSIGNAL) == (ssize_t)(HEAD + n);
}

/* The value of a field; the payload has a NUL at its end. */
static const char *field(const char *payload, size_t n, const char *key) {
  for (const char *at = payload; at < payload + n; at += strlen(at) + 1) if (!strncmp(at, key, strlen(key)) && at[strlen(key)] == '=') return at + strlen(key) + 1;
  return NULL;
}

static bool parse(const char *payload, size_t n, struct settings *s) {
  const char *role = field(payload, n, "role"), *now = field(payload, n, "now");
  char *end = NULL;
  *s = (struct settings){.uri = field(payload, n, "uri"), .key = field(payload, n, "key"), .private = field(payload, n, "private"), .certificate = field(payload, n, "certificate"), .root = field(payload, n, "root")};
  if (!role || !now || !s->uri || !s->key || !s->private || !s->certificate || !s->root) return false;
  s->server = !strcmp(role, "server");
  s->now = strtoll(now, &end, 10);
  return *now && !*end && s->now > 0 && (s->server || !strcmp(role, "client"));
}

int main(void) {
  static uint8_t payload[PAYLOAD_MAX + 1];
  struct settings s;
  uint8_t kind;
  size_t n;
  char why[300] = "";
  signal(SIGPIPE, SIG_IGN);
  /* The key of the agent is in its memory, and it is of no use without the agent. */
  (void)prctl(PR_SET_DUMPABLE, 0);
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* What stands in the place of a standard input is given in blocking mode, and what else is open was not meant for this program. */
  (void)fcntl(CONN, F_SETFL, O_NONBLOCK);
  (void)syscall(SYS_close_range, JOB + 1u, ~0u, 0u);
  /* Settings of the machine for TLS are not Reeve's. */
  (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
  if (!get_frame(&kind, payload, &n) || kind != K_SETTINGS) return 2;
  payload[n] = 0;
  if (!parse((const char *)payload, n, &s)) return 2;
  SSL *ssl = prove(&s, PROVE_MS, why);
  OPENSSL_cleanse(payload, sizeof payload);
  if (!ssl) return *why && put_frame(K_REFUSED, why) ? 1 : 2;
  bool ok = put_frame(K_CONNECTED, ""), going = false;
  while (ok && !going && get_frame(&kind, payload, &n)) {
    going = kind == K_GO;
    ok = going || (kind == K_TAKEN && pump_taken(payload, n));
  }
  if (ok && going) ok = pump_run(ssl);
  SSL_free(ssl);
  return ok ? 0 : 2;
}
