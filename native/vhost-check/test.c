/* One test: into the sandbox, what is to be tested laid over what is there, nginx, and what it said. */
#include "check.h"
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NGINX_MS 20000
#define ALL_MS 36000
#define OUTPUT_MOST (256u << 10)
#define NAMES_MOST 64                    /* of others, that are resolved one after the other */

/* Reads until the end, or until it has been too long: false. */
static bool drain(int fd, struct buf *out, int64_t deadline) {
  char scrap[4096];
  for (;;) {
    struct pollfd wait = {fd, POLLIN, 0};
    int64_t left = deadline - now_ms();
    if (left <= 0) return false;
    if (poll(&wait, 1, (int)left) <= 0) continue;
    ssize_t got = read(fd, scrap, sizeof scrap);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    size_t room = out->limit - out->n;
    buf_put(out, scrap, (size_t)got > room ? room : (size_t)got);
  }
}

/* The exit code, or -1 when it took too long; 128 and more: a signal. */
static int wait_for(pid_t child, bool in_time) {
  int status = 0;
  if (!in_time) kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!in_time) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool run_nginx(const struct sandbox *s, struct told *told) {
  static const char *const argv[] = {NGINX, "-t", "-c", NGINX_MAIN, NULL};
  int ends[2];
  struct buf out;
  if (pipe2(ends, O_CLOEXEC)) return false;
  pid_t child = fork();
  if (child == 0) sandbox_become(s, argv, ends[1]);
  close(ends[1]);
  buf_init(&out, OUTPUT_MOST);
  bool in_time = child > 0 && drain(ends[0], &out, now_ms() + NGINX_MS);
  close(ends[0]);
  int code = child > 0 ? wait_for(child, in_time) : 127;
  out.limit++;
  buf_put(&out, "", 1);
  if (!out.full) told_parse(told, (char *)out.p, code);
  bool ok = child > 0 && !out.full;
  buf_free(&out);
  return ok;
}

static void answer_line(struct buf *b, const char *key, const char *text) { buf_say(b, "%s=%s\n", key, text); }

static void answer_failed(struct buf *b, const char *what) {
  char reason[200];
  snprintf(reason, sizeof reason, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  answer_line(b, "status", "failed");
  answer_line(b, "reason", reason);
}

static void answer_told(struct buf *b, const struct sandbox *s, const struct told *told) {
  answer_line(b, "status", told->good ? "ok" : "refused");
  answer_line(b, "reason", told->reason);
  answer_line(b, "sandbox", *s->lacks ? s->lacks : "full");
  if (!told->good && *told->file) answer_line(b, "file", told->file);
  buf_put(b, told->conflicts.p, told->conflicts.n);
}

/* In the namespaces, as their first process. */
static void inside(struct sandbox *s, const struct request *r, struct buf *b) {
  struct told told;
  if (!sandbox_close(s)) {
    /* What is put in place is still read by the real nginx, which goes on with the old configuration when it does not like it. */
    char none[LACKS_MOST + 40];
    snprintf(none, sizeof none, "none, nothing was tested: %s", s->lacks);
    answer_line(b, "status", "ok");
    answer_line(b, "reason", "");
    answer_line(b, "sandbox", none);
    return;
  }
  if (*r->staged && !over_stage(r->staged)) return answer_failed(b, "the set cannot be laid over the one in place");
  if (*r->take && !over_nothing(r->take)) return answer_failed(b, "a file of others cannot be left out");
  if (!over_names(NULL)) return answer_failed(b, "the names of hosts cannot be laid over");
  if (!writes_open(s)) return answer_failed(b, "a folder that nginx writes into cannot be laid over");
  int64_t deadline = now_ms() + ALL_MS - NGINX_MS;
  for (int names = 0;; names++) {
    if (!run_nginx(s, &told)) return answer_failed(b, NGINX " cannot be started");
    if (!*told.missing || names == NAMES_MOST || now_ms() > deadline || !over_names(told.missing)) break;
    told_free(&told);
  }
  answer_told(b, s, &told);
  told_free(&told);
}

static _Noreturn void work(const struct request *r, int out) {
  struct sandbox s;
  struct buf b;
  buf_init(&b, OUTPUT_MOST);
  sandbox_enter(&s);
  pid_t child = fork();
  if (child < 0) _exit(1);
  if (child > 0) _exit(wait_for(child, true));
  inside(&s, r, &b);
  _exit(b.full || !write_whole(out, b.p, b.n));
}

void test_configuration(const struct request *r, struct buf *answer) {
  int ends[2];
  if (access(NGINX, X_OK)) return answer_failed(answer, "there is no " NGINX);
  if (pipe2(ends, O_CLOEXEC)) return answer_failed(answer, "a pipe cannot be had");
  pid_t child = fork();
  if (child == 0) work(r, ends[1]);
  close(ends[1]);
  bool in_time = child > 0 && drain(ends[0], answer, now_ms() + ALL_MS);
  close(ends[0]);
  int code = child > 0 ? wait_for(child, in_time) : -1;
  if (answer->n > 0 && code == 0) return;
  answer->n = 0;
  errno = in_time ? ECHILD : ETIMEDOUT;
  answer_failed(answer, "the test did not come to its end");
}
