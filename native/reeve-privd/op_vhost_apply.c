/* vhost.apply: what was tested goes in place, in one rename; nginx reads it; and the set before is kept until that is settled. */
#include "vhost_set.h"

#define F(c, field) (&(c)->f[REEVE_F_VHOST_APPLY_##field])

uint16_t check_vhost_apply(struct call *c) {
  if (F(c, SET)->n == 32) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "set", "value", "", "rule", "the sha256 of a set is wanted", NULL);
}

uint16_t allow_vhost_apply(struct call *c) {
  const char *args[REEVE_MAX_KEYS] = {0};
  struct verdict v = policy_evaluate(&c->policy, REEVE_P_VHOST_ADOPT, args);
  return F(c, TAKE)->set && !v.allowed ? policy_refused(c, REEVE_P_VHOST_ADOPT, args, v) : REEVE_OK;
}

static uint16_t moved(struct call *c, const char *what) { return fail(c, REEVE_E_STATE_MOVED, "moved", what, NULL); }

/* A file that stays is the very one that is in place. */
static uint16_t is_still(struct call *c, int dir, const char *placed, const struct vhost_list *list) {
  AUTO_FD old = *placed ? vhost_open_set(placed) : -1;
  for (size_t i = 0; i < list->n; i++) {
    struct stat now, then;
    if (list->entries[i].fresh) continue;
    bool is = old >= 0 && !fstatat(old, list->entries[i].name, &now, AT_SYMLINK_NOFOLLOW), was = !fstatat(dir, list->entries[i].name, &then, AT_SYMLINK_NOFOLLOW);
    if (is != was || (is && (now.st_ino != then.st_ino || now.st_dev != then.st_dev))) return moved(c, list->entries[i].name);
  }
  return REEVE_OK;
}

/* The folder gets its own name, and its list with it. A repeat finds that done. */
static uint16_t name_set(struct call *c, const struct vhost_note *note) {
  char placed[SET_NAME];
  AUTO_LIST list = {0};
  AUTO_FD base = vhost_base();
  (void)vhost_placed(placed);
  AUTO_FD dir = vhost_open_set(VHOST_STAGED);
  AUTO_FD named = dir < 0 ? vhost_open_set(note->set) : -1;
  if (named >= 0) return REEVE_OK;
  if (dir < 0 || base < 0 || !vhost_list_read(VHOST_STAGED, &list)) return moved(c, "what was tested");
  uint16_t status = is_still(c, dir, placed, &list);
  if (status) return status;
  bool ok = vhost_list_write(note->set, &list) && !renameat2(base, VHOST_STAGED, base, note->set, RENAME_NOREPLACE) && !fsync(base);
  return ok ? REEVE_OK : io_failed(c, "a set cannot be named");
}

static uint16_t reload_failed(struct call *c, const char *why) { return fail(c, REEVE_E_VHOST_RELOAD, "rule", why, NULL); }

static uint16_t forget_staged(struct call *c) { return vhost_note_drop("staged") && vhost_drop_set(VHOST_STAGED) ? REEVE_OK : io_failed(c, "a set cannot be forgotten"); }

/* From here on each step can be repeated, and be taken back by vhost_go_back(). */
static uint16_t put_in_place(struct call *c, const struct vhost_note *note) {
  char why[200];
  enum nginx_end end = NGINX_REFUSED;
  uint16_t status = name_set(c, note);
  FAILPOINT("vhost.named");
  if (!status && !vhost_put_include(false)) status = io_failed(c, "the include file of nginx cannot be written");
  FAILPOINT("vhost.joined");
  if (!status && !vhost_take(note)) status = io_failed(c, "a file of others cannot be taken out of the configuration");
  FAILPOINT("vhost.taken");
  if (!status && !vhost_place(note->set)) status = io_failed(c, "a set cannot be put in place");
  FAILPOINT("vhost.swapped");
  if (!status && (end = nginx_reload(why)) != NGINX_TAKEN) status = reload_failed(c, why);
  FAILPOINT("vhost.reloaded");
  if (!status) return forget_staged(c);
  struct buf said = c->errors;  /* what goes wrong now is not what was wrong first */
  buf_init(&c->errors, ERRORS_MAX);
  (void)vhost_go_back(c, note, end == NGINX_LATE);
  buf_free(&c->errors);
  c->errors = said;
  return status;
}

/* A call that was interrupted: the set is in place, and nginx may not have been told. */
static bool is_repeat(const char *wanted, const struct vhost_note *note) {
  char placed[SET_NAME];
  return vhost_placed(placed) && !strcmp(note->set, placed) && !strcmp(note->sha256, wanted);
}

static uint16_t tell_again(struct call *c, const struct vhost_note *note) {
  char why[200];
  if (!vhost_take(note)) return io_failed(c, "a file of others cannot be taken out of the configuration");
  return nginx_reload(why) == NGINX_TAKEN ? forget_staged(c) : reload_failed(c, why);
}

uint16_t op_vhost_apply(struct call *c) {
  struct vhost_note note, old;
  char wanted[65], policy[65];
  hex(wanted, (const uint8_t *)F(c, SET)->text, 32);
  hex(policy, c->policy.digest, 32);
  uint16_t status = vhost_engine(c, true);
  if (status) return status;
  bool open = vhost_note_read("unsettled", &old);
  if (open && is_repeat(wanted, &old)) return tell_again(c, &old);
  if (!vhost_note_read("staged", &note) || strcmp(note.sha256, wanted)) return moved(c, "what was tested");
  if (strcmp(note.policy, policy)) return moved(c, "the policy of the host");
  if (F(c, TAKE)->set ? strcmp(note.take, F(c, TAKE)->text) : *note.take) return moved(c, "the file that is taken over");
  /* One that was put in place before, and that nobody took back; or this very one, before it was. */
  if (open && strcmp(old.set, note.set)) status = vhost_settle(c, true);
  if (status) return status;
  (void)vhost_placed(note.before);
  hex(note.operation, c->op, OP_BYTES);
  if (open && !strcmp(old.set, note.set)) snprintf(note.kept, sizeof note.kept, "%s", old.kept);
  else status = vhost_take_plan(c, &note);
  if (status) return status;
  if (!vhost_note_write("unsettled", &note)) return io_failed(c, "a set cannot be noted");
  FAILPOINT("vhost.promised");
  return put_in_place(c, &note);
}
