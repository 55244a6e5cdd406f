/* observe.vhost: the files of the set in place, sites of others, and single files as text or directives. */
#include "vhost_set.h"

#define TAG(field) REEVE_R_OBSERVE_VHOST_##field
#define F(c, field) (&(c)->f[REEVE_F_OBSERVE_VHOST_##field])
#define FOREIGN_MAX 1000u
#define DIRECTIVES_MAX 5000u
#define NAMES_MAX 64u
#define ROOM_LEFT (64u << 10)
#define SNIPPETS_MAX 256

static bool scope_is(const struct call *c, const char *scope) { return !strcmp(c->f[REEVE_F_OBSERVE_VHOST_SCOPE].text, scope); }

uint16_t check_observe_vhost(struct call *c) {
  char site[SITE_MAX_LEN + 1];
  const struct value *file = F(c, FILE);
  bool one = scope_is(c, "file"), other = scope_is(c, "site");
  if (one && file->set && vhost_kind(file->text, site) != VHOST_NONE) return REEVE_OK;
  if (other && file->set && vhost_path(file->text)) return REEVE_OK;
  if (!one && !other && !file->set) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "file", "value", file->set ? file->text : "", "rule", "a managed file for scope file, an absolute path for scope site, nothing else", NULL);
}

static bool room(const struct buf *b) { return b->limit - b->n > ROOM_LEFT; }

/* Sites of others, block by block. */
struct foreign { struct call *c; const struct vhost_list *ours; size_t n, at, names; bool in, cut; unsigned depth; };

static void meet(void *data, const struct nginx_at *at) {
  struct foreign *f = data;
  struct buf *b = &f->c->reply;
  if (f->in && at->kind == NGINX_CLOSE && at->depth == f->depth) {
    reply_end(b, f->at);
    f->in = false;
  }
  if (vhost_owns(f->ours, at->file)) return;
  if (at->kind == NGINX_OPEN && !strcmp(at->words[0], "server") && at->depth == 1 && !strcmp(at->blocks[0], "http")) {
    f->cut = f->cut || f->n >= FOREIGN_MAX || !room(b);
    if (f->cut) return;
    f->n++;
    f->in = true;
    f->names = 0;
    f->depth = at->depth;
    f->at = reply_begin(b, TAG(FOREIGN));
    reply_text(b, TAG(FOREIGN_FILE), at->file, strlen(at->file));
    reply_u32(b, TAG(FOREIGN_LINE), at->line);
    return;
  }
  if (!f->in || at->kind != NGINX_SIMPLE || at->depth != f->depth + 1) return;
  bool name = !strcmp(at->words[0], "server_name"), listen = !strcmp(at->words[0], "listen");
  char joined[256] = "";
  for (size_t i = 1; name && i < at->nwords && f->names < NAMES_MAX; i++, f->names++) reply_text(b, TAG(FOREIGN_NAME), at->words[i], strnlen(at->words[i], 256));
  for (size_t i = 1; listen && i < at->nwords; i++) {
    size_t n = strlen(joined);
    snprintf(joined + n, sizeof joined - n, "%s%s", n ? " " : "", at->words[i]);
  }
  if (listen) reply_text(b, TAG(FOREIGN_LISTEN), joined, strlen(joined));
}

static bool put_foreign(struct call *c) {
  char placed[SET_NAME];
  AUTO_LIST ours = {0};
  struct foreign f = {.c = c, .ours = &ours};
  if (vhost_placed(placed)) (void)vhost_list_read(placed, &ours);
  struct nginx_walk w = {.meet = meet, .data = &f};
  nginx_walk(&w);
  if (f.in) reply_end(&c->reply, f.at);
  return f.cut || w.cut;
}

