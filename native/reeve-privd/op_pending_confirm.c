/* pending.confirm: one rename makes the change ours for good. The dead-man service begins its revert with a rename of the same file: one of the two wins. */
#include "reeve.h"
#include "nat.h"

#define F(c, field) (&(c)->f[REEVE_F_PENDING_CONFIRM_##field])

uint16_t check_pending_confirm(struct call *c) {
  if (F(c, OPERATION)->n == OP_BYTES) return REEVE_OK;
  return fail(c, REEVE_E_FIELD_INVALID, "field", "operation", "value", "", "rule", "16 bytes are wanted", NULL);
}

uint16_t op_pending_confirm(struct call *c) {
  char wanted[2 * OP_BYTES + 1], mark[64];
  struct pending p, last;
  const struct pending_noun *noun = pending_noun(F(c, NOUN)->text);
  hex(wanted, (const uint8_t *)F(c, OPERATION)->text, OP_BYTES);
  AUTO_FD dir = state_folder(PENDING_DIR);
  AUTO_FD owned = state_folder(OWNED_DIR);
  AUTO_FD undo = state_folder(UNDO_DIR);
  if (!noun || dir < 0 || owned < 0 || undo < 0 || !boot_mark(mark, false)) return io_failed(c, "the pending changes cannot be read");
  bool there = pending_get(dir, noun->name, &p) && p.armed && !strcmp(p.operation, wanted) && !strcmp(p.mark, mark);
  FAILPOINT("confirm.read");
  if (there && move_file(dir, noun->name, owned, noun->owned)) {
    FAILPOINT("confirm.moved");
    pending_tidy(dir, noun);
    (void)unlinkat(undo, noun->reverted, 0);  /* what was taken back before is of no interest any more */
    if (noun == NOUN_NAT) nat_confirmed();
    return REEVE_OK;
  }
  if (there && errno != ENOENT) return io_failed(c, "the pending change cannot be confirmed");
  if (!pending_get(owned, noun->owned, &last) || strcmp(last.operation, wanted)) return fail(c, REEVE_E_CONFIRM_UNKNOWN, "value", wanted, NULL);
  if (noun == NOUN_NAT) nat_confirmed();
  return REEVE_OK;
}
