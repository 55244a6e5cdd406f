/* pull, import: images and archives come to the host. What was cut leaves nothing. */
#include "container.h"

#define ROOM_EACH (64u << 20)             /* bytes between two looks at what is free */

int container_pull(const struct fields *t) {
  const char *image = field(t, "image");
  if (!image || !container_image_wanted(image)) return job_failed("the ticket names no image");
  if (access(PODMAN, X_OK)) return job_failed("podman is not installed here");
  const char *argv[] = {PODMAN, "--events-backend=none", "image", "pull", "--", image, NULL};
  struct tool tool = {.argv = argv, .in = -1, .seconds = LONG_S};
  return tool_pass(&tool) ? image_keep(image, 0) : tool_failed(&tool, "podman cannot pull the image");
}

/* A file without a name, in the folder of archives: gone with this process unless it is given one. */
static int nameless(int dir) { return openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }

/* 0: all of it is there; the exit code of the work otherwise. */
static int receive(int dir, int fd, uint8_t sum[32], uint64_t *bytes) {
  static uint8_t payload[PAYLOAD_MAX];
  struct sha256 hash;
  struct pace pace;
  enum frame kind;
  size_t n;
  uint64_t looked = 0;
  pace_begin(&pace);
  sha256_init(&hash);
  for (;;) {
    int got = get_frame(&kind, payload, &n);
    if (got == 0) return 1;
    if (got < 0 || (kind != F_DATA && kind != F_END)) return job_failed("the agent sent something else than data");
    if (kind == F_END) break;
    if (looked == 0 || pace.bytes - looked > ROOM_EACH) {
      if (!has_room(dir)) return job_failed("the file system of %s/archive is full", job.state);
      looked = pace.bytes ? pace.bytes : 1;
    }
    if (!write_whole(fd, payload, n)) return job_failed("it cannot be written (%s)", error_word());
    sha256_add(&hash, payload, n);
    pace.bytes += n;
    if (!pace_step(&pace)) return 1;
  }
  sha256_end(&hash, sum);
  *bytes = pace.bytes;
  return pace.bytes == 0 ? job_failed("nothing came") : lseek(fd, 0, SEEK_SET) ? job_failed("it cannot be read again (%s)", error_word()) : 0;
}

static int keep_archive(int dir, int fd, const uint8_t sum[32], uint64_t bytes) {
  char name[65], self[64];
  struct buf more;
  hex(name, sum, 32);
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  FAILPOINT("container.import.received");
  if (fsync(fd) || (linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) && errno != EEXIST) || fsync(dir)) return job_failed("the archive cannot be kept (%s)", error_word());
  buf_init(&more, 4096);
  say(&more, "digest", name);
  say_number(&more, "bytes", bytes);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}

static int keep_root(int fd, const char *image, uint64_t bytes) {
  const char *argv[] = {PODMAN, "--events-backend=none", "import", "--quiet", "--", "/dev/stdin", image, NULL};
  struct tool t = {.argv = argv, .in = fd, .seconds = LONG_S};
  return tool_run(&t) ? image_keep(image, bytes) : tool_failed(&t, "podman cannot import it");
}

/* "Loaded image: NAME", or "Loaded image(s): NAME,NAME"; the first. Names in it are those that its maker gave it. */
static bool loaded(const char *said, char name[400]) {
  const char *at = strstr(said, "Loaded image");
  at = at ? strstr(at, ": ") : NULL;
  if (!at) return false;
  snprintf(name, 400, "%.*s", (int)strcspn(at + 2, ",\n"), at + 2);
  return container_image_wanted(name);
}

static int keep_image(int fd, uint64_t bytes) {
  static const char *const argv[] = {PODMAN, "--events-backend=none", "load", "--quiet", NULL};
  char name[400];
  struct buf out;
  buf_init(&out, 1u << 20);
  struct tool t = {.argv = argv, .in = fd, .seconds = LONG_S, .out = &out};
  int code = !tool_run(&t) ? tool_failed(&t, "podman cannot load it") : loaded((char *)out.p, name) ? image_keep(name, bytes) : job_failed("the image has no name of a registry with a tag: save it with one");
  buf_free(&out);
  return code;
}

int container_import(const struct fields *t) {
  const char *kind = field(t, "kind"), *image = field(t, "image");
  char path[400];
  uint8_t sum[32];
  uint64_t bytes = 0;
  bool archive = kind && !strcmp(kind, "archive"), root = kind && !strcmp(kind, "rootfs");
  if (!kind || (!archive && !root && strcmp(kind, "image")) || (root && !(image && container_local_tag(image)))) return job_failed("the ticket does not say what is imported");
  if (!archive && access(PODMAN, X_OK)) return job_failed("podman is not installed here");
  snprintf(path, sizeof path, "%s/archive", job.state);
  if (mkdir(path, 0700) && errno != EEXIST) return job_failed("folder %s cannot be made (%s)", path, error_word());
  AUTO_FD dir = open_plain(path, O_RDONLY | O_DIRECTORY);
  AUTO_FD fd = dir < 0 ? -1 : nameless(dir);
  if (fd < 0) return job_failed("a file cannot be made in %s (%s)", path, error_word());
  struct buf b;
  buf_init(&b, 64);
  say(&b, "sandbox", "full");
  bool ready = put_fields(F_READY, &b);
  buf_free(&b);
  int code = ready ? receive(dir, fd, sum, &bytes) : 1;
  if (code) return code;
  return archive ? keep_archive(dir, fd, sum, bytes) : root ? keep_root(fd, image, bytes) : keep_image(fd, bytes);
}
