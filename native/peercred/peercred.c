/*
 * Who is at the other end of a unix socket, for programs that cannot ask the kernel themselves. The accepted socket is descriptor 3; prints one JSON line
 * {"uid":1000,"gid":1000,"pid":4242,"groups":[27,1000],"user":"alice","groupNames":["sudo","alice"]} and ends with 0, or with 1 when descriptor 3 is no
 * connected unix socket (unix(7): SO_PEERCRED, SO_PEERGROUPS). Names come from /etc/passwd and /etc/group, without NSS: a number that is not there has
 * no name ("" for the user, left out of groupNames). The primary group is in `groups` too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#define SOCKET 3
#define FILE_MAX (4u << 20)
#define GROUPS_MAX 4096u

static char *read_whole(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char *text = NULL;
  size_t n = 0;
  if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && (text = malloc(FILE_MAX + 1))) {
    ssize_t got;
    while (n < FILE_MAX && (got = read(fd, text + n, FILE_MAX - n)) > 0) n += (size_t)got;
    text[n] = 0;
  }
  if (fd >= 0) close(fd);
  return text;
}

/* The name of the line whose third part is `number`, when it is a plain one. */
static bool find_name(const char *text, unsigned long number, char *out, size_t room) {
  for (const char *line = text; line && *line;) {
    const char *stop = strchrnul(line, '\n'), *first = memchr(line, ':', (size_t)(stop - line));
    const char *second = first ? memchr(first + 1, ':', (size_t)(stop - first - 1)) : NULL;
    size_t n = first ? (size_t)(first - line) : 0;
    char *end = NULL;
    bool digits = second && second + 1 < stop && second[1] >= '0' && second[1] <= '9';
    if (digits && strtoul(second + 1, &end, 10) == number && *end == ':' && n > 0 && n < room) {
      bool plain = true;
      for (size_t i = 0; i < n; i++) if (line[i] <= 0x20 || line[i] >= 0x7f || line[i] == '"' || line[i] == '\\') plain = false;
      if (plain) {
        memcpy(out, line, n);
        out[n] = 0;
        return true;
      }
    }
    line = *stop ? stop + 1 : stop;
  }
  return false;
}

int main(void) {
  struct ucred peer;
  socklen_t n = sizeof peer;
  static gid_t list[GROUPS_MAX];
  char name[256];
  if (getsockopt(SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &n) || n != sizeof peer || peer.pid <= 0) return 1;
  n = sizeof list;
  if (getsockopt(SOCKET, SOL_SOCKET, SO_PEERGROUPS, list, &n)) return 1;
  size_t count = n / sizeof *list;
  bool has_primary = false;
  for (size_t i = 0; i < count; i++) if (list[i] == peer.gid) has_primary = true;
  if (!has_primary && count < GROUPS_MAX) list[count++] = peer.gid;
  char *passwd = read_whole("/etc/passwd"), *group = read_whole("/etc/group");
  printf("{\"uid\":%u,\"gid\":%u,\"pid\":%d,\"groups\":[", peer.uid, peer.gid, peer.pid);
  for (size_t i = 0; i < count; i++) printf("%s%u", i ? "," : "", list[i]);
  printf("],\"user\":\"%s\",\"groupNames\":[", find_name(passwd, peer.uid, name, sizeof name) ? name : "");
  bool first = true;
  for (size_t i = 0; i < count; i++) {
    if (!find_name(group, list[i], name, sizeof name)) continue;
    printf("%s\"%s\"", first ? "" : ",", name);
    first = false;
  }
  puts("]}");
  free(passwd);
  free(group);
  return fflush(stdout) ? 1 : 0;
}
