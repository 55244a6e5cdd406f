/* The whole configuration of nginx, with its includes, as directives. */
#include "vhost.h"
#include <fnmatch.h>
#include <glob.h>

#define FILES_MAX 20000u
#define FILE_MAX (8u << 20)
#define INCLUDES_DEEP 8u

struct state { struct nginx_walk *w; struct nginx_at at; char *names[NGINX_DEPTH]; unsigned files, deep; };

static void cut(struct state *s, const char *file, const char *why) {
  if (s->w->cut) return;
  s->w->cut = true;
  snprintf(s->w->file, sizeof s->w->file, "%s", file);
  snprintf(s->w->why, sizeof s->w->why, "%s", why);
}

static void read_file(struct state *s, const char *file);

/* Relative to the folder of the main file, in the order of names. A pattern that finds nothing is fine; a name that is not there is not. */
static void include(struct state *s, const char *pattern, const char *by) {
  char path[512];
  glob_t found;
  int n = snprintf(path, sizeof path, "%s%s", *pattern == '/' ? "" : NGINX_DIR "/", pattern);
  if (n < 0 || (size_t)n >= sizeof path || s->deep == INCLUDES_DEEP) {
    cut(s, by, "an include is too long, or too deep");
    return;
  }
  if (s->w->others && !strncmp(path, VHOST_CURRENT "/", sizeof VHOST_CURRENT)) return;
  if (glob(path, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++) read_file(s, found.gl_pathv[i]);
    globfree(&found);
  } else if (!strpbrk(pattern, "*?[")) {
    cut(s, path, "it is included, and not there");
  }
}

static void open_block(struct state *s, const char *name) {
  s->names[s->at.depth] = strdup(name);
  s->at.blocks[s->at.depth] = s->names[s->at.depth] ? s->names[s->at.depth] : "";
  s->at.depth++;
}

static void close_block(struct state *s) {
  s->at.depth--;
  end_text(&s->names[s->at.depth]);
  s->names[s->at.depth] = NULL;
}

/* One directive of a file; false: the rest of the file is not read. */
static bool meet(struct state *s, struct nginx_reader *r, const char *file, enum nginx_kind kind, unsigned floor) {
  if (kind == NGINX_CLOSE && s->at.depth == floor) return cut(s, file, "unexpected \"}\""), false;
  if (kind == NGINX_OPEN && s->at.depth == NGINX_DEPTH) return cut(s, file, "blocks are too deep"), false;
  if (kind == NGINX_CLOSE) close_block(s);
  s->at.file = file;
  s->at.line = r->from;
  s->at.kind = kind;
  s->at.nwords = r->nwords;
  s->at.words = r->words;
  bool is_include = kind == NGINX_SIMPLE && r->nwords == 2 && !strcmp(r->words[0], "include");
  if (!is_include || s->w->includes) s->w->meet(s->w->data, &s->at);
  if (is_include) include(s, r->words[1], file);
  if (kind == NGINX_OPEN) open_block(s, r->words[0]);
  return true;
}

static void read_file(struct state *s, const char *file) {
  size_t n;
  if (s->w->skip && !strcmp(s->w->skip, file)) return;
  if (s->files++ == FILES_MAX) {
    cut(s, file, "there are too many files");
    return;
  }
  AUTO_TEXT text = read_whole(file, FILE_MAX, &n);
  struct nginx_reader *r = text ? malloc(sizeof *r) : NULL;
  if (!r) {
    cut(s, file, "it cannot be read");
    return;
  }
  unsigned floor = s->at.depth;
  enum nginx_kind kind;
  s->deep++;
  nginx_reader_init(r, text, n);
  while ((kind = nginx_next(r)) != NGINX_END) {
    if (kind == NGINX_BAD) cut(s, file, r->why);
    if (kind == NGINX_BAD || !meet(s, r, file, kind, floor)) break;
  }
  if (kind == NGINX_END && s->at.depth != floor) cut(s, file, "a block does not end");
  while (s->at.depth > floor) close_block(s);
  s->deep--;
  free(r);
}

/* Calls `meet` for each directive, for includes only where that is wanted. What cannot be read is left out, and `cut` says so. */
void nginx_walk(struct nginx_walk *w) {
  struct state s = {.w = w};
  w->cut = false;
  read_file(&s, NGINX_MAIN);
}

/* Whether an include leads to a file of this name in the folder of includes. */
static void find_include(void *data, const struct nginx_at *at) {
  char pattern[512];
  bool *found = data;
  if (at->depth != 1 || strcmp(at->blocks[0], "http") || at->nwords != 2 || strcmp(at->words[0], "include")) return;
  int n = snprintf(pattern, sizeof pattern, "%s%s", *at->words[1] == '/' ? "" : NGINX_DIR "/", at->words[1]);
  if (n > 0 && (size_t)n < sizeof pattern && !fnmatch(pattern, NGINX_INCLUDES "/" VHOST_INCLUDE, FNM_PATHNAME)) *found = true;
}

bool nginx_reads_includes(void) {
  bool found = false;
  struct nginx_walk w = {.includes = true, .meet = find_include, .data = &found};
  nginx_walk(&w);
  return found;
}
