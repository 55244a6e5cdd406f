/* Laying out a set: a folder of its own with links to what stays and new files for the rest. Nothing that serves is touched. */
#include "vhost_set.h"

#define MANY_FILES 16  /* from here on the whole file system is written at once */

/* What every set begins with. A site may use these names (vhost_word.c). */
static const char common[] =
  "# Managed by Reeve: made anew with every change. See reeve-agent(8).\n"
  "geo $reeve_dollar { default \"$\"; }\n"
  "geo $reeve_local { default 0; 127.0.0.1 1; ::1 1; }\n"
  "map $http_upgrade $reeve_upgrade { default \"\"; websocket websocket; }\n"
  "map $http_upgrade $reeve_connection { default close; websocket upgrade; }\n"
  "map $http_host $reeve_port { default \"\"; \"~(?<reeve_given>:[0-9]+)\\z\" $reeve_given; }\n";
static const char bucket_size[] = "server_names_hash_bucket_size 512;\n", max_size[] = "server_names_hash_max_size 8192;\n";

/* Of nginx.conf and what it includes: sizes of nginx's table of names, which it takes only once, and whose workers are. */
struct meeting { const char *skip; bool bucket, max; char group[64]; };

static void meet(void *data, const struct nginx_at *at) {
  struct meeting *m = data;
  if (at->kind != NGINX_SIMPLE || (m->skip && !strcmp(at->file, m->skip))) return;
  bool http = at->depth == 1 && !strcmp(at->blocks[0], "http");
  m->bucket = m->bucket || (http && !strcmp(at->words[0], "server_names_hash_bucket_size"));
  m->max = m->max || (http && !strcmp(at->words[0], "server_names_hash_max_size"));
  if (at->depth == 0 && !strcmp(at->words[0], "user") && at->nwords > 1) snprintf(m->group, sizeof m->group, "%s", at->words[at->nwords > 2 ? 2 : 1]);
}

/* A group of the host by its name, or of the account of that name. */
static gid_t group_of(struct call *c, const char *name) {
  const struct group *group = group_by_name(&c->accounts, name);
  const struct user *user = group ? NULL : user_by_name(&c->accounts, name);
  return group ? (gid_t)group->gid : user ? (gid_t)user->gid : 0;
}

static bool put_common(int dir, const struct meeting *m) {
  AUTO_FD fd = open_beneath(dir, VHOST_COMMON, O_WRONLY | O_CREAT | O_EXCL, 0);
  bool ok = fd >= 0 && write_whole(fd, common, sizeof common - 1);
  ok = ok && (m->bucket || write_whole(fd, bucket_size, sizeof bucket_size - 1)) && (m->max || write_whole(fd, max_size, sizeof max_size - 1));
  return ok && !fchmod(fd, 0644) && !fsync(fd);
}

static const struct vhost_want *want_of(const struct vhost_work *w, const char *name) {
  size_t low = 0, high = w->nwants;
  while (low < high) {
    size_t mid = (low + high) / 2;
    int order = strcmp(w->wants[mid].name, name);
    if (order == 0) return &w->wants[mid];
    if (order < 0) low = mid + 1;
    else high = mid;
  }
  return NULL;
}

