/* Sends a file of messages to a Unix socket, each over a connection of its own, many at once, and counts what comes back.
 * flood SOCKET FILE THREADS; the file holds {u32 big endian length, bytes}... Prints "NAME COUNT" lines. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_AT 24u /* length 4, version 2, verb 2, operation id 16 */

static const uint8_t *file;
static size_t size, at;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static atomic_ulong answered, closed_dry, not_connected, statuses[65536];

static const uint8_t *next_message(size_t *n) {
  const uint8_t *message = NULL;
  pthread_mutex_lock(&turn);
  if (size - at >= 4) {
    *n = (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 | (size_t)file[at + 2] << 8 | file[at + 3];
    message = file + at + 4;
    at += 4 + *n;
  }
  pthread_mutex_unlock(&turn);
  return message;
}

static void converse(int fd, const uint8_t *message, size_t n) {
  uint8_t head[STATUS_AT + 2], scrap[4096];
  size_t got = 0;
  while (n > 0) {
    ssize_t put = send(fd, message, n, MSG_NOSIGNAL);
    if (put <= 0) break;
    message += put;
    n -= (size_t)put;
  }
  shutdown(fd, SHUT_WR);
  for (ssize_t r; (r = recv(fd, got < sizeof head ? head + got : scrap, got < sizeof head ? sizeof head - got : sizeof scrap, 0)) > 0;) got += (size_t)r;
  if (got == 0) closed_dry++;
  else answered++;
  if (got >= sizeof head) statuses[head[STATUS_AT] << 8 | head[STATUS_AT + 1]]++;
}

static void *worker(void *unused) {
  size_t n;
  for (const uint8_t *message; (message = next_message(&n));) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) not_connected++;
    else converse(fd, message, n);
    if (fd >= 0) close(fd);
  }
  return unused;
}

int main(int argc, char **argv) {
  struct stat st;
  int fd = argc == 4 ? open(argv[2], O_RDONLY) : -1;
  if (fd < 0 || fstat(fd, &st) || strlen(argv[1]) >= sizeof address.sun_path) {
    fprintf(stderr, "usage: flood SOCKET FILE THREADS\n");
    return 2;
  }
  strcpy(address.sun_path, argv[1]);
  size = (size_t)st.st_size;
  file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (file == MAP_FAILED) return 1;
  int count = atoi(argv[3]);
  pthread_t threads[256];
  if (count < 1 || count > 256) return 2;
  for (int i = 0; i < count; i++) if (pthread_create(&threads[i], NULL, worker, NULL)) return 1;
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  printf("answered %lu\nclosed %lu\nunconnected %lu\n", answered, closed_dry, not_connected);
  for (int i = 0; i < 65536; i++) if (statuses[i]) printf("status-%d %lu\n", i, statuses[i]);
  return 0;
}