/* A site that nginx does not read any more, because the include file was taken away or altered, is as good as taken away. */
static void put_one(struct buf *b, int dir, const struct vhost_entry *entry, bool included) {
  char site[SITE_MAX_LEN + 1];
  size_t n = 0;
  uint8_t sum[32], model[32];
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, entry->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, VHOST_FILE_MAX, &n);
  enum vhost_kind kind = vhost_kind(entry->name, site);
  if (text) sha256_of(text, n, sum);
  bool there = text && (included || kind != VHOST_CONF);
  bool same = text && !memcmp(sum, entry->sha256, 32);
  size_t record = reply_begin(b, TAG(FILE));
  reply_string(b, TAG(FILE_NAME), entry->name);
  reply_bytes(b, TAG(FILE_SHA256), entry->sha256, 32);
  reply_string(b, TAG(FILE_STATE), !there ? "missing" : same ? "ok" : "edited");
  reply_bytes(b, TAG(FILE_MODEL), model, text && kind == VHOST_CONF && vhost_model(text, n, model) ? 32 : 0);
  reply_bytes(b, TAG(FILE_TEXT), text, text && kind == VHOST_CRT && n <= (64u << 10) ? n : 0);
  reply_end(b, record);
}

static uint16_t put_files(struct call *c) {
  char placed[SET_NAME];
  uint8_t sum[32], operation[OP_BYTES];
  struct vhost_note note;
  AUTO_LIST list = {0};
  bool any = vhost_placed(placed) && vhost_list_read(placed, &list);
  bool open = vhost_note_read("unsettled", &note) && any && !strcmp(note.set, placed) && unhex(operation, note.operation, OP_BYTES);
  AUTO_FD dir = any ? vhost_open_set(placed) : -1;
  vhost_list_sha(&list, sum);
  reply_bytes(&c->reply, TAG(SET), sum, any ? sizeof sum : 0);
  reply_bytes(&c->reply, TAG(OPERATION), operation, open ? sizeof operation : 0);
  bool included = vhost_has_include();
  for (size_t i = 0; i < list.n; i++) put_one(&c->reply, dir, &list.entries[i], included);
  return REEVE_OK;
}

/* Those that could be used, if the policy says so. */
static void put_snippets(struct buf *b) {
  struct dirent **names = NULL;
  uint8_t sum[32];
  const char *why;
  AUTO_FD dir = open_under("/", &SNIPPET_DIR[1], O_RDONLY | O_DIRECTORY);
  int n = dir < 0 ? -1 : scandirat(dir, ".", &names, NULL, alphasort);
  for (int i = 0; i < n && i < SNIPPETS_MAX && room(b); i++) {
    char *name = names[i]->d_name, *end = strrchr(name, '.');
    if (!end || strcmp(end, ".conf")) continue;
    *end = 0;
    if (end - name > SNIPPET_NAME || !vhost_snippet(name, sum, &why)) continue;
    size_t record = reply_begin(b, TAG(SNIPPET));
    reply_string(b, TAG(SNIPPET_NAME), name);
    reply_bytes(b, TAG(SNIPPET_SHA256), sum, sizeof sum);
    reply_end(b, record);
  }
  if (n >= 0) end_names(names, n);
}

static void put_engine(struct call *c) {
  char version[32], engine[48] = "";
  if (nginx_version(version)) snprintf(engine, sizeof engine, "nginx %s", version);
  reply_string(&c->reply, TAG(ENGINE), engine);
  reply_bool(&c->reply, TAG(RUNNING), nginx_master() != 0);
  bool included = !*engine || vhost_has_include() || nginx_reads_includes();
  reply_string(&c->reply, TAG(INCLUDED), included ? "" : NGINX_MAIN " does not include " NGINX_INCLUDES "/*.conf");
}

/* One managed file; never what is secret in it. */
static uint16_t put_text(struct call *c) {
  char placed[SET_NAME], site[SITE_MAX_LEN + 1];
  size_t n = 0;
  uint8_t sum[32];
  const char *name = F(c, FILE)->text;
  enum vhost_kind kind = vhost_kind(name, site);
  AUTO_LIST list = {0};
  bool ours = vhost_placed(placed) && vhost_list_read(placed, &list) && vhost_list_find(&list, name);
  if (!ours || kind == VHOST_KEY || kind == VHOST_AUTH) return fail(c, REEVE_E_VHOST_UNKNOWN, "value", site, NULL);
  AUTO_FD dir = vhost_open_set(placed);
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, 512u << 10, &n);
  if (!text) return io_failed(c, "the file of a site cannot be read");
  sha256_of(text, n, sum);
  reply_bytes(&c->reply, TAG(TEXT), text, n);
  reply_bytes(&c->reply, TAG(SHA256), sum, sizeof sum);
  return REEVE_OK;
}

