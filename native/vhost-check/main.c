/*
 * reeve-vhost-check: what the helper cannot do in its sandbox when it tests a configuration of nginx: mounts, and nginx itself, in a sandbox of their own.
 *
 * usage: reeve-vhost-check        (reeve-vhost-check.path starts it when STATE/request is there)
 *
 * The request is lines of key=value: id, mode, and
 *   test    staged: the folder of the set to be tested, absent: what is in place; take: a file of others that is left out.
 * The answer, STATE/result, is lines too: id, status (ok, refused, failed: it could not be tested), reason, sandbox (full, or what the machine does not give), file (where nginx
 * says the mistake is), conflict (a name and an address that two sites have; any number of them). Only root reads and writes that folder.
 * Whether the real nginx runs, and what it has open, does not matter, and nothing is written that stays but the answer.
 *
 * After an answer it waits a moment for the next request: what parks bad sites has several.
 *
 * exit codes: 0 there is an answer to everything that was asked; 1 a request could not be taken, or an answer not be written.
 */
#include "check.h"
#include "pending.h"
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/inotify.h>
#include <time.h>

#define STATE "/var/lib/reeve-privd/vhost-check"
#define REQUEST_MOST 8192u
#define ANSWER_MOST (256u << 10)
#define LINGER_MS 1000
#define LIFE_MS 12000                    /* no request is begun after that: the unit has 60 s */

int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool take(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n) || strlen(line + n) >= room) return false;
  strcpy(out, line + n);
  return true;
}

/* False when a line is none of ours, or too long. */
static bool parse(struct request *r, char *text) {
  memset(r, 0, sizeof *r);
  for (char *line; (line = strsep(&text, "\n"));) {
    if (*line == 0 || take(line, "id=", r->id, sizeof r->id) || take(line, "mode=", r->mode, sizeof r->mode)) continue;
    if (take(line, "staged=", r->staged, sizeof r->staged) || take(line, "take=", r->take, sizeof r->take)) continue;
    return false;
  }
  return *r->id && !strcmp(r->mode, "test") && (!*r->staged || *r->staged == '/') && (!*r->take || *r->take == '/');
}

/* False: the answer could not be written. */
static bool serve_one(int dir, char *text) {
  struct request r;
  struct buf answer, all;
  buf_init(&answer, ANSWER_MOST);
  buf_init(&all, ANSWER_MOST + 64);
  if (parse(&r, text)) test_configuration(&r, &answer);
  else buf_say(&answer, "status=failed\nreason=the request cannot be read\n");
  buf_say(&all, "id=%s\n", r.id);
  buf_put(&all, answer.p, answer.n);
  bool ok = !all.full && small_put(dir, "result", all.p, all.n, 0600);
  buf_free(&answer);
  buf_free(&all);
  return ok;
}

int main(void) {
  bool ok = true;
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  AUTO_FD dir = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (dir < 0) return errno == ENOENT ? 0 : 1;
  if (notify < 0 || inotify_add_watch(notify, STATE, IN_MOVED_TO) < 0) return 1;
  int64_t end = now_ms() + LIFE_MS;
  for (int64_t idle = now_ms() + LINGER_MS; ok && now_ms() < idle && now_ms() < end;) {
    char events[4096];
    struct pollfd wait = {notify, POLLIN, 0};
    AUTO_TEXT text = NULL;
    if (!request_take(dir, REQUEST_MOST, &text)) return 1;
    if (text) {
      ok = serve_one(dir, text);
      idle = now_ms() + LINGER_MS;
      continue;
    }
    if (poll(&wait, 1, (int)(idle - now_ms())) > 0) while (read(notify, events, sizeof events) > 0) continue;
  }
  return ok ? 0 : 1;
}
