/* What nginx would write for this configuration, also when it only tests it: logs, the file of its process id, folders for bodies and caches. */
#include "check.h"

#define PREFIX "/usr/share/nginx/"       /* of nginx in Debian, for paths that are not absolute */
#define PLACES_MOST 4096u

struct place { char *folder, *file; };   /* file: one that it opens there, or NULL */
struct places { struct place list[PLACES_MOST]; size_t n; bool full; };

static const char *const files[] = {"access_log", "error_log", "pid", "lock_file", NULL};
static const char *const folders[] = {"client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path",
  "proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path", NULL};

static void add(struct places *p, const char *folder, const char *file) {
  char *real = realpath(folder, NULL);
  if (!real || !strcmp(real, "/")) {
    free(real);  /* nginx says so */
    return;
  }
  for (size_t i = 0; i < p->n; i++) {
    const struct place *there = &p->list[i];
    bool same = !strcmp(there->folder, real) && (there->file ? file && !strcmp(there->file, file) : !file);
    if (!same) continue;
    free(real);
    return;
  }
  if (p->n == PLACES_MOST) {
    p->full = true;
    free(real);
    return;
  }
  p->list[p->n++] = (struct place){real, file ? strdup(file) : NULL};
}

static void add_parent(struct places *p, char *path, bool file) {
  char *slash = strrchr(path, '/');
  if (slash == path) return;
  *slash = 0;
  add(p, path, file ? slash + 1 : NULL);
}

static void add_path(struct places *p, const char *name, bool file) {
  char path[PATH_MOST];
  struct stat st;
  int n = snprintf(path, sizeof path, "%s%s", *name == '/' ? "" : PREFIX, name);
  if (n < 2 || (size_t)n >= sizeof path) return;
  while (n > 1 && path[n - 1] == '/') path[--n] = 0;
  if (!file && !stat(path, &st)) add(p, path, NULL);
  else add_parent(p, path, file);
}

static bool is_special(const char *path) { return !strcmp(path, "off") || !strcmp(path, "stderr") || !strncmp(path, "syslog:", 7) || !strncmp(path, "memory:", 7) || strchr(path, '$'); }

static void meet(void *data, const struct nginx_at *at) {
  if (at->kind != NGINX_SIMPLE || at->nwords < 2) return;
  if (is_listed(folders, at->words[0])) add_path(data, at->words[1], false);
  else if (is_listed(files, at->words[0]) && !is_special(at->words[1])) add_path(data, at->words[1], true);
}

static int by_folder(const void *a, const void *b) { return strcmp(((const struct place *)a)->folder, ((const struct place *)b)->folder); }

static bool is_below(const char *folder, const char *top) {
  size_t n = strlen(top);
  return !strncmp(folder, top, n) && folder[n] == '/';
}

/* The folder of one run of places, which are sorted, so that those around it have been before. */
static bool open_folder(struct sandbox *s, const struct places *p, size_t first, size_t last) {
  char **gone = calloc(last - first, sizeof *gone);
  size_t n = 0;
  bool nested = false;
  if (!gone) return false;
  for (size_t i = 0; i < first; i++) nested = nested || is_below(p->list[first].folder, p->list[i].folder);
  for (size_t i = first; i < last; i++) if (p->list[i].file) gone[n++] = p->list[i].file;
  bool ok = over_folder(s, p->list[first].folder, nested, gone, n);
  free(gone);
  return ok;
}

bool writes_open(struct sandbox *s) {
  static const char *const always[] = {"/run", "/var/log/nginx", "/var/lib/nginx", NULL};
  struct places *p = calloc(1, sizeof *p);
  struct nginx_walk walk = {.meet = meet, .data = p};
  bool ok = p != NULL;
  if (ok) nginx_walk(&walk);
  for (const char *const *folder = always; ok && *folder; folder++) add(p, *folder, NULL);
  if (ok) add(p, "/run", "nginx.pid");
  ok = ok && !p->full;
  if (ok) qsort(p->list, p->n, sizeof *p->list, by_folder);
  for (size_t first = 0, last; ok && first < p->n; first = last) {
    for (last = first; last < p->n && !strcmp(p->list[last].folder, p->list[first].folder);) last++;
    ok = open_folder(s, p, first, last);
  }
  for (size_t i = 0; p && i < p->n; i++) {
    free(p->list[i].folder);
    free(p->list[i].file);
  }
  free(p);
  return ok;
}
