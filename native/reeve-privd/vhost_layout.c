/* Laying out a set: a folder of its own with links to what stays and new files for the rest. Nothing that serves is touched. */
#include "vhost_set.h"

#define WORKER_GROUP "www-data"

/* What every set begins with. A site may use these names (vhost_word.c). */
static const char common[] =
  "# Managed by Reeve: made anew with every change. See reeve-agent(8).\n"
  "geo $reeve_dollar { default \"$\"; }\n"
  "geo $reeve_local { default 0; 127.0.0.1 1; ::1 1; }\n"
  "map $http_upgrade $reeve_upgrade { default \"\"; websocket websocket; }\n"
  "map $http_upgrade $reeve_connection { default close; websocket upgrade; }\n"
  "map $http_host $reeve_port { default \"\"; \"~(?<reeve_given>:[0-9]+)\\z\" $reeve_given; }\n";
static const char hash_sizes[] = "server_names_hash_bucket_size 512;\nserver_names_hash_max_size 8192;\n";

/* keep NAME SHA256, or put NAME SIZE and as many bytes. */
bool vhost_want_next(const char *blob, size_t n, size_t *at, struct vhost_want *want) {
  const char *line = blob + *at, *lf = *at < n ? memchr(line, '\n', n - *at) : NULL;
  if (!lf) return false;
  *want = (struct vhost_want){.put = !strncmp(line, "put ", 4)};
  if (!want->put && strncmp(line, "keep ", 5)) return false;
  const char *name = line + (want->put ? 4 : 5), *space = memchr(name, ' ', (size_t)(lf - name));
  if (!space || space == name || (size_t)(space - name) >= sizeof want->name) return false;
  snprintf(want->name, sizeof want->name, "%.*s", (int)(space - name), name);
  size_t rest = (size_t)(lf - space) - 1, from = (size_t)(lf - blob) + 1;
  if (!want->put) {
    if (rest != 64 || !unhex(want->sha256, space + 1, 32)) return false;
    *at = from;
    return true;
  }
  uint64_t size;
  if (!parse_number(space + 1, rest, VHOST_FILE_MAX, &size) || size >= n - from || blob[from + size] != '\n') return false;
  want->text = blob + from;
  want->n = (size_t)size;
  sha256_of(want->text, want->n, want->sha256);
  *at = from + (size_t)size + 1;
  return true;
}

struct meeting { bool bucket, max; };

static void meet(void *data, const struct nginx_at *at) {
  struct meeting *m = data;
  if (at->kind != NGINX_SIMPLE || !strncmp(at->file, VHOST_DIR "/", sizeof VHOST_DIR)) return;
  m->bucket = m->bucket || !strcmp(at->words[0], "server_names_hash_bucket_size");
  m->max = m->max || !strcmp(at->words[0], "server_names_hash_max_size");
}

/* Somebody else may have set the sizes of nginx's table of names: it takes each only once. */
static bool put_common(int dir) {
  struct meeting m = {0};
  struct nginx_walk w = {.meet = meet, .data = &m};
  nginx_walk(&w);
  AUTO_FD fd = open_beneath(dir, VHOST_COMMON, O_WRONLY | O_CREAT | O_EXCL, 0);
  bool ok = fd >= 0 && write_whole(fd, common, sizeof common - 1);
  ok = ok && (m.bucket || m.max || write_whole(fd, hash_sizes, sizeof hash_sizes - 1));
  return ok && !fchmod(fd, 0644) && !fsync(fd);
}

/* Only a name that nginx opens itself while it serves is for the group of its workers. */
static bool put_file(int dir, const struct vhost_want *want, enum vhost_kind kind, gid_t workers) {
  AUTO_FD fd = open_beneath(dir, want->name, O_WRONLY | O_CREAT | O_EXCL, 0);
  if (fd < 0 || !write_whole(fd, want->text, want->n)) return false;
  if (kind == VHOST_AUTH && fchown(fd, 0, workers)) return false;
  return !fchmod(fd, kind == VHOST_KEY ? 0600 : kind == VHOST_AUTH ? 0640 : 0644) && !fsync(fd);
}

static uint16_t no_layout(struct call *c, const char *name) {
  char text[320];
  snprintf(text, sizeof text, "file %s of a set cannot be made", name);
  return io_failed(c, text);
}

static uint16_t lay_one(struct call *c, const struct vhost_want *want, int dir, int before, const struct vhost_list *had, gid_t workers) {
  char site[SITE_MAX_LEN + 1];
  enum vhost_kind kind = vhost_kind(want->name, site);
  if (kind == VHOST_NONE) return fail(c, REEVE_E_FIELD_INVALID, "field", "set", "value", want->name, "rule", "SITE.conf, .auth, .ca, .crl, .crt or .key is wanted", NULL);
  if (want->put) return put_file(dir, want, kind, workers) ? REEVE_OK : no_layout(c, want->name);
  const struct vhost_entry *was = vhost_list_find(had, want->name);
  if (!was || memcmp(was->sha256, want->sha256, 32)) return fail(c, REEVE_E_STATE_MOVED, "moved", want->name, NULL);
  /* A file that somebody took away by hand stays away: the agent sees that and puts it. */
  if (before < 0 || (linkat(before, want->name, dir, want->name, 0) && errno != ENOENT)) return no_layout(c, want->name);
  return REEVE_OK;
}

