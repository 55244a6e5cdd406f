/* vhost.check: a set is laid out and tested, and what nginx, the allow-list or the policy refuses is parked. Nothing that serves is touched. */
#include "vhost_set.h"
#include <sys/random.h>

#define F(c, field) (&(c)->f[REEVE_F_VHOST_CHECK_##field])
#define TAG(field) REEVE_R_VHOST_CHECK_##field

uint16_t check_vhost_check(struct call *c) {
  if (!F(c, TAKE)->set || vhost_path(F(c, TAKE)->text)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "take", "value", F(c, TAKE)->text, "rule", "an absolute path is wanted", NULL);
}

static bool judge(struct call *c, const struct vhost_want *want, char why[VHOST_WHY]) {
  char site[SITE_MAX_LEN + 1];
  AUTO_FACTS facts = {0};
  struct vhost_wrong wrong = {0};
  enum vhost_kind kind = vhost_kind(want->name, site);
  if (vhost_content(kind, site, want->text, want->n, &facts, &wrong)) return vhost_allowed(c, &facts, why);
  if (wrong.line) snprintf(why, VHOST_WHY, "the helper refuses line %u of %.240s: %s", wrong.line, want->name, wrong.says);
  else snprintf(why, VHOST_WHY, "the helper refuses %.240s: %s", want->name, wrong.says);
  return false;
}

/* What is refused without a test. */
static uint16_t judge_all(struct call *c, struct vhost_work *w) {
  char why[VHOST_WHY];
  for (size_t i = 0; i < w->nwants; i++) {
    struct vhost_site *s = &w->sites[w->wants[i].site];
    if (!w->wants[i].put || s->problem || judge(c, &w->wants[i], why)) continue;
    s->problem = strdup(why);
    if (!s->problem) return io_failed(c, "out of memory");
  }
  return REEVE_OK;
}

static void reply_parked(struct buf *b, const struct vhost_work *w) {
  for (size_t i = 0; i < w->nsites; i++) {
    const struct vhost_site *s = &w->sites[i];
    if (!s->problem) continue;
    size_t record = reply_begin(b, TAG(PARKED));
    reply_string(b, TAG(PARKED_SITE), s->name);
    reply_text(b, TAG(PARKED_PROBLEM), s->problem, strlen(s->problem));
    reply_bool(b, TAG(PARKED_BEFORE), s->how == VHOST_BEFORE);
    reply_end(b, record);
  }
}

/* Names what was laid out, for vhost.apply. */
static uint16_t keep(struct call *c, const struct vhost_work *w, uint8_t sum[32]) {
  uint8_t random[16];
  struct vhost_note note = {.set = "set-"};
  AUTO_LIST list = {0};
  if (getrandom(random, sizeof random, 0) != sizeof random) return io_failed(c, "no random number");
  if (!vhost_lay_end(w, &list)) return io_failed(c, "a set cannot be written");
  vhost_list_sha(&list, sum);
  hex(note.set + 4, random, sizeof random);
  hex(note.sha256, sum, 32);
  hex(note.policy, c->policy.digest, 32);
  if (w->take) snprintf(note.take, sizeof note.take, "%s", w->take);
  FAILPOINT("vhost.tried");
  return vhost_list_write(VHOST_STAGED, &list) && vhost_note_write("staged", &note) ? REEVE_OK : io_failed(c, "a set cannot be noted");
}

/* What an interrupted call had begun to put in place, and did not come to. */
static uint16_t tidy(struct call *c) {
  struct vhost_note note;
  char placed[SET_NAME];
  (void)vhost_placed(placed);
  if (!vhost_note_drop("staged")) return io_failed(c, "a set cannot be forgotten");
  return vhost_note_read("unsettled", &note) && strcmp(placed, note.set) ? vhost_go_back(c, &note, true) : REEVE_OK;
}

static uint16_t stage(struct call *c, struct vhost_work *w) {
  char sandbox[320] = "";
  uint8_t sum[32];
  uint16_t status = vhost_lay_out(c, w);
  FAILPOINT("vhost.staged");
  if (!status) status = vhost_test(c, w, sandbox);
  if (!status) status = keep(c, w, sum);
  if (status) return status;
  reply_bytes(&c->reply, TAG(SET), sum, sizeof sum);
  reply_parked(&c->reply, w);
  reply_string(&c->reply, TAG(SANDBOX), sandbox);
  return REEVE_OK;
}

uint16_t op_vhost_check(struct call *c) {
  AUTO_WORK w = {.dir = -1, .old = -1, .take = F(c, TAKE)->set ? F(c, TAKE)->text : NULL};
  uint16_t status = vhost_engine(c, true);
  if (!status) status = tidy(c);
  if (!status && w.take) status = vhost_can_take(c, w.take);
  if (!status) status = vhost_work_begin(c, &w, F(c, SET));
  if (!status) status = judge_all(c, &w);
  if (!status) status = stage(c, &w);
  if (status) (void)vhost_drop_set(VHOST_STAGED);
  return status;
}
