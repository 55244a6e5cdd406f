/* Progress and problems on their way to the agent. Shared with native/container. */
#include "tree.h"

const char *error_word(void) {
  const char *word = strerrorname_np(errno);
  return word ? word : "?";
}

void pace_begin(struct pace *p) {
  int64_t now = job_now_ms();
  *p = (struct pace){.begun_ms = now, .told_ms = now};
}

static bool pace_tell(struct pace *p, int64_t now) {
  int64_t took = now - p->begun_ms;
  uint64_t rate = took > 0 ? p->bytes * 1000 / (uint64_t)took : 0;
  struct buf b;
  buf_init(&b, PAYLOAD_MAX);
  say_number(&b, "files", p->files);
  say_number(&b, "files-total", p->files_total > p->files ? p->files_total : p->files);
  say_number(&b, "bytes", p->bytes);
  say_number(&b, "rate", rate);
  say_number(&b, "percent", p->bytes_total ? (p->bytes >= p->bytes_total ? 100 : p->bytes / (p->bytes_total / 100 + 1)) : 0);
  say_number(&b, "remaining", p->bytes_total > p->bytes && rate ? (p->bytes_total - p->bytes) / rate + 1 : 0);
  p->told_ms = now;
  bool there = put_fields(F_PROGRESS, &b);
  buf_free(&b);
  return there;
}

bool pace_step(struct pace *p) {
  int64_t now = job_now_ms();
  if (now - p->told_ms < 900) return true;
  return !agent_gone() && pace_tell(p, now);
}

bool put_problem(const char *path, const char *text) {
  struct buf b;
  buf_init(&b, PAYLOAD_MAX);
  say(&b, "kind", "failed");
  say(&b, "path", path);
  say(&b, "text", text);
  bool there = put_fields(F_PROBLEM, &b);
  buf_free(&b);
  return there;
}

int digest_file(int fd, uint8_t out[32], struct pace *p) {
  static uint8_t part[256u << 10];
  struct sha256 sum;
  sha256_init(&sum);
  for (;;) {
    ssize_t n = read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    sha256_add(&sum, part, (size_t)n);
    p->bytes += (uint64_t)n;
    if (!pace_step(p)) return -1;
  }
  sha256_end(&sum, out);
  return 0;
}
