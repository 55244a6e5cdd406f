/* Images of podman and archives: which there are, who uses them, and under what name one is kept. */
#include "container.h"
#include <inttypes.h>

#define NAMES_MOST 8192u
/* Names of images have no spaces; what podman does not know of an image stays empty. */
#define ABOUT "{{.Id}} {{.Size}} {{if .Created}}{{.Created.UnixMilli}}{{else}}0{{end}} {{.Digest}}{{range .RepoTags}} t={{.}}{{end}}{{range .RepoDigests}} d={{.}}{{end}}"

static bool add_word(struct spec_list *list, char *word) {
  char **grown = realloc(list->items, (list->n + 1) * sizeof *grown);
  if (!grown) return false;
  list->items = grown;
  list->items[list->n++] = word;
  return true;
}

static bool take_line(char *line, struct image *out) {
  char *rest = line;
  const char *id = strsep(&rest, " "), *bytes = strsep(&rest, " "), *created = strsep(&rest, " "), *digest = strsep(&rest, " ");
  memset(out, 0, sizeof *out);
  if (!id || !bytes || !created || !digest || !container_sum(id) || !parse_number(bytes, strlen(bytes), INT64_MAX, &out->bytes)) return false;
  snprintf(out->id, sizeof out->id, "%s", id);
  snprintf(out->digest, sizeof out->digest, "%s", digest);
  out->created_ms = strtoll(created, NULL, 10);
  for (char *word; (word = strsep(&rest, " "));) {
    if (strlen(word) < 3 || strlen(word) > 400) continue;
    if (!strncmp(word, "t=", 2)) (void)add_word(&out->tags, word + 2);
    else if (!strncmp(word, "d=", 2)) (void)add_word(&out->digests, word + 2);
  }
  return true;
}

static bool each_line(char *text, image_fn *each, void *data) {
  char *rest = text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    struct image image;
    bool on = !take_line(line, &image) || each(&image, data);
    free(image.tags.items);
    free(image.digests.items);
    if (!on) return false;
  }
  return true;
}

/* Ids of all images, each once, as the words of a command line. */
static size_t split_ids(char *text, const char **argv, size_t n, size_t room) {
  char *rest = text;
  for (char *id; n < room && (id = strsep(&rest, "\n"));) {
    if (!strncmp(id, "sha256:", 7)) id += 7;
    bool twice = !container_sum(id);
    for (size_t i = 0; i < n && !twice; i++) twice = !strcmp(argv[i], id);
    if (!twice) argv[n++] = id;
  }
  return n;
}

bool image_each(image_fn *each, void *data) {
  static const char *const list[] = {PODMAN, "--events-backend=none", "image", "ls", "--no-trunc", "--quiet", NULL};
  static const char *argv[4096] = {PODMAN, "--events-backend=none", "image", "inspect", "--format", ABOUT, "--"};
  const size_t head = 7;
  struct buf ids, about;
  if (access(PODMAN, X_OK)) return true;
  buf_init(&ids, OUTPUT_MOST);
  buf_init(&about, OUTPUT_MOST);
  struct tool t = {.argv = list, .in = -1, .seconds = SHORT_S, .out = &ids};
  bool ok = tool_run(&t);
  size_t n = ok ? split_ids((char *)ids.p, argv, head, 4095) : head;
  argv[n] = NULL;
  if (ok && n > head) {
    t = (struct tool){.argv = argv, .in = -1, .seconds = SHORT_S, .out = &about};
    ok = tool_run(&t);
  }
  if (!ok) (void)tool_failed(&t, "podman cannot tell its images");
  else if (n > head) ok = each_line((char *)about.p, each, data);
  buf_free(&ids);
  buf_free(&about);
  return ok;
}

static void add_name(struct buf *names, const char *name, size_t n) {
  if (names->n + n + 2 > NAMES_MOST) return;
  if (names->n) buf_put(names, ",", 1);
  buf_put(names, name, n);
}

static bool has_name(const struct buf *names, const char *name) {
  size_t n = strlen(name);
  for (size_t at = 0; at < names->n; at += strcspn((char *)names->p + at, ",") + 1) {
    if (names->n - at >= n && !memcmp(names->p + at, name, n) && (names->n - at == n || names->p[at + n] == ',')) return true;
  }
  return false;
}

