/* What the verbs of all nouns do alike about changes that revert by themselves. */
#include "reeve.h"
#include "pending.h"
#include <stdio.h>
#include <time.h>

/* Whether a change of this noun waits to be confirmed, or is being taken back. */
bool is_pending(const struct pending_noun *noun) {
  AUTO_FD dir = state_folder(PENDING_DIR);
  return dir >= 0 && (!faccessat(dir, noun->name, F_OK, 0) || !faccessat(dir, noun->reverting, F_OK, 0));
}

/* Whether a mark is of this boot. */
bool is_boot(const char *mark) {
  char now[64];
  return boot_mark(now, false) && !strcmp(now, mark);
}

uint16_t still_pending(struct call *c, const struct pending_noun *noun, int64_t deadline_ms) {
  char when[40];
  time_t seconds = (time_t)(deadline_ms / 1000);
  struct tm utc;
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
  return fail(c, REEVE_E_CONFIRM_PENDING, "noun", noun->name, "when", when, NULL);
}

uint16_t bad_confirm(struct call *c, const struct value *confirm_s) {
  if (!confirm_s->set || (confirm_s->number >= 10 && confirm_s->number <= 600)) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "confirm_s", "value", confirm_s->text, "rule", "10 to 600 is wanted", NULL);
}

/* A change that is not armed yet: it goes back by itself after `within_ms`. */
void pending_begin(struct pending *p, const struct call *c, const struct pending_noun *noun, int64_t within_ms) {
  *p = (struct pending){.deadline_boot_ms = now_ms() + within_ms, .deadline_ms = wall_ms() + within_ms};
  snprintf(p->noun, sizeof p->noun, "%s", noun->name);
  hex(p->operation, c->op, OP_BYTES);
}

/* With the whole time to confirm from now on. It takes the place of the one that is there only if that still is: the dead-man service may have been faster. */
bool pending_arm(const struct pending_noun *noun, struct pending *p, const struct value *confirm_s) {
  AUTO_FD dir = state_folder(PENDING_DIR);
  int64_t confirm_ms = confirm_s->set ? (int64_t)confirm_s->number * 1000 : 60000;
  p->armed = true;
  p->deadline_boot_ms = now_ms() + confirm_ms;
  p->deadline_ms = wall_ms() + confirm_ms;
  char armed[32];
  snprintf(armed, sizeof armed, PENDING_ARMED, noun->name);
  bool ok = dir >= 0 && pending_put(dir, armed, p) && !renameat2(dir, armed, dir, noun->name, RENAME_EXCHANGE) && !fsync(dir);
  int problem = errno;
  if (dir >= 0) (void)unlinkat(dir, armed, 0);
  errno = problem;
  return ok;
}
