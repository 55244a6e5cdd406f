/* Records of containers: what the helper wrote down, native/reeve-privd. They are read again with its own parser. */
#include "container.h"
#include <poll.h>
#include <sys/file.h>

#define LOCK_MS 10000

static int records(void) {
  char path[400];
  snprintf(path, sizeof path, "%s/container", job.state);
  return open_plain(path, O_RDONLY | O_DIRECTORY);
}

static int plain_entry(const struct dirent *e) { return container_name(e->d_name); }

int record_names(struct dirent ***names) {
  AUTO_FD all = records();
  return all < 0 ? -1 : scandirat(all, ".", names, plain_entry, alphasort);
}

static bool broken(char why[WHY], const char *name, const char *what) {
  snprintf(why, WHY, "the record of container \"%s\" %s", name, what);
  return false;
}

/* Behind the line that says whose file it is. */
static const char *body(const char *text) {
  const char *end = *text == '#' ? strchr(text, '\n') : NULL;
  return end ? end + 1 : text;
}

static bool read_slot(struct record *r) {
  uint64_t slot;
  AUTO_FD fd = openat(r->dir, "slot", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, 256, NULL);
  if (!text) return false;
  const char *from = body(text);
  if (!parse_number(from, strcspn(from, "\n"), SLOTS - 1, &slot)) return false;
  r->slot = (uint32_t)slot;
  return true;
}

bool record_named(const char *name, struct record *r, char why[WHY]) {
  struct spec_problem problem;
  memset(r, 0, sizeof *r);
  r->dir = -1;
  snprintf(r->name, sizeof r->name, "%s", name);
  AUTO_FD all = records();
  r->dir = all < 0 ? -1 : openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (r->dir < 0) return errno == ENOENT || broken(why, name, "cannot be opened");
  AUTO_FD fd = openat(r->dir, "spec", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return true;
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, SPEC_BYTES + 256, NULL);
  if (!text) return broken(why, name, "cannot be read");
  const char *from = body(text);
  if (!spec_parse(&r->spec, from, strlen(from), &problem)) return broken(why, name, "is not as Reeve writes it");
  r->there = true;
  return r->spec.engine == SPEC_PCT || read_slot(r) || broken(why, name, "has no ids");
}

bool record_before(const struct record *r, bool (*holds)(const struct spec *s, const void *what), const void *what) {
  struct spec spec;
  struct spec_problem problem;
  AUTO_FD fd = r->dir < 0 ? -1 : open_in(r->dir, "before", O_RDONLY);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, SPEC_BYTES + 256, NULL);
  const char *from = text ? body(text) : "";
  if (!text || !spec_parse(&spec, from, strlen(from), &problem)) return false;
  bool held = holds(&spec, what);
  spec_free(&spec);
  return held;
}

bool record_open(const struct fields *t, struct record *r, char why[WHY]) {
  const char *name = field(t, "name");
  if (name && container_name(name)) return record_named(name, r, why);
  memset(r, 0, sizeof *r);
  r->dir = -1;
  snprintf(why, WHY, "the ticket names no container");
  return false;
}

/* The work before this one has told its result, and perhaps is not quite gone. The lock goes with the process. */
static bool locked(int dir) {
  for (int64_t until = job_now_ms() + LOCK_MS; flock(dir, LOCK_EX | LOCK_NB);) {
    if (errno != EWOULDBLOCK || job_now_ms() > until || agent_gone()) return false;
    (void)poll(NULL, 0, 20);
  }
  return true;
}

bool record_hold(const struct fields *t, struct record *r) {
  char why[WHY] = "";
  if (!record_open(t, r, why)) (void)job_failed("%s", why);
  else if (r->dir >= 0 && !locked(r->dir)) (void)job_failed("another piece of work is done to container \"%s\"", r->name);
  else return true;
  record_close(r);
  return false;
}

bool record_take(const struct fields *t, struct record *r) {
  if (!record_hold(t, r)) return false;
  if (r->there) return true;
  (void)job_failed("there is no record of container \"%s\"", r->name);
  record_close(r);
  return false;
}

void record_close(struct record *r) {
  spec_free(&r->spec);
  if (r->dir >= 0) close(r->dir);
  r->dir = -1;
}

uint32_t record_base(const struct record *r) { return r->spec.host_ids ? 0 : IDS_FIRST + r->slot * IDS_EACH; }

