/* observe.key: the lines of the managed key files, or of one account's own ones. No program is started. */
#include "reeve.h"
#include "key_own.h"

#define F(c, field) (&(c)->f[REEVE_F_OBSERVE_KEY_##field])
#define FILE_TAG(field) REEVE_R_OBSERVE_KEY_FILE_##field
#define LINE_TAG(field) REEVE_R_OBSERVE_KEY_LINE_##field
#define LINES_MAX 10000
#define REPLY_MOST (REEVE_CONTENT_BYTES - (64u << 10))
#define PATTERNS_MAX 32

struct scan { struct call *c; const char *user, *path; uint32_t lines; bool truncated; };

uint16_t check_observe_key(struct call *c) {
  const struct value *name = F(c, NAME), *patterns = F(c, PATTERNS);
  bool own = !strcmp(F(c, SCOPE)->text, "own");
  if (!own) return REEVE_OK;
  if (!name->set) return fail(c, REEVE_E_FIELD_MISSING, "field", "name", "rule", "scope own needs it", NULL);
  if (!patterns->set) return fail(c, REEVE_E_FIELD_MISSING, "field", "patterns", "rule", "scope own needs it", NULL);
  size_t count = 1;
  bool plain = true;
  for (const char *s = patterns->text; *s; s++) {
    if (*s == '\n') count++;
    else if ((unsigned char)*s < 0x20 || *s == 0x7f) plain = false;
  }
  if (plain && count <= PATTERNS_MAX && patterns->n < OWN_PATH_MAX && !strstr(patterns->text, KEY_FOLDER)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "patterns", "value", "", "rule", "at most 32 paths of sshd, none of managed key files, are wanted", NULL);
}

/* Is there room for one more? */
static bool room(struct scan *s) {
  if (s->lines >= LINES_MAX || s->c->reply.n > REPLY_MOST) s->truncated = true;
  return !s->truncated;
}

static void put_line(struct scan *s, const struct key_line *k, uint32_t number) {
  struct buf *b = &s->c->reply;
  if (!room(s)) return;
  s->lines++;
  size_t at = reply_begin(b, REEVE_R_OBSERVE_KEY_LINE);
  reply_text(b, LINE_TAG(USER), s->user, strlen(s->user));
  reply_text(b, LINE_TAG(PATH), s->path, strlen(s->path));
  reply_u32(b, LINE_TAG(NUMBER), number);
  reply_string(b, LINE_TAG(TYPE), k->type);
  reply_bytes(b, LINE_TAG(BLOB), k->blob, k->nblob);
  reply_text(b, LINE_TAG(COMMENT), k->comment, k->ncomment);
  reply_string(b, LINE_TAG(OPTIONS), k->options);
  reply_u64(b, LINE_TAG(EXPIRES), k->expires);
  reply_string(b, LINE_TAG(PROBLEM), k->problem);
  reply_end(b, at);
}

static void put_file(struct scan *s, const char *text, size_t n, const char *problem, bool marked) {
  struct buf *b = &s->c->reply;
  uint8_t sum[32];
  uint32_t number = 1;
  if (!room(s)) return;
  sha256_of(text, n, sum);
  size_t at = reply_begin(b, REEVE_R_OBSERVE_KEY_FILE);
  reply_text(b, FILE_TAG(USER), s->user, strlen(s->user));
  reply_text(b, FILE_TAG(PATH), s->path, strlen(s->path));
  reply_string(b, FILE_TAG(PROBLEM), problem);
  reply_bytes(b, FILE_TAG(SHA256), sum, *problem ? 0 : sizeof sum);
  reply_bool(b, FILE_TAG(MARKED), marked);
  reply_end(b, at);
  for (const char *end = text + n, *stop; text < end && !s->truncated; text = stop + 1, number++) {
    struct key_line k;
    stop = memchr(text, '\n', (size_t)(end - text));
    if (!stop) stop = end;
    if (key_line_parse(&k, text, (size_t)(stop - text))) put_line(s, &k, number);
  }
}

static const char *reason_of(int problem) {
  switch (problem) {
    case EACCES: case EPERM: return "the user may not read it";
    case EFBIG: return "it is too large";
    case EINVAL: case EISDIR: case ENXIO: return "it is not a regular file";
    case ELOOP: return "its links lead nowhere, or it is one";
    case E2BIG: return "there are too many files";
    default: return "it cannot be read";
  }
}

static int is_entry(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void scan_managed(struct scan *s, int dir, const char *name) {
  char path[sizeof KEY_FOLDER + 300];
  struct stat st;
  size_t n = 0;
  bool marked = false;
  AUTO_TEXT text = NULL;
  AUTO_FD fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  errno = fd < 0 ? errno : 0;
  if (fd >= 0 && !fstat(fd, &st)) text = read_open(fd, KEY_FILE_MAX, &n);
  int problem = errno;
  if (!text && problem == ENOENT) return;  /* it has just gone */
  if (grammar_name(name)) (void)key_marked(s->c, name, &marked);
  snprintf(path, sizeof path, KEY_FOLDER "/%s", name);
  s->user = name;
  s->path = path;
  put_file(s, text ? text : "", n, text ? "" : reason_of(problem), marked);
}

static uint16_t observe_managed(struct scan *s) {
  struct dirent **names = NULL;
  AUTO_FD dir = -1;
  uint16_t status = key_folder(s->c, false, &dir);
  if (status || dir < 0) return status;
  int n = scandirat(dir, ".", &names, is_entry, alphasort);
  if (n < 0) return io_failed(s->c, "the folder of key files cannot be read");
  for (int i = 0; i < n; i++) scan_managed(s, dir, names[i]->d_name);
  end_names(names, n);
  return REEVE_OK;
}

static uint16_t observe_own(struct scan *s) {
  struct call *c = s->c;
  struct buf told;
  struct own_file f;
  size_t at = 0;
  uint16_t status = accounts_load(c);
  if (status) return status;
  struct own own = {user_by_name(&c->accounts, F(c, NAME)->text), F(c, PATTERNS)->text};
  if (!own.user) return fail(c, REEVE_E_USER_ABSENT, "value", F(c, NAME)->text, NULL);
  buf_init(&told, REEVE_CONTENT_BYTES);
  status = run_as(c, own.user, own_read, &own, &told);
  s->user = own.user->name;
  while (own_next(&told, &at, &f)) {
    s->path = f.path;
    put_file(s, f.text, f.n, f.problem ? reason_of(f.problem) : "", false);
  }
  buf_free(&told);
  if (!status || status == REEVE_E_SANDBOX_VIOLATION) return status;
  s->path = own.user->home;  /* one account that cannot be read must not hide the others */
  put_file(s, "", 0, "reading as the user failed, or took longer than 5 s", false);
  return REEVE_OK;
}

uint16_t op_observe_key(struct call *c) {
  struct scan s = {.c = c};
  uint16_t status = strcmp(F(c, SCOPE)->text, "own") ? observe_managed(&s) : observe_own(&s);
  if (!status) reply_bool(&c->reply, REEVE_R_OBSERVE_KEY_TRUNCATED, s.truncated);
  return status;
}