static uint16_t carry_one(struct call *c, const struct vhost_work *w, const char *name) {
  char path[sizeof VHOST_CURRENT + 300], to[320], site[SITE_MAX_LEN + 1];
  struct stat st;
  if (name[0] == '.' || !strcmp(name, VHOST_COMMON) || vhost_list_find(&w->had, name) || fstatat(w->old, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) return REEVE_OK;
  snprintf(path, sizeof path, VHOST_CURRENT "/%s", name);
  bool taken = w->take && !strcmp(w->take, path);
  if (!taken && want_of(w, name) && vhost_kind(name, site) == VHOST_CONF) return fail(c, REEVE_E_VHOST_FOREIGN, "value", site, "rule", "a file of its name is there that Reeve did not write", "owner", path, NULL);
  if (!taken && want_of(w, name)) return REEVE_OK;
  snprintf(to, sizeof to, "%s%s", name, taken ? ".reeve-taken" : "");
  return !linkat(w->old, name, w->dir, to, 0) || errno == EEXIST ? REEVE_OK : io_failed(c, "a file of others cannot be kept");
}

/* Files in the folder in place that Reeve did not write, or let go of, stay there. */
static uint16_t carry(struct call *c, const struct vhost_work *w) {
  struct dirent **names = NULL;
  uint16_t status = REEVE_OK;
  int n = w->old < 0 ? 0 : scandirat(w->old, ".", &names, NULL, NULL);
  for (int i = 0; i < n && !status; i++) status = carry_one(c, w, names[i]->d_name);
  end_names(names, n < 0 ? 0 : n);
  return n < 0 ? io_failed(c, "the set in place cannot be read") : status;
}

/* Makes the folder anew, with what is of no site; and lays out every site that has no problem. */
uint16_t vhost_lay_out(struct call *c, struct vhost_work *w) {
  struct meeting m = {.skip = w->take, .group = "www-data"};
  struct nginx_walk walk = {.meet = meet, .data = &m, .others = true};
  uint16_t status = accounts_load(c);
  if (status) return status;
  nginx_walk(&walk);
  w->workers = group_of(c, m.group);
  if (!vhost_drop_set(VHOST_STAGED) || (mkdir(VHOST_DIR, 0755) && errno != EEXIST)) return io_failed(c, "the folder of sites cannot be made");
  AUTO_FD base = vhost_base();
  if (base < 0 || fchmod(base, 0755) || mkdirat(base, VHOST_STAGED, 0755)) return io_failed(c, "the folder of a set cannot be made");
  w->dir = vhost_open_set(VHOST_STAGED);
  if (w->dir < 0 || fchmod(w->dir, 0755) || !put_common(w->dir, &m)) return io_failed(c, "the folder of a set cannot be filled");
  status = carry(c, w);
  for (size_t i = 0; i < w->nsites && !status; i++) {
    struct vhost_site *s = &w->sites[i];
    s->how = VHOST_OUT;  /* nothing is there yet */
    if (!vhost_site_set(w, s, !s->problem ? VHOST_WANTED : s->before ? VHOST_BEFORE : VHOST_OUT)) status = io_failed(c, "the files of a site cannot be laid out");
  }
  return status;
}

/* Only what nginx opens while it serves is for the group of its workers. */
static bool put_file(const struct vhost_work *w, const struct vhost_want *want) {
  char site[SITE_MAX_LEN + 1];
  enum vhost_kind kind = vhost_kind(want->name, site);
  AUTO_FD fd = open_beneath(w->dir, want->name, O_WRONLY | O_CREAT | O_EXCL, 0);
  if (fd < 0 || !write_whole(fd, want->text, want->n)) return false;
  if (kind == VHOST_AUTH && fchown(fd, 0, w->workers)) return false;
  return !fchmod(fd, kind == VHOST_KEY ? 0600 : kind == VHOST_AUTH ? 0640 : 0644);
}

/* A file that somebody took away by hand stays away. */
static bool keep_file(const struct vhost_work *w, const char *name) { return w->old >= 0 && (!linkat(w->old, name, w->dir, name, 0) || errno == ENOENT); }

static bool is_of(const char *file, const struct vhost_site *s) {
  char site[SITE_MAX_LEN + 1];
  return vhost_kind(file, site) != VHOST_NONE && !strcmp(site, s->name);
}

/* The entries of one site are near each other: all begin with its name. */
static size_t first_of(const struct vhost_work *w, const struct vhost_site *s) {
  size_t low = 0, high = w->nwants;
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (strncmp(w->wants[mid].name, s->name, strlen(s->name)) < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

static size_t first_had(const struct vhost_work *w, const struct vhost_site *s) {
  size_t low = 0, high = w->had.n;
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (strncmp(w->had.entries[mid].name, s->name, strlen(s->name)) < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

static bool begins(const char *file, const struct vhost_site *s) { return !strncmp(file, s->name, strlen(s->name)); }

/* Another way for a site to be laid out. */
bool vhost_site_set(struct vhost_work *w, struct vhost_site *s, enum vhost_how how) {
  bool ok = true, clear = s->how != VHOST_OUT;
  size_t wants = first_of(w, s), had = first_had(w, s);
  for (size_t i = wants; clear && i < w->nwants && begins(w->wants[i].name, s); i++) if (is_of(w->wants[i].name, s)) ok = (!unlinkat(w->dir, w->wants[i].name, 0) || errno == ENOENT) && ok;
  for (size_t i = had; clear && i < w->had.n && begins(w->had.entries[i].name, s); i++) if (is_of(w->had.entries[i].name, s)) ok = (!unlinkat(w->dir, w->had.entries[i].name, 0) || errno == ENOENT) && ok;
  for (size_t i = wants; how == VHOST_WANTED && i < w->nwants && begins(w->wants[i].name, s); i++)
    if (is_of(w->wants[i].name, s)) ok = (w->wants[i].put ? put_file(w, &w->wants[i]) : keep_file(w, w->wants[i].name)) && ok;
  for (size_t i = had; how == VHOST_BEFORE && i < w->had.n && begins(w->had.entries[i].name, s); i++)
    if (is_of(w->had.entries[i].name, s)) ok = keep_file(w, w->had.entries[i].name) && ok;
  s->how = how;
  return ok;
}

/* It stays as it is in place; where there is nothing of it, or nothing that can be used, it stays out. */
bool vhost_park(struct vhost_work *w, struct vhost_site *s, const char *problem) {
  if (!s->problem) s->problem = strdup(problem);
  return s->problem && vhost_site_set(w, s, s->changed && s->before && s->how == VHOST_WANTED ? VHOST_BEFORE : VHOST_OUT);
}

static bool flush(const struct vhost_work *w) {
  size_t written = 0;
  for (size_t i = 0; i < w->nwants; i++) written += w->wants[i].put && w->sites[w->wants[i].site].how == VHOST_WANTED;
  if (written >= MANY_FILES) return !syncfs(w->dir);
  for (size_t i = 0; i < w->nwants; i++) {
    if (!w->wants[i].put || w->sites[w->wants[i].site].how != VHOST_WANTED) continue;
    AUTO_FD fd = open_beneath(w->dir, w->wants[i].name, O_RDONLY, 0);
    if (fd < 0 || fsync(fd)) return false;
  }
  return true;
}

/* Files and folder are on the disk; the list is of what was written into them, now or when it was laid out first. */
bool vhost_lay_end(const struct vhost_work *w, struct vhost_list *list) {
  AUTO_FD base = vhost_base();
  bool ok = base >= 0 && flush(w) && !fsync(w->dir) && !fsync(base);
  for (size_t i = 0; i < w->nwants && ok; i++) if (w->sites[w->wants[i].site].how == VHOST_WANTED) ok = vhost_list_add(list, w->wants[i].name, w->wants[i].sha256, w->wants[i].put);
  for (size_t i = 0; i < w->had.n && ok; i++) {
    char name[SITE_MAX_LEN + 1];
    const struct vhost_site *s = vhost_kind(w->had.entries[i].name, name) == VHOST_NONE ? NULL : vhost_site_find(w, name);
    if (s && s->how == VHOST_BEFORE) ok = vhost_list_add(list, w->had.entries[i].name, w->had.entries[i].sha256, false);
  }
  return ok;
}
