/* An attacker and a careless victim of symbolic-link races in one folder.
 * flip attack A B          exchanges two names as fast as it can until its input ends; prints "flips COUNT"
 * flip naive A TRASH N     N times: lstat A, and when it is a folder rename it to TRASH and chown it by name, then put it back. Prints "moves" and "escapes" */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_bool stop;

static void *await_end(void *unused) {
  char c;
  while (read(0, &c, 1) > 0) continue;
  stop = true;
  return unused;
}

static int attack(const char *a, const char *b) {
  pthread_t waiter;
  unsigned long flips = 0;
  if (pthread_create(&waiter, NULL, await_end, NULL)) return 1;
  while (!stop) flips += !renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
  printf("flips %lu\n", flips);
  return 0;
}

static int naive(const char *a, const char *trash, long count) {
  unsigned long moves = 0, escapes = 0;
  for (long i = 0; i < count; i++) {
    struct stat st;
    if (lstat(a, &st) || !S_ISDIR(st.st_mode) || rename(a, trash)) continue;
    moves++;
    (void)!chown(trash, st.st_uid, st.st_gid);
    if (!lstat(trash, &st) && !S_ISDIR(st.st_mode)) escapes++;
    if (rename(trash, a)) return 1;
  }
  printf("moves %lu\nescapes %lu\n", moves, escapes);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && !strcmp(argv[1], "attack")) return attack(argv[2], argv[3]);
  if (argc == 5 && !strcmp(argv[1], "naive")) return naive(argv[2], argv[3], atol(argv[4]));
  fprintf(stderr, "usage: flip attack A B | flip naive A TRASH COUNT\n");
  return 2;
}
