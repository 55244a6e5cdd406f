/* What cannot be done in this sandbox (a login over a socket, a reload of a unit) is done by reeve-sshd-check.service: a path unit starts it for a request
 * file, and its answer is a file again. The folder is root's, 0700. */
#include "reeve.h"
#include "pending.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>

#define FOLDER "sshd-check"
#define ANSWER_MAX 1024u
#define WAIT_MS 45000
#define LOOK_MS 200  /* between two looks at whether the helper is stopping */

/* The answer to this request: lines id=, status= (ok, refused: nothing was touched, failed), reason=. */
static bool answered(int dir, const char *id, struct outside *o) {
  AUTO_TEXT text = small_get(dir, "result", ANSWER_MAX, NULL);
  char *rest = text, *line = strsep(&rest, "\n");
  if (!line || strncmp(line, "id=", 3) || strcmp(line + 3, id)) return false;
  line = strsep(&rest, "\n");
  o->good = line && !strcmp(line, "status=ok");
  o->touched = !line || strcmp(line, "status=refused");
  line = strsep(&rest, "\n");
  snprintf(o->reason, sizeof o->reason, "%s", line && !strncmp(line, "reason=", 7) ? line + 7 : "it gave no reason");
  return true;
}

/* One request at a time: reading verbs have no turn. */
static int take_place(int dir) {
  int fd = open_beneath(dir, "lock", O_RDWR | O_CREAT, 0);
  int64_t deadline = now_ms() + WAIT_MS;
  while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
    if (errno != EWOULDBLOCK || now_ms() > deadline) {
      close(fd);
      return -1;
    }
    poll(NULL, 0, 10);
  }
  return fd;
}

/* Asks for one of the modes login, reload, restore, prepare; `lines`: what it needs to know, each line ended. OK: it went well. Else SSHD_CHECK. */
uint16_t outside_check(struct call *c, const char *mode, const char *lines, struct outside *o) {
  uint8_t random[8];
  char id[17], head[64];
  struct buf b;
  *o = (struct outside){0};
  AUTO_FD dir = state_folder(FOLDER);
  AUTO_FD place = dir < 0 ? -1 : take_place(dir);
  AUTO_FD notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  char watched[512];
  snprintf(watched, sizeof watched, "%s/" FOLDER, config.state);
  if (place < 0 || notify < 0 || inotify_add_watch(notify, watched, IN_MOVED_TO) < 0 || getrandom(random, sizeof random, 0) != sizeof random)
    return io_failed(c, "a check cannot be asked for");
  hex(id, random, sizeof random);
  (void)unlinkat(dir, "result", 0);
  snprintf(head, sizeof head, "id=%s\nmode=%s\n", id, mode);
  buf_init(&b, 128u << 10);
  buf_put(&b, head, strlen(head));
  buf_put(&b, lines, strlen(lines));
  bool ok = !b.full && small_put(dir, "request", b.p, b.n, 0600);
  buf_free(&b);
  if (!ok) return io_failed(c, "a check cannot be asked for");
  int64_t deadline = now_ms() + WAIT_MS;
  while (!answered(dir, id, o)) {
    char events[4096];
    struct pollfd wait = {notify, POLLIN, 0};
    int64_t left = deadline - now_ms();
    /* When the machine goes down systemd starts nothing any more, and waits for this child. */
    if (shared->stopping && !unlinkat(dir, "request", 0)) {
      snprintf(o->reason, sizeof o->reason, "the helper is stopping");
      return sshd_refused(c, "%s", o->reason);
    }
    if (left <= 0) {
      o->touched = unlinkat(dir, "request", 0) != 0;  /* taken, and not answered */
      snprintf(o->reason, sizeof o->reason, "reeve-sshd-check.path did not start its check, or that took longer than %d s", WAIT_MS / 1000);
      return sshd_refused(c, "%s", o->reason);
    }
    if (poll(&wait, 1, (int)(left < LOOK_MS ? left : LOOK_MS)) > 0) while (read(notify, events, sizeof events) > 0) continue;
  }
  return o->good ? REEVE_OK : sshd_refused(c, "%s", o->reason);
}
