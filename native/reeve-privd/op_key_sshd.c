/* key.sshd: make sshd read the managed key files, so that a mistake locks nobody out: undo and pending change on the disk, drop-in, checks, a login, reload. */
#include "reeve.h"
#include "pending.h"

#define F(c, field) (&(c)->f[REEVE_F_KEY_SSHD_##field])
#define UNARMED_MS 180000  /* longer than all checks together */
#define EXCLUSIVE_SHOWN 64

static uint16_t bad_field(struct call *c, const char *field, const char *value, const char *rule) {
  return fail(c, REEVE_E_FIELD_INVALID, "field", field, "value", value, "rule", rule, NULL);
}

/* Names, sorted, comma between, each once. */
static bool names_sorted(const char *s) {
  char last[NAME_MAX_LEN + 1] = "", name[NAME_MAX_LEN + 1];
  for (;; s++) {
    size_t n = strcspn(s, ",");
    if (n > NAME_MAX_LEN) return false;
    snprintf(name, sizeof name, "%.*s", (int)n, s);
    if (!grammar_name(name) || strcmp(last, name) >= 0) return false;
    strcpy(last, name);
    s += n;
    if (!*s) return true;
  }
}

uint16_t check_key_sshd(struct call *c) {
  const struct value *probe = F(c, PROBE), *exclusive = F(c, EXCLUSIVE);
  if (probe->set && !grammar_name(probe->text)) return bad_field(c, "probe", probe->text, "the name of an account is wanted");
  if (exclusive->set && *exclusive->text && !names_sorted(exclusive->text)) return bad_field(c, "exclusive", exclusive->text, "sorted names with a comma between are wanted");
  return bad_confirm(c, F(c, CONFIRM_S));
}

static bool is_exclusive(const char *list, const char *name) {
  for (size_t n = strlen(name); *list; list += *list == ',') {
    size_t length = strcspn(list, ",");
    if (length == n && !strncmp(list, name, n)) return true;
    list += length;
  }
  return false;
}

/* What the logins of one user look like: the key files that sshd reads for it. */
static uint16_t paths_of(struct call *c, const char *user, char out[SSHD_LINE]) {
  AUTO_TEXT text = NULL;
  uint16_t status = sshd_ask(c, user, &text);
  const char *at = text;
  if (status) return status;
  if (!sshd_next(&at, "authorizedkeysfile", out)) return sshd_refused(c, "`sshd -T` does not show AuthorizedKeysFile, or more than %u characters of it", SSHD_LINE);
  if (!strcmp(out, "none")) out[0] = 0;
  return REEVE_OK;
}

/* The paths without ours. Such that a line of sshd_config could mean something else are refused. */
static uint16_t foreign_paths(struct call *c, char paths[SSHD_LINE]) {
  char kept[SSHD_LINE] = "", *rest = paths;
  if (strpbrk(paths, "\"'\\#\t")) return sshd_refused(c, "AuthorizedKeysFile has a character that Reeve does not repeat: %s", paths);
  for (char *path; (path = strsep(&rest, " "));) {
    if (!*path || !strcmp(path, KEYS_PATH)) continue;
    size_t n = strlen(kept);
    snprintf(kept + n, sizeof kept - n, "%s%s", n ? " " : "", path);
  }
  strcpy(paths, kept);
  return REEVE_OK;
}

/* StrictModes of sshd: no part of the way to our files may be writable by others; and sshd reads them as the user. */
static uint16_t keys_folder(struct call *c) {
  static const char *const parts[] = {"/", "/etc", "/etc/ssh", KEYS_DIR, NULL};
  if (mkdir(KEYS_DIR, 0755) == 0 && chmod(KEYS_DIR, 0755)) return io_failed(c, KEYS_DIR " cannot be made");
  for (const char *const *part = parts; *part; part++) {
    struct stat st;
    if (lstat(*part, &st)) return io_failed(c, KEYS_DIR " cannot be looked at");
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) || !(st.st_mode & 001))
      return sshd_refused(c, "sshd does not read " KEYS_DIR " because of %s: it must be a folder of root that others may pass and not write", *part);
  }
  return REEVE_OK;
}

/* Options on its command line win over every file, and are not seen by the checks. */
static uint16_t daemon_options(struct call *c) {
  AUTO_TEXT text = read_whole("/etc/default/ssh", 65536, NULL);
  char *rest = text;
  for (char *line; rest && (line = strsep(&rest, "\n"));) {
    if (strncmp(line, "SSHD_OPTS=", 10)) continue;
    if (strstr(line, "-f") || strstr(line, "-o")) return sshd_refused(c, "it is started with options of its own: %s in /etc/default/ssh", line);
  }
  return REEVE_OK;
}

