/* images, prune: what lies on the host, and what of it nobody needs. */
#include "container.h"

#define KEPT "sha256-"                    /* a tag of image_keep() */
#define LIST_ROOM 16384u

static bool is_kept(const char *tag) { return !strncmp(tag + container_image_length(tag), ":" KEPT, strlen(":" KEPT)); }

static void say_image(struct buf *b, const struct image *image, const char *name, const char *tag, const char *users) {
  say(b, "kind", "podman");
  say(b, "image", name);
  say(b, "digest", image->digest);
  say(b, "tag", tag);
  say_number(b, "bytes", image->bytes);
  say_number(b, "created-ms", image->created_ms > 0 ? (uint64_t)image->created_ms : 0);
  say(b, "used", users);
}

static bool put_image(const struct image *image, const char *name, const char *tag, const char *users) {
  struct buf b;
  buf_init(&b, LIST_ROOM);
  say_image(&b, image, name, tag, users);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

/* A row for each name that it has: with its tags, or without one where only the digest is left. */
static bool rows_of(const struct image *image, const char *users) {
  bool there = true;
  size_t rows = 0;
  char name[400];
  for (size_t i = 0; i < image->tags.n && there; i++) {
    const char *tag = image->tags.items[i];
    size_t n = container_image_length(tag);
    if (is_kept(tag)) continue;
    snprintf(name, sizeof name, "%.*s", (int)n, tag);
    there = put_image(image, name, tag[n] ? tag + n + 1 : "", users);
    rows++;
  }
  if (rows == 0 && image->digests.n > 0) {
    snprintf(name, sizeof name, "%.*s", (int)container_image_length(image->digests.items[0]), image->digests.items[0]);
    there = put_image(image, name, "", users);
  } else if (rows == 0) there = put_image(image, "", "", users);
  return there;
}

static bool tell_image(const struct image *image, void *data) {
  struct buf users;
  (void)data;
  buf_init(&users, LIST_ROOM);
  image_users(image, &users);
  bool there = rows_of(image, (char *)users.p);
  buf_free(&users);
  return there;
}

static int is_archive(const struct dirent *e) { return container_sum(e->d_name); }

static bool put_archive(int dir, const char *sum, const char *users) {
  struct stat st;
  struct buf b;
  if (fstatat(dir, sum, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) return true;
  buf_init(&b, LIST_ROOM);
  say(&b, "kind", "lxc");
  say(&b, "image", "");
  say(&b, "digest", sum);
  say(&b, "tag", "");
  say_number(&b, "bytes", (uint64_t)st.st_size);
  say_number(&b, "created-ms", (uint64_t)st.st_mtim.tv_sec * 1000);
  say(&b, "used", users);
  bool there = put_fields(F_ROW, &b);
  buf_free(&b);
  return there;
}

/* For each archive; `unused` only those that nobody needs, and `gone`: away with them. False: the agent has gone, or was told. */
static bool each_archive(bool unused, bool gone, uint64_t *bytes) {
  char path[400];
  struct dirent **names = NULL;
  bool on = true;
  snprintf(path, sizeof path, "%s/archive", job.state);
  AUTO_FD dir = open_plain(path, O_RDONLY | O_DIRECTORY);
  int n = dir < 0 ? 0 : scandirat(dir, ".", &names, is_archive, alphasort);
  for (int i = 0; i < n && on; i++) {
    struct stat st;
    struct buf users;
    buf_init(&users, LIST_ROOM);
    archive_users(names[i]->d_name, &users);
    if (!unused || !*users.p) {
      on = put_archive(dir, names[i]->d_name, (char *)users.p);
      if (on && gone && !fstatat(dir, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) && !unlinkat(dir, names[i]->d_name, 0)) *bytes += (uint64_t)st.st_size;
    }
    buf_free(&users);
  }
  if (n > 0) end_names(names, n);
  return on;
}

int container_images(const struct fields *t) {
  uint64_t bytes = 0;
  (void)t;
  return image_each(tell_image, NULL) && each_archive(false, false, &bytes) ? job_done(NULL) : 1;
}

/* By all its names, and not by force: podman keeps what somebody began to use meanwhile. */
static bool drop_image(const struct image *image) {
  const char *argv[260] = {PODMAN, "--events-backend=none", "image", "rm", "--"};
  size_t n = 5;
  for (size_t i = 0; i < image->tags.n && n < 258; i++) argv[n++] = image->tags.items[i];
  if (n == 5) argv[n++] = image->id;
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S};
  return tool_run(&t);
}

struct pruning { bool plan; uint64_t bytes, left; };

static bool prune_image(const struct image *image, void *data) {
  struct pruning *p = data;
  struct buf users;
  bool there = true;
  buf_init(&users, LIST_ROOM);
  image_users(image, &users);
  if (!*users.p) {
    if (!p->plan && !drop_image(image)) p->left++;
    else {
      there = rows_of(image, "");
      p->bytes += image->bytes;
    }
  }
  buf_free(&users);
  return there && !agent_gone();
}

int container_prune(const struct fields *t) {
  struct pruning p = {.plan = field_flag(t, "plan")};
  if (!image_each(prune_image, &p) || !each_archive(true, !p.plan, &p.bytes)) return 1;
  struct buf more;
  buf_init(&more, 1024);
  say_number(&more, "bytes", p.bytes);
  say_number(&more, "left", p.left);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}
