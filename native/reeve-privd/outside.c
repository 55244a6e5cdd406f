/* What cannot be done in this sandbox (a login over a socket, a reload of a unit, a test of nginx) is done by a service of its own: a path unit starts it for a request
 * file, and its answer is a file again. The folder is root's, 0700. */
#include "reeve.h"
#include "pending.h"
#include "vhost_set.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>

#define SSHD_FOLDER "sshd-check"
#define ANSWER_MAX (64u << 10)
#define WAIT_MS 45000
#define LOOK_MS 200  /* between two looks at whether the helper is stopping */

/* What follows the line id= in the answer to this request; NULL: there is none yet. */
static char *answered(int dir, const char *id) {
  AUTO_TEXT text = small_get(dir, "result", ANSWER_MAX, NULL);
  char *rest = text, *line = strsep(&rest, "\n");
  return line && rest && !strncmp(line, "id=", 3) && !strcmp(line + 3, id) ? strdup(rest) : NULL;
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

static bool put_request(int dir, const char *id, const char *mode, const char *lines) {
  struct buf b;
  buf_init(&b, 128u << 10);
  buf_say(&b, "id=%s\nmode=%s\n", id, mode);
  buf_put(&b, lines, strlen(lines));
  bool ok = !b.full && small_put(dir, "request", b.p, b.n, 0600);
  buf_free(&b);
  return ok;
}

/* Asks the unit that watches a folder of the state folder, and waits. `lines`: what it needs to know, each line ended. The answer is the caller's to free; without one
 * `why` says why, and `taken` whether the unit had begun. */
static char *outside_wait(const char *folder, const char *mode, const char *lines, bool *taken, char why[300]) {
  uint8_t random[8];
  char id[17], watched[512], *answer;
  AUTO_FD dir = state_folder(folder);
  AUTO_FD place = dir < 0 ? -1 : take_place(dir);
  AUTO_FD notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  snprintf(watched, sizeof watched, "%s/%s", config.state, folder);
  *taken = false;
  snprintf(why, 300, "it cannot be asked for (%s)", strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  if (place < 0 || notify < 0 || inotify_add_watch(notify, watched, IN_MOVED_TO) < 0 || getrandom(random, sizeof random, 0) != sizeof random) return NULL;
  hex(id, random, sizeof random);
  (void)unlinkat(dir, "result", 0);
  if (!put_request(dir, id, mode, lines)) return NULL;
  int64_t deadline = now_ms() + WAIT_MS;
  while (!(answer = answered(dir, id))) {
    char events[4096];
    struct pollfd wait = {notify, POLLIN, 0};
    int64_t left = deadline - now_ms();
    /* When the machine goes down systemd starts nothing any more, and waits for this child. */
    if (shared->stopping && !unlinkat(dir, "request", 0)) {
      snprintf(why, 300, "the helper is stopping");
      return NULL;
    }
    if (left <= 0) {
      *taken = unlinkat(dir, "request", 0) != 0;
      snprintf(why, 300, "reeve-%s.path did not start its check, or that took longer than %d s", folder, WAIT_MS / 1000);
      return NULL;
    }
    if (poll(&wait, 1, (int)(left < LOOK_MS ? left : LOOK_MS)) > 0) while (read(notify, events, sizeof events) > 0) continue;
  }
  return answer;
}

/* The lines of the answer go into `answer`. False: there is none, and `why` says why. */
bool outside_ask(const char *folder, const char *mode, const char *lines, char **answer, char why[300]) {
  bool taken;
  *answer = outside_wait(folder, mode, lines, &taken, why);
  return *answer != NULL;
}

/* Asks for one of the modes login, reload, restore, prepare of the check of sshd. OK: it went well. Else SSHD_CHECK. */
uint16_t outside_check(struct call *c, const char *mode, const char *lines, struct outside *o) {
  *o = (struct outside){0};
  AUTO_TEXT answer = outside_wait(SSHD_FOLDER, mode, lines, &o->touched, o->reason);
  char *rest = answer, *line = answer ? strsep(&rest, "\n") : NULL;
  if (!answer) return sshd_refused(c, "%s", o->reason);
  o->good = line && !strcmp(line, "status=ok");
  o->touched = !line || strcmp(line, "status=refused");
  line = strsep(&rest, "\n");
  snprintf(o->reason, sizeof o->reason, "%s", line && !strncmp(line, "reason=", 7) ? line + 7 : "it gave no reason");
  return o->good ? REEVE_OK : sshd_refused(c, "%s", o->reason);
}