/* Records, and what was there before a change that is not settled yet. */
static void by_record(bool (*uses)(const struct spec *s, const void *what), const void *what, struct buf *names) {
  struct dirent **all = NULL;
  int n = record_names(&all);
  for (int i = 0; i < n; i++) {
    struct record r;
    char why[WHY];
    const char *name = all[i]->d_name;
    bool used = record_named(name, &r, why) && ((r.there && uses(&r.spec, what)) || record_before(&r, uses, what));
    if (used && !has_name(names, name)) add_name(names, name, strlen(name));
    record_close(&r);
  }
  if (n > 0) end_names(all, n);
}

static bool uses_image(const struct spec *s, const void *what) {
  const struct image *image = what;
  const char *at = s->image ? strstr(s->image, "@") : NULL;
  if (!at) return false;
  if (!strcmp(at + 1, image->digest)) return true;
  for (size_t i = 0; i < image->digests.n; i++) if (!strcmp(s->image, image->digests.items[i])) return true;
  return false;
}

static bool uses_archive(const struct spec *s, const void *what) { return s->archive && !strcmp(s->archive, what); }

void image_users(const struct image *image, struct buf *names) {
  static const char *const argv[] = {PODMAN, "--events-backend=none", "ps", "--all", "--no-trunc", "--format", "{{.ImageID}} {{.Names}}", NULL};
  static struct buf running;
  by_record(uses_image, image, names);
  /* Once for all images: what uses one may be gone meanwhile, which does no harm. */
  if (!running.p) {
    buf_init(&running, OUTPUT_MOST);
    struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = &running};
    if (!tool_run(&t)) buf_put(&running, "", 1);
  }
  for (const char *line = (const char *)running.p; *line; line += *line == '\n') {
    size_t n = strcspn(line, "\n");
    if (n > 65 && !strncmp(line, image->id, 64) && line[64] == ' ') {
      char name[200];
      snprintf(name, sizeof name, "%.*s", (int)(n - 65), line + 65);
      if (!has_name(names, name)) add_name(names, name, strlen(name));
    }
    line += n;
  }
  buf_put(names, "", 1);
}

void archive_users(const char *sum, struct buf *names) {
  by_record(uses_archive, sum, names);
  buf_put(names, "", 1);
}

/* A tag goes to the next image of that name, and podman then forgets NAME@sha256 of the one before: each digest is given a tag that stays. */
int image_keep(const char *name, uint64_t bytes) {
  const char *inspect[] = {PODMAN, "--events-backend=none", "image", "inspect", "--format", "{{.Digest}}", "--", name, NULL};
  char repository[300], kept[400], pinned[400], digest[72];
  struct buf out;
  buf_init(&out, 65536);
  struct tool t = {.argv = inspect, .in = -1, .seconds = SHORT_S, .out = &out};
  if (!tool_run(&t)) {
    buf_free(&out);
    return tool_failed(&t, "podman does not know the image");
  }
  snprintf(digest, sizeof digest, "%.*s", (int)strcspn((char *)out.p, "\n"), (char *)out.p);
  buf_free(&out);
  if (strncmp(digest, "sha256:", 7) || !container_sum(digest + 7)) return job_failed("podman tells no digest of the image");
  snprintf(repository, sizeof repository, "%.*s", (int)container_image_length(name), name);
  snprintf(kept, sizeof kept, "%s:sha256-%s", repository, digest + 7);
  snprintf(pinned, sizeof pinned, "%s@%s", repository, digest);
  const char *tag[] = {PODMAN, "--events-backend=none", "image", "tag", "--", name, kept, NULL};
  t = (struct tool){.argv = tag, .in = -1, .seconds = SHORT_S};
  if (!tool_run(&t)) return tool_failed(&t, "podman cannot keep the image");
  struct buf more;
  buf_init(&more, 4096);
  say(&more, "digest", pinned);
  say(&more, "image", name);
  say_number(&more, "bytes", bytes);
  int code = job_done(&more);
  buf_free(&more);
  return code;
}