/* Makes the folder, with the files that were asked for; contents are checked before. */
uint16_t vhost_lay_out(struct call *c, const char *set, const char *blob, size_t n, struct vhost_list *list) {
  char placed[SET_NAME];
  struct vhost_want want;
  AUTO_LIST had = {0};
  uint16_t status = accounts_load(c);
  if (status) return status;
  const struct group *group = group_by_name(&c->accounts, WORKER_GROUP);
  bool any = vhost_placed(placed);
  if (any && !vhost_list_read(placed, &had)) return io_failed(c, "the list of the set in place cannot be read");
  if (!vhost_drop_set(set) || (mkdir(VHOST_DIR, 0755) && errno != EEXIST)) return io_failed(c, "the folder of sites cannot be made");
  AUTO_FD base = open_under("/", &VHOST_DIR[1], O_RDONLY | O_DIRECTORY);
  if (base < 0 || fchmod(base, 0755) || mkdirat(base, set, 0755)) return io_failed(c, "the folder of a set cannot be made");
  AUTO_FD dir = vhost_open_set(set);
  AUTO_FD before = any ? vhost_open_set(placed) : -1;
  if (dir < 0 || fchmod(dir, 0755) || !put_common(dir)) return io_failed(c, "the folder of a set cannot be filled");
  size_t at = 0;
  for (char last[sizeof want.name] = ""; !status && vhost_want_next(blob, n, &at, &want);) {
    if (strcmp(last, want.name) >= 0) return fail(c, REEVE_E_FIELD_INVALID, "field", "set", "value", want.name, "rule", "entries sorted by name, each once, are wanted", NULL);
    strcpy(last, want.name);
    status = lay_one(c, &want, dir, before, &had, group ? (gid_t)group->gid : 0);
    if (!status && !vhost_list_add(list, want.name, want.sha256)) status = fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "set", "rule", "at most 8000 files", NULL);
  }
  if (!status && at != n) status = fail(c, REEVE_E_FIELD_INVALID, "field", "set", "value", "", "rule", "entries keep NAME SHA256 and put NAME SIZE are wanted", NULL);
  if (!status && (fsync(dir) || fsync(base))) status = io_failed(c, "a set cannot be written");
  FAILPOINT("vhost.staged");
  return status;
}

void vhost_parks_free(struct vhost_parks *parks) {
  for (struct vhost_park *p = parks->first, *next; p; p = next) {
    next = p->next;
    free(p->site);
    free(p->problem);
    free(p);
  }
  parks->first = NULL;
}

bool vhost_parked(const struct vhost_parks *parks, const char *site) {
  for (const struct vhost_park *p = parks->first; p; p = p->next) if (!strcmp(p->site, site)) return true;
  return false;
}

static bool of_site(const char *file, const char *site) {
  char of[SITE_MAX_LEN + 1];
  return vhost_kind(file, of) != VHOST_NONE && !strcmp(of, site);
}

/* Takes the files of a site out of a folder and a list. */
static bool take_out(int dir, const char *site, struct vhost_list *list) {
  size_t kept = 0;
  for (size_t i = 0; i < list->n; i++) {
    if (!of_site(list->entries[i].name, site)) {
      list->entries[kept++] = list->entries[i];
      continue;
    }
    if (unlinkat(dir, list->entries[i].name, 0) && errno != ENOENT) return false;
    free(list->entries[i].name);
  }
  list->n = kept;
  return true;
}

bool vhost_park(struct vhost_parks *parks, const char *set, const char *site, const char *problem, struct vhost_list *list) {
  char placed[SET_NAME];
  AUTO_LIST had = {0};
  struct vhost_park *p = calloc(1, sizeof *p);
  bool any = vhost_placed(placed) && vhost_list_read(placed, &had), was = vhost_parked(parks, site), same = true;
  AUTO_FD dir = vhost_open_set(set);
  AUTO_FD before = any ? vhost_open_set(placed) : -1;
  if (!p || dir < 0) {
    free(p);
    return false;
  }
  for (size_t i = 0; i < had.n; i++) {
    if (!of_site(had.entries[i].name, site)) continue;
    const struct vhost_entry *now = vhost_list_find(list, had.entries[i].name);
    same = same && now && !memcmp(now->sha256, had.entries[i].sha256, 32);
    p->before = true;
  }
  /* What is as before and does not work, or does not work as before either, is left out. */
  p->before = p->before && !same && !was;
  bool ok = take_out(dir, site, list);
  for (size_t i = 0; ok && p->before && i < had.n; i++) {
    if (!of_site(had.entries[i].name, site)) continue;
    ok = (!linkat(before, had.entries[i].name, dir, had.entries[i].name, 0) || errno == ENOENT) && vhost_list_add(list, had.entries[i].name, had.entries[i].sha256);
  }
  p->site = strdup(site);
  p->problem = strdup(problem);
  for (struct vhost_park *at = parks->first; at && was; at = at->next) if (!strcmp(at->site, site)) at->before = false;
  if (was) {
    free(p->site);
    free(p->problem);
    free(p);
  } else {
    p->next = parks->first;
    parks->first = p;
  }
  return ok && !fsync(dir);
}
