/* vhost.apply, vhost.settle, proxy.reload: what was tested goes in place, in one rename; nginx reads it; and the set before is kept until that is settled. */
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

static uint16_t reload_failed(struct call *c, const char *why) { return fail(c, REEVE_E_VHOST_RELOAD, "rule", why, NULL); }

/* The set before is in place again, and nginx is told. */
static uint16_t go_back(struct call *c, const struct vhost_note *note) {
  char why[200];
  if (!vhost_place(note->before)) return io_failed(c, "the set before cannot be put back");
  vhost_untake(note->take);
  FAILPOINT("vhost.back");
  if (nginx_master() && !nginx_reload(why)) log_line("nginx could not be told of its old configuration: %s", why);
  if (!vhost_drop_set(note->set) || !vhost_note_drop("unsettled")) return io_failed(c, "a set cannot be forgotten");
  return REEVE_OK;
}

/* What is in place stays; what was before goes. */
static uint16_t stay(struct call *c, const struct vhost_note *note) {
  if (strcmp(note->before, note->set) && !vhost_drop_set(note->before)) return io_failed(c, "the set before cannot be taken away");
  FAILPOINT("vhost.dropped");
  return vhost_note_drop("unsettled") ? REEVE_OK : io_failed(c, "a set cannot be settled");
}

uint16_t vhost_settle(struct call *c, bool keep) {
  struct vhost_note note;
  char placed[SET_NAME];
  if (!vhost_note_read("unsettled", &note)) return REEVE_OK;
  (void)vhost_placed(placed);
  /* It was noted, and never came in place. */
  if (strcmp(placed, note.set)) return vhost_note_drop("unsettled") ? REEVE_OK : io_failed(c, "a set cannot be forgotten");
  return keep ? stay(c, &note) : go_back(c, &note);
}

static uint16_t put_in_place(struct call *c, struct vhost_note *note) {
  char why[200];
  if (!vhost_put_include(false)) return io_failed(c, "the include file of nginx cannot be written");
  FAILPOINT("vhost.included");
  if (!vhost_note_write("unsettled", note)) return io_failed(c, "a set cannot be noted");
  FAILPOINT("vhost.noted");
  if (!vhost_place(note->set)) return io_failed(c, "a set cannot be put in place");
  FAILPOINT("vhost.placed");
  vhost_take(note->take);
  if (!nginx_reload(why)) {
    uint16_t status = go_back(c, note);
    return status ? status : reload_failed(c, why);
  }
  FAILPOINT("vhost.reloaded");
  return vhost_note_drop("staged") ? REEVE_OK : io_failed(c, "a set cannot be forgotten");
}

uint16_t op_vhost_apply(struct call *c) {
  struct vhost_note note, old;
  char wanted[65], why[200], placed[SET_NAME];
  hex(wanted, F(c, SET)->text ? (const uint8_t *)F(c, SET)->text : (const uint8_t *)"", 32);
  uint16_t status = vhost_engine(c, true);
  if (status) return status;
  (void)vhost_placed(placed);
  /* A repeat: it is in place, and nginx may not have been told. */
  if (vhost_note_read("unsettled", &old) && !strcmp(old.sha256, wanted) && !strcmp(old.set, placed)) {
    vhost_take(old.take);
    return nginx_reload(why) ? REEVE_OK : reload_failed(c, why);
  }
  if (!vhost_note_read("staged", &note) || strcmp(note.sha256, wanted)) return fail(c, REEVE_E_STATE_MOVED, "moved", "what was tested", NULL);
  status = vhost_settle(c, true);
  if (status) return status;
  if (F(c, TAKE)->set ? strcmp(note.take, F(c, TAKE)->text) : *note.take) return fail(c, REEVE_E_STATE_MOVED, "moved", "what was tested", NULL);
  (void)vhost_placed(note.before);
  hex(note.operation, c->op, OP_BYTES);
  return put_in_place(c, &note);
}

uint16_t op_vhost_settle(struct call *c) { return vhost_settle(c, c->f[REEVE_F_VHOST_SETTLE_KEEP].number != 0); }

/* What is there is tested before nginx reads it. */
uint16_t op_proxy_reload(struct call *c) {
  char why[300], reason[200], *answer;
  uint16_t status = vhost_engine(c, true);
  if (status) return status;
  if (!outside_ask("vhost-check", "test", "", &answer, why)) return reload_failed(c, why);
  bool good = !strncmp(answer, "status=ok\n", 10);
  const char *text = strstr(answer, "reason=");
  snprintf(why, sizeof why, "%.*s", text ? (int)strcspn(text + 7, "\n") : 0, text ? text + 7 : "");
  free(answer);
  if (!good) return reload_failed(c, why);
  return nginx_reload(reason) ? REEVE_OK : reload_failed(c, reason);
}
