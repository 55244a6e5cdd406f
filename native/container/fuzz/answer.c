/* Fuzz target: what podman(1) and pct(1) print of containers that somebody else made. Whatever it is, lines of a spec and problems come of it, and each is one plain line. */
#include "../inspect_podman.c"
#include "../pct.h"

struct job_config job = {.state = "/nonexistent"};
struct container_places places = {.lxc = "/nonexistent", .pct = "/nonexistent"};

static void each_plain(const struct buf *b) {
  for (size_t at = 0; at < b->n; at += strlen((char *)b->p + at) + 1) if (!text_plain((char *)b->p + at)) abort();
}

static void read_podman(const uint8_t *data, size_t size) {
  struct buf text, other;
  struct lines c, image;
  struct found f;
  buf_init(&text, size + 1);
  buf_init(&other, size + 1);
  buf_put(&text, data, size);
  buf_put(&text, "", 1);
  /* Half of it is what its image says. */
  buf_put(&other, data + size / 2, size - size / 2);
  buf_put(&other, "", 1);
  cut(&text, &c);
  cut(&other, &image);
  found_begin(&f);
  take_image(&f, &c);
  take_words(&f, &c, &image);
  take_places(&f, &c);
  take_rest(&f, &c);
  for (size_t i = 0; i < AT_END; i++) each_plain(&f.lines[i]);
  each_plain(&f.problems);
  found_end(&f);
  buf_free(&text);
  buf_free(&other);
}

static void read_pct(const uint8_t *data, size_t size) {
  char name[64], part[80], status[24], snapshot[48];
  struct pct_config all;
  struct buf text;
  int64_t created;
  buf_init(&text, size + 1);
  buf_put(&text, data, size);
  buf_put(&text, "", 1);
  uint32_t id = pct_number((char *)text.p, "web");
  if (id > 999999999 || (pct_name((char *)text.p, 101, name) && (!*name || strchr(name, ' ')))) abort();
  pct_status((char *)text.p, status);
  (void)pct_snapshot_line((char *)text.p, snapshot, &created);
  pct_cut(&text, &all);
  const char *net = pct_value(&all, "net0");
  if (net && pct_property(net, "bridge", part, sizeof part) && strchr(part, ',')) abort();
  buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char line[400];
  size_t n;
  const char *last = last_line((const char *)data, size, &n);
  plain(line, sizeof line, last, n);
  if (!text_plain(line)) abort();
  read_podman(data, size);
  read_pct(data, size);
  return 0;
}
