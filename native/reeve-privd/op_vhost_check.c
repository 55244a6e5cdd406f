/* vhost.check: a set is laid out and tested, and what nginx, the allow-list or the policy refuses is parked. */
#include "vhost_set.h"
#include <sys/random.h>

#define F(c, field) (&(c)->f[REEVE_F_VHOST_CHECK_##field])
#define TAG(field) REEVE_R_VHOST_CHECK_##field

/* A file of others that is taken out: where sites are. */
static bool can_take(const char *path) {
  static const char *const folders[] = {NGINX_DIR "/sites-enabled/", NGINX_INCLUDES "/", NULL};
  const char *name = strrchr(path, '/');
  return vhost_path(path) && has_listed_prefix(folders, path) && name && strcmp(path, NGINX_INCLUDES "/" VHOST_INCLUDE) && strchr(path + sizeof NGINX_DIR, '/') == name;
}

uint16_t check_vhost_check(struct call *c) {
  const struct value *take = F(c, TAKE);
  if (!take->set || can_take(take->text)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "take", "value", take->text, "rule", "a file in " NGINX_DIR "/sites-enabled or " NGINX_INCLUDES " is wanted", NULL);
}

/* What must not even be tested: remembered as parked, by site. */
static bool judge(struct call *c, const struct vhost_want *want, const char *site, enum vhost_kind kind, char why[VHOST_WHY]) {
  struct vhost_facts facts = {0};
  struct vhost_wrong wrong = {0};
  bool ok = vhost_content(kind, site, want->text, want->n, &facts, &wrong);
  if (ok) ok = vhost_allowed(c, &facts, why);
  else if (wrong.line) snprintf(why, VHOST_WHY, "%s, line %u: %s", want->name, wrong.line, wrong.says);
  else snprintf(why, VHOST_WHY, "%s: %s", want->name, wrong.says);
  vhost_facts_free(&facts);
  return ok;
}

static uint16_t judge_all(struct call *c, struct vhost_parks *refused) {
  struct vhost_want want;
  char site[SITE_MAX_LEN + 1], why[VHOST_WHY];
  for (size_t at = 0; vhost_want_next(F(c, SET)->text, F(c, SET)->n, &at, &want);) {
    enum vhost_kind kind = want.put ? vhost_kind(want.name, site) : VHOST_NONE;
    if (kind == VHOST_NONE || judge(c, &want, site, kind, why)) continue;
    struct vhost_park *p = calloc(1, sizeof *p);
    if (!p || !(p->site = strdup(site)) || !(p->problem = strdup(why))) return io_failed(c, "out of memory");
    p->next = refused->first;
    refused->first = p;
  }
  return REEVE_OK;
}

static void reply_parks(struct buf *b, const struct vhost_parks *parks) {
  for (const struct vhost_park *p = parks->first; p; p = p->next) {
    size_t record = reply_begin(b, TAG(PARKED));
    reply_string(b, TAG(PARKED_SITE), p->site);
    reply_text(b, TAG(PARKED_PROBLEM), p->problem, strlen(p->problem));
    reply_bool(b, TAG(PARKED_BEFORE), p->before);
    reply_end(b, record);
  }
}

/* What an earlier check left that was never put in place. */
static uint16_t forget_staged(struct call *c) {
  struct vhost_note note, unsettled;
  char placed[SET_NAME];
  (void)vhost_placed(placed);
  if (vhost_note_read("unsettled", &unsettled)) {
    uint16_t status = vhost_settle(c, true);
    if (status) return status;
  }
  if (!vhost_note_read("staged", &note)) return REEVE_OK;
  if (strcmp(note.set, placed) && !vhost_drop_set(note.set)) return io_failed(c, "an old set cannot be taken away");
  return vhost_note_drop("staged") ? REEVE_OK : io_failed(c, "an old set cannot be forgotten");
}

static uint16_t stage(struct call *c, const char *set, struct vhost_list *list, struct vhost_parks *parks, const struct vhost_parks *refused) {
  char sandbox[200] = "";
  uint8_t sum[32];
  const char *take = F(c, TAKE)->set ? F(c, TAKE)->text : "";
  uint16_t status = vhost_lay_out(c, set, F(c, SET)->text, F(c, SET)->n, list);
  for (const struct vhost_park *p = refused->first; !status && p; p = p->next)
    if (!vhost_parked(parks, p->site) && !vhost_park(parks, set, p->site, p->problem, list)) status = io_failed(c, "a site cannot be parked");
  if (!status) status = vhost_test(c, set, take, list, parks, sandbox);
  if (status) return status;
  struct vhost_note note = {0};
  vhost_list_sha(list, sum);
  hex(note.sha256, sum, sizeof sum);
  snprintf(note.set, sizeof note.set, "%s", set);
  snprintf(note.take, sizeof note.take, "%s", take);
  FAILPOINT("vhost.tested");
  if (!vhost_list_write(set, list) || !vhost_note_write("staged", &note)) return io_failed(c, "a set cannot be noted");
  reply_bytes(&c->reply, TAG(SET), sum, sizeof sum);
  reply_parks(&c->reply, parks);
  reply_string(&c->reply, TAG(SANDBOX), sandbox);
  return REEVE_OK;
}

uint16_t op_vhost_check(struct call *c) {
  uint8_t random[16];
  char set[SET_NAME] = "set-";
  AUTO_LIST list = {0};
  AUTO_PARKS parks = {0};
  AUTO_PARKS refused = {0};
  uint16_t status = vhost_engine(c, true);
  if (!status) status = forget_staged(c);
  if (!status && getrandom(random, sizeof random, 0) != sizeof random) status = io_failed(c, "no random number");
  if (!status) status = judge_all(c, &refused);
  if (status) return status;
  hex(set + 4, random, sizeof random);
  status = stage(c, set, &list, &parks, &refused);
  if (status) (void)vhost_drop_set(set);
  return status;
}