/* Who is exclusive must have a managed file, else nobody would get in there. */
static uint16_t check_users(struct call *c, const char *exclusive) {
  uint16_t status = accounts_load(c);
  const char *probe = F(c, PROBE)->text;
  if (!status && probe && !user_by_name(&c->accounts, probe)) return fail(c, REEVE_E_USER_ABSENT, "value", probe, NULL);
  AUTO_FD owned = status ? -1 : state_folder("owned/key");
  AUTO_FD keys = open(KEYS_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const char *at = exclusive; !status && *at; at += *at == ',') {
    char name[NAME_MAX_LEN + 1];
    size_t n = strcspn(at, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    if (owned < 0 || keys < 0 || faccessat(owned, name, F_OK, 0) || faccessat(keys, name, F_OK, AT_SYMLINK_NOFOLLOW))
      status = sshd_refused(c, "user \"%s\" has no managed key file, so nobody would get in there", name);
    at += n;
  }
  return status;
}

/* Every path of before is still there for this user, and ours is. */
static uint16_t look(struct call *c, const char *user, const char *before, bool exclusive) {
  char now[SSHD_LINE];
  uint16_t status = paths_of(c, user, now);
  if (status) return status;
  if (!path_listed(now, KEYS_PATH, strlen(KEYS_PATH))) return sshd_refused(c, "for user \"%s\" another line comes before ours: AuthorizedKeysFile %s", user, *now ? now : "none");
  if (exclusive) return strcmp(now, KEYS_PATH) ? sshd_refused(c, "for user \"%s\" it still reads other files: %s", user, now) : REEVE_OK;
  for (const char *at = before; *at; at += strspn(at, " ")) {
    size_t n = strcspn(at, " ");
    if (!path_listed(now, at, n)) return sshd_refused(c, "for user \"%s\" it would not read %.*s any more", user, (int)n, at);
    at += n;
  }
  return REEVE_OK;
}

/* What is known of the host before the change. */
struct before { const char *probe, *other; char probe_paths[SSHD_LINE], other_paths[SSHD_LINE], global[SSHD_LINE]; };

static uint16_t look_before(struct call *c, struct before *b) {
  b->probe = F(c, PROBE)->text;
  b->other = b->probe && !strcmp(b->probe, "root") ? "nobody" : "root";
  uint16_t status = b->probe ? paths_of(c, b->probe, b->probe_paths) : REEVE_OK;
  if (!status) status = paths_of(c, b->other, b->other_paths);
  if (!status) status = paths_of(c, NULL, b->global);
  return status ? status : foreign_paths(c, b->global);
}

static uint16_t look_after(struct call *c, const struct before *b, const char *exclusive, bool was_exclusive) {
  uint16_t status = sshd_test(c);
  if (!status && b->probe) status = look(c, b->probe, was_exclusive ? "" : b->probe_paths, is_exclusive(exclusive, b->probe));
  if (!status && !is_exclusive(exclusive, b->other)) status = look(c, b->other, b->other_paths, false);
  size_t shown = 0;
  for (const char *at = exclusive; !status && *at && shown < EXCLUSIVE_SHOWN; at += *at == ',', shown++) {
    char name[NAME_MAX_LEN + 1];
    size_t n = strcspn(at, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    status = look(c, name, "", true);
    at += n;
  }
  return status;
}

static void put_line(struct buf *b, const char *key, const char *value) {
  buf_put(b, key, strlen(key));
  buf_put(b, value, strlen(value));
  buf_put(b, "\n", 1);
}

/* A login with a throw-away key, and then the reload. `touched`: the real sshd may have been told. */
static uint16_t try_out(struct call *c, const struct before *b, bool *touched) {
  AUTO_TEXT text = NULL;
  char line[SSHD_LINE], paths[SSHD_LINE];
  struct outside o;
  struct buf lines;
  buf_init(&lines, 64u << 10);
  uint16_t status = sshd_ask(c, b->probe ? b->probe : b->other, &text);
  const char *at = text;
  if (!status && sshd_next(&at, "pubkeyauthentication", line) && strcmp(line, "yes")) status = sshd_refused(c, "PubkeyAuthentication is off");
  if (!status && b->probe) status = paths_of(c, b->probe, paths);
  if (!status && b->probe) {
    put_line(&lines, "user=", b->probe);
    put_line(&lines, "paths=", paths);
    for (at = text; sshd_next(&at, "hostkey", line);) put_line(&lines, "hostkey=", line);
    buf_put(&lines, "", 1);
    status = outside_check(c, "login", (const char *)lines.p, &o);
  }
  FAILPOINT("sshd.tried");
  if (!status) {
    lines.n = 0;
    for (at = text; sshd_next(&at, "listenaddress", line);) put_line(&lines, "listen=", line);
    buf_put(&lines, "", 1);
    status = outside_check(c, "reload", (const char *)lines.p, &o);
    *touched = o.touched;
  }
  buf_free(&lines);
  FAILPOINT("sshd.reloaded");
  return status;
}

/* All as it was; the errors of what failed stay. */
static void take_back(struct call *c, const struct pending *p, bool touched) {
  struct outside o;
  struct buf why = c->errors;
  buf_init(&c->errors, ERRORS_MAX);
  AUTO_FD undo = state_folder(UNDO_DIR);
  AUTO_FD dir = state_folder(PENDING_DIR);
  bool restored = undo >= 0 && dir >= 0 && restore_dropin(undo, p);
  if (touched && restored && outside_check(c, "restore", "", &o)) log_line("sshd could not be told of its old configuration: %s", o.reason);
  /* Where it could not be restored, the dead-man service goes on trying. */
  if (restored) (void)(unlinkat(dir, NOUN_KEY->name, 0) || fsync(dir));
  buf_free(&c->errors);
  c->errors = why;
}

static uint16_t arm(struct call *c, struct pending *p) {
  if (!pending_arm(NOUN_KEY, p, F(c, CONFIRM_S))) return sshd_refused(c, "the dead-man service could not be armed (%s)", strerrorname_np(errno));
  reply_bool(&c->reply, REEVE_R_KEY_SSHD_PENDING, true);
  reply_u64(&c->reply, REEVE_R_KEY_SSHD_DEADLINE_MS, (uint64_t)p->deadline_ms);
  return REEVE_OK;
}

/* Undo, then the pending change, then the drop-in: each on the disk before the next. */
static uint16_t write_change(struct call *c, struct pending *p, const struct dropin *d, const char *text) {
  uint8_t sum[32];
  AUTO_FD undo = state_folder(UNDO_DIR);
  AUTO_FD pending = state_folder(PENDING_DIR);
  if (mkdir(SSHD_DROPIN_DIR, 0755) == 0 && chmod(SSHD_DROPIN_DIR, 0755)) return io_failed(c, SSHD_DROPIN_DIR " cannot be made");
  AUTO_FD dir = open(SSHD_DROPIN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  pending_begin(p, c, NOUN_KEY, UNARMED_MS);
  p->had = d->there;
  sha256_of(text, strlen(text), sum);
  hex(p->sha256, sum, sizeof sum);
  bool ok = undo >= 0 && pending >= 0 && dir >= 0 && boot_mark(p->mark, true);
  ok = ok && (d->there ? small_put(undo, UNDO_KEY, d->text, d->n, 0600) : !unlinkat(undo, UNDO_KEY, 0) || errno == ENOENT);
  FAILPOINT("sshd.undo");
  ok = ok && pending_put(pending, NOUN_KEY->name, p);
  FAILPOINT("sshd.pending");
  if (!ok) return io_failed(c, "the undo cannot be saved");
  ok = small_put(dir, SSHD_DROPIN, text, strlen(text), 0644);
  FAILPOINT("sshd.written");
  return ok ? REEVE_OK : io_failed(c, SSHD_DROPIN_DIR "/" SSHD_DROPIN " cannot be written");
}

static uint16_t change(struct call *c, const struct before *b, const struct dropin *d, const char *text) {
  struct pending p;
  bool touched = false, was = b->probe && d->canonical && is_exclusive(d->exclusive, b->probe);
  const char *exclusive = F(c, EXCLUSIVE)->set ? F(c, EXCLUSIVE)->text : "";
  uint16_t status = write_change(c, &p, d, text);
  if (!status) status = look_after(c, b, exclusive, was);
  FAILPOINT("sshd.looked");
  if (!status) status = try_out(c, b, &touched);
  if (!status) status = arm(c, &p);
  if (status) take_back(c, &p, touched);
  return status;
}

/* A change that is there already: of this very call, of an earlier one that was interrupted (taken back now), or one that waits. */
static uint16_t earlier(struct call *c, const struct dropin *d, bool *done) {
  struct pending p;
  char op[2 * OP_BYTES + 1], sum[65];
  AUTO_FD dir = state_folder(PENDING_DIR);
  AUTO_FD state = open(config.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0 || state < 0) return io_failed(c, "the pending changes cannot be read");
  if (!faccessat(dir, NOUN_KEY->reverting, F_OK, 0)) return still_pending(c, NOUN_KEY, wall_ms());
  if (!pending_get(dir, NOUN_KEY->name, &p)) return errno == ENOENT ? REEVE_OK : still_pending(c, NOUN_KEY, wall_ms());
  hex(op, c->op, OP_BYTES);
  hex(sum, d->sha256, sizeof d->sha256);
  if (p.armed && d->there && !strcmp(p.operation, op) && !strcmp(p.sha256, sum) && is_boot(p.mark)) {
    reply_bool(&c->reply, REEVE_R_KEY_SSHD_PENDING, true);
    reply_u64(&c->reply, REEVE_R_KEY_SSHD_DEADLINE_MS, (uint64_t)p.deadline_ms);
    *done = true;
    return REEVE_OK;
  }
  if (p.armed) return still_pending(c, NOUN_KEY, p.deadline_ms);
  take_back(c, &p, true);
  return is_pending(NOUN_KEY) ? still_pending(c, NOUN_KEY, p.deadline_ms) : REEVE_OK;
}

static uint16_t set(struct call *c, struct dropin *d) {
  struct before b = {0};
  bool done = false;
  const char *exclusive = F(c, EXCLUSIVE)->set ? F(c, EXCLUSIVE)->text : "";
  uint16_t status = earlier(c, d, &done);
  if (status || done) return status;
  dropin_free(d);
  if (!status) status = dropin_read(c, d);
  if (!status) status = check_users(c, exclusive);
  if (!status) status = sshd_test(c);
  if (!status) status = sshd_include(c);
  if (!status) status = daemon_options(c);
  if (!status) status = keys_folder(c);
  if (!status) status = look_before(c, &b);
  if (status) return status;
  bool ours = !strcmp(dropin_state(d), "confirmed");
  AUTO_FD owned = state_folder(OWNED_DIR);
  if (d->there && !d->canonical && (owned < 0 || faccessat(owned, OWNED_SSHD, F_OK, 0)))
    return sshd_refused(c, SSHD_DROPIN_DIR "/" SSHD_DROPIN " is there and was not made by Reeve");
  AUTO_TEXT text = dropin_render(d->canonical ? d->paths : b.global, exclusive, false);
  if (!text) return io_failed(c, "out of memory");
  if (!ours || d->n != strlen(text) || memcmp(d->text, text, d->n)) return change(c, &b, d, text);
  reply_bool(&c->reply, REEVE_R_KEY_SSHD_PENDING, false);
  reply_u64(&c->reply, REEVE_R_KEY_SSHD_DEADLINE_MS, 0);
  return REEVE_OK;
}

/* The drop-in stays, under another heading, and is not ours any more. */
static uint16_t release(struct call *c, const struct dropin *d) {
  AUTO_FD owned = state_folder(OWNED_DIR);
  AUTO_FD dir = open(SSHD_DROPIN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (is_pending(NOUN_KEY)) return still_pending(c, NOUN_KEY, wall_ms());
  if (owned < 0) return io_failed(c, "the marker store cannot be opened");
  if (d->canonical && !faccessat(owned, OWNED_SSHD, F_OK, 0)) {
    AUTO_TEXT text = dropin_render(d->paths, d->exclusive, true);
    if (!text || dir < 0 || !small_put(dir, SSHD_DROPIN, text, strlen(text), 0644)) return io_failed(c, SSHD_DROPIN_DIR "/" SSHD_DROPIN " cannot be written");
    FAILPOINT("sshd.left");
  }
  if ((unlinkat(owned, OWNED_SSHD, 0) && errno != ENOENT) || fsync(owned)) return io_failed(c, "a marker cannot be removed");
  reply_bool(&c->reply, REEVE_R_KEY_SSHD_PENDING, false);
  reply_u64(&c->reply, REEVE_R_KEY_SSHD_DEADLINE_MS, 0);
  return REEVE_OK;
}

uint16_t op_key_sshd(struct call *c) {
  struct dropin d;
  uint16_t status = dropin_read(c, &d);
  if (status) return status;
  status = !strcmp(F(c, ACTION)->text, "set") ? set(c, &d) : release(c, &d);
  dropin_free(&d);
  return status;
}