struct sought { const char *file; bool found; };
static void seek(void *data, const struct nginx_at *at) {
  struct sought *s = data;
  s->found = s->found || !strcmp(at->file, s->file);
}

/* The directives of a file that nginx reads, in its own order, includes not followed. */
static uint16_t put_site(struct call *c) {
  struct buf *b = &c->reply;
  struct sought sought = {F(c, FILE)->text, false};
  struct nginx_walk w = {.meet = seek, .data = &sought};
  size_t n = 0, count = 0;
  unsigned depth = 0;
  uint8_t sum[32];
  bool cut = false;
  char placed[SET_NAME];
  AUTO_LIST ours = {0};
  if (vhost_placed(placed)) (void)vhost_list_read(placed, &ours);
  nginx_walk(&w);
  if (!sought.found || vhost_owns(&ours, sought.file)) return fail(c, REEVE_E_VHOST_FOREIGN_FILE, "value", sought.file, "rule", "nginx does not read it, or it is Reeve's own", NULL);
  AUTO_TEXT text = read_whole(sought.file, VHOST_FILE_MAX, &n);
  struct nginx_reader *r = text ? malloc(sizeof *r) : NULL;
  if (!r) return fail(c, REEVE_E_VHOST_FOREIGN_FILE, "value", sought.file, "rule", "it cannot be read, or is larger than 1 MiB", NULL);
  nginx_reader_init(r, text, n);
  enum nginx_kind kind;
  while (!cut && (kind = nginx_next(r)) != NGINX_END && kind != NGINX_BAD) {
    if (kind == NGINX_CLOSE) {
      depth -= depth > 0;
      continue;
    }
    cut = ++count > DIRECTIVES_MAX || !room(b);
    if (cut) break;
    size_t record = reply_begin(b, TAG(DIRECTIVE));
    reply_u32(b, TAG(DIRECTIVE_LINE), r->from);
    reply_u32(b, TAG(DIRECTIVE_DEPTH), depth);
    for (size_t i = 0; i < r->nwords; i++) reply_text(b, TAG(DIRECTIVE_WORD), r->words[i], strnlen(r->words[i], 1024));
    reply_bool(b, TAG(DIRECTIVE_BLOCK), kind == NGINX_OPEN);
    reply_end(b, record);
    depth += kind == NGINX_OPEN;
  }
  char why[200];
  bool bad = !cut && kind == NGINX_BAD;
  snprintf(why, sizeof why, "line %u: %s", r->line, r->why);
  free(r);
  if (bad) return fail(c, REEVE_E_VHOST_FOREIGN_FILE, "value", sought.file, "rule", why, NULL);
  sha256_of(text, n, sum);
  reply_bytes(b, TAG(SHA256), sum, sizeof sum);
  reply_bool(b, TAG(TRUNCATED), cut);
  return REEVE_OK;
}

static void put_absent(struct buf *b, bool set, bool text) {
  if (set) reply_bytes(b, TAG(SET), "", 0), reply_bytes(b, TAG(OPERATION), "", 0);
  if (text) reply_bytes(b, TAG(TEXT), "", 0);
}

uint16_t op_observe_vhost(struct call *c) {
  bool file = scope_is(c, "file"), site = scope_is(c, "site"), managed = scope_is(c, "managed"), cut = false;
  put_engine(c);
  uint16_t status = managed ? put_files(c) : REEVE_OK;
  put_absent(&c->reply, !managed, !file);
  if (!status && file) status = put_text(c);
  if (!status && site) status = put_site(c);
  if (!file && !site) reply_bytes(&c->reply, TAG(SHA256), "", 0);
  if (!file && !site) cut = put_foreign(c);
  if (managed) put_snippets(&c->reply);
  if (!site) reply_bool(&c->reply, TAG(TRUNCATED), cut);
  return status;
}
