/* The snapshots of a job, in its folder as "/" or below its root. */
#include "tree.h"

int snapshot_open(const char *name) {
  char path[32 + SNAPSHOT_LEN];
  if (!backup_snapshot(name)) {
    errno = EINVAL;
    return -1;
  }
  snprintf(path, sizeof path, "/snapshots/%s", name);
  return open_plain(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int named(const struct dirent *e) { return backup_snapshot(e->d_name); }
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

int snapshot_names(int store, struct dirent ***names) {
  AUTO_FD dir = open_in(store, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return dir < 0 ? -1 : scandirat(dir, ".", names, named, by_name);
}

static uint64_t number_of(const char *text, const char *key) {
  size_t n = strlen(key);
  uint64_t v = 0;
  for (const char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (!strncmp(line, key, n) && line[n] == '=') return parse_number(line + n + 1, strcspn(line + n + 1, "\n"), INT64_MAX, &v) ? v : 0;
  }
  return 0;
}

/* Without a note of it, nothing is known of a snapshot, and it does not count as complete. */
void snapshot_info(int store, const char *name, struct snapshot_info *out) {
  char path[32 + SNAPSHOT_LEN];
  *out = (struct snapshot_info){0};
  snprintf(path, sizeof path, "info/%s", name);
  AUTO_FD fd = open_in(store, path, READ_FLAGS);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, 4096, NULL);
  if (!text) return;
  *out = (struct snapshot_info){true, number_of(text, "complete") == 1, number_of(text, "files"), number_of(text, "bytes"), number_of(text, "sent-bytes")};
}
