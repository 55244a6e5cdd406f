/* Waits until something takes connections: what stands before a container that sleeps gives it its first one only then. */
#include "container.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#define EVERY_MS 50
#define MOST_S 3600
#define USAGE 2

static bool address_of(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *n) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    memcpy(out, &v4, sizeof v4);
    *n = sizeof v4;
    return true;
  }
  memcpy(out, &v6, *n = sizeof v6);
  return inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)out)->sin6_addr) == 1;
}

/* One try. A container that has no address yet answers nothing at all, so that each has its own end. */
static bool taken(const struct sockaddr_storage *to, socklen_t n, int ms) {
  int problem = 0;
  socklen_t size = sizeof problem;
  AUTO_FD fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  if (!connect(fd, (const struct sockaddr *)to, n)) return true;
  struct pollfd wait = {fd, POLLOUT, 0};
  return errno == EINPROGRESS && poll(&wait, 1, ms) == 1 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) && problem == 0;
}

int wait_main(int argc, char **argv) {
  struct sockaddr_storage to;
  socklen_t n;
  uint64_t port, seconds;
  if (argc != 5 || !parse_number(argv[3], strlen(argv[3]), 65535, &port) || port == 0 || !parse_number(argv[4], strlen(argv[4]), MOST_S, &seconds) || !address_of(argv[2], (uint16_t)port, &to, &n)) {
    fprintf(stderr, "usage: reeve-container wait ADDRESS PORT SECONDS\n");
    return USAGE;
  }
  for (int64_t until = job_now_ms() + (int64_t)seconds * 1000; ;) {
    if (taken(&to, n, 1000)) return 0;
    if (job_now_ms() >= until) break;
    (void)poll(NULL, 0, EVERY_MS);
  }
  fprintf(stderr, "nothing took connections at %s port %s within %s s\n", argv[2], argv[3], argv[4]);
  return 1;
}
