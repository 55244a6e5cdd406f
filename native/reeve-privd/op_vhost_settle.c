/* vhost.settle: the set that was put in place is kept, or the one before it comes back. */
#include "vhost_set.h"

/* What is not in place any more, and nobody can want back. */
static uint16_t sweep(struct call *c) {
  char placed[SET_NAME];
  (void)vhost_placed(placed);
  if (!vhost_drop_others(placed, "")) return io_failed(c, "the set before cannot be taken away");
  FAILPOINT("vhost.cleaned");
  return REEVE_OK;
}

/* The set before is in place again; nginx is told, unless it has it still. Repeatable from every point. */
uint16_t vhost_go_back(struct call *c, const struct vhost_note *note, bool tell) {
  char placed[SET_NAME];
  (void)vhost_placed(placed);
  bool was = !strcmp(placed, note->set);
  if (was && !vhost_place(note->before)) return io_failed(c, "the set before cannot be put back");
  if (!vhost_untake(note)) return io_failed(c, "a file of others cannot be put back");
  if (!*note->before && !vhost_drop_include()) return io_failed(c, "the include file of nginx cannot be taken away");
  FAILPOINT("vhost.returned");
  uint16_t status = tell ? vhost_reload(c) : REEVE_OK;
  if (status) return status;
  if (!vhost_note_drop("unsettled") || !vhost_note_drop("staged")) return io_failed(c, "a set cannot be forgotten");
  return vhost_drop_set(note->set) && vhost_drop_set(VHOST_STAGED) ? REEVE_OK : io_failed(c, "a set cannot be taken away");
}

uint16_t vhost_settle(struct call *c, bool keep) {
  struct vhost_note note;
  char placed[SET_NAME];
  if (!vhost_note_read("unsettled", &note)) return sweep(c);
  (void)vhost_placed(placed);
  /* It was noted, and never came in place. */
  if (!keep || strcmp(placed, note.set)) return vhost_go_back(c, &note, true);
  if (!vhost_note_drop("unsettled")) return io_failed(c, "a set cannot be settled");
  FAILPOINT("vhost.settled");
  return sweep(c);
}

uint16_t op_vhost_settle(struct call *c) { return vhost_settle(c, c->f[REEVE_F_VHOST_SETTLE_KEEP].number != 0); }
