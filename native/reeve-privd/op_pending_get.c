/* pending.get: changes that revert by themselves, and the last that did. Works without any policy. */
#include "reeve.h"
#include "pending.h"

#define CHANGE(field) REEVE_R_PENDING_GET_CHANGE_##field
#define REVERTED(field) REEVE_R_PENDING_GET_REVERTED_##field

static void put_change(struct buf *b, const struct pending *p, const char *state) {
  uint8_t operation[OP_BYTES];
  size_t at = reply_begin(b, REEVE_R_PENDING_GET_CHANGE);
  reply_string(b, CHANGE(NOUN), p->noun);
  reply_bytes(b, CHANGE(OPERATION), operation, unhex(operation, p->operation, OP_BYTES) ? sizeof operation : 0);
  reply_u64(b, CHANGE(DEADLINE_MS), (uint64_t)p->deadline_ms);
  reply_string(b, CHANGE(STATE), state);
  reply_end(b, at);
}

static void put_reverted(struct buf *b, const struct pending *p) {
  uint8_t operation[OP_BYTES];
  size_t at = reply_begin(b, REEVE_R_PENDING_GET_REVERTED);
  reply_string(b, REVERTED(NOUN), p->noun);
  reply_bytes(b, REVERTED(OPERATION), operation, unhex(operation, p->operation, OP_BYTES) ? sizeof operation : 0);
  reply_u64(b, REVERTED(AT_MS), (uint64_t)p->at_ms);
  reply_string(b, REVERTED(REASON), p->reason);
  reply_end(b, at);
}

uint16_t op_pending_get(struct call *c) {
  struct pending p;
  struct buf *b = &c->reply;
  AUTO_FD dir = state_folder(PENDING_DIR);
  AUTO_FD undo = state_folder(UNDO_DIR);
  if (dir < 0 || undo < 0) return io_failed(c, "the pending changes cannot be read");
  for (const struct pending_noun *noun = pending_nouns; noun->name; noun++) {
    if (pending_get(dir, noun->name, &p)) put_change(b, &p, "pending");
    if (pending_get(dir, noun->reverting, &p)) put_change(b, &p, "reverting");
  }
  for (const struct pending_noun *noun = pending_nouns; noun->name; noun++) if (pending_get(undo, noun->reverted, &p)) put_reverted(b, &p);
  return REEVE_OK;
}
