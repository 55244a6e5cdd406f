/* Looks for secrets where other users of a machine could see them.
 * scan processes NEEDLES   reads cmdline and environ of all processes again and again until its input ends; prints "watching" after the first time, a "hit PID FILE" line for each find,
 *                          and "rounds N" at the end
 * scan files NEEDLES DIR...   reads all regular files below the folders but NEEDLES; prints "files N" and "hit PATH"
 * NEEDLES is a file of lines in hex. Processes whose own program is this one are left out. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEEDLES_MAX 64
#define HITS_MAX 1024

static struct { unsigned char *p; size_t n; } needles[NEEDLES_MAX];
static size_t count;
static unsigned long files, rounds;
static char hits[HITS_MAX][64];
static size_t nhits;
static const char *own;

static bool load(const char *path) {
  char line[8192];
  FILE *f = fopen(path, "r");
  while (f && count < NEEDLES_MAX && fgets(line, sizeof line, f)) {
    size_t n = strspn(line, "0123456789abcdef") / 2;
    if (n < 8) continue; /* too short to be told from chance */
    unsigned char *p = malloc(n);
    for (size_t i = 0; p && i < n; i++) sscanf(line + 2 * i, "%2hhx", &p[i]);
    needles[count].p = p;
    needles[count++].n = n;
  }
  if (f) fclose(f);
  return count > 0;
}

static bool found(const void *p, size_t n) {
  for (size_t i = 0; i < count; i++) if (memmem(p, n, needles[i].p, needles[i].n)) return true;
  return false;
}

static void look(const char *pid, const char *name, const char *self) {
  static char text[1 << 18];
  char path[64], exe[512];
  snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t n = 0;
  for (ssize_t r; fd >= 0 && n < sizeof text && (r = read(fd, text + n, sizeof text - n)) > 0;) n += (size_t)r;
  if (fd >= 0) close(fd);
  if (n == 0 || !found(text, n)) return;
  for (size_t i = 0; i < nhits; i++) if (!strcmp(hits[i], path)) return;
  if (nhits == HITS_MAX) return;
  snprintf(hits[nhits++], sizeof hits[0], "%s", path);
  char link[64];
  snprintf(link, sizeof link, "/proc/%.16s/exe", pid);
  ssize_t r = readlink(link, exe, sizeof exe - 1);
  exe[r < 0 ? 0 : r] = 0;
  if (strcmp(exe, self)) printf("hit %s %s\n", path, exe);
}

static int processes(void) {
  char self[512];
  ssize_t r = readlink("/proc/self/exe", self, sizeof self - 1);
  self[r < 0 ? 0 : r] = 0;
  struct pollfd input = {0, POLLIN, 0};
  char c;
  while (!poll(&input, 1, 1) || read(0, &c, 1) > 0) {
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));) {
      if (e->d_name[0] < '1' || e->d_name[0] > '9') continue;
      look(e->d_name, "cmdline", self);
      look(e->d_name, "environ", self);
    }
    if (proc) closedir(proc);
    if (rounds++ == 0) puts("watching");
  }
  printf("rounds %lu\n", rounds);
  return 0;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)at;
  if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size == 0 || !strcmp(path, own)) return 0;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  void *p = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (fd >= 0) close(fd);
  if (p == MAP_FAILED) return 0;
  files++;
  if (found(p, (size_t)st->st_size)) printf("hit %s\n", path);
  munmap(p, (size_t)st->st_size);
  return 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3 || !load(argv[2])) {
    fprintf(stderr, "usage: scan processes NEEDLES | scan files NEEDLES DIR...\n");
    return 2;
  }
  own = argv[2];
  if (!strcmp(argv[1], "processes")) return processes();
  for (int i = 3; i < argc; i++) nftw(argv[i], visit, 64, FTW_PHYS);
  printf("files %lu\n", files);
  return 0;
}
