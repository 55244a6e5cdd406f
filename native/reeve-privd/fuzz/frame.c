/* Fuzz target: a request frame, its fields, and every verb's checker of values. */
#include "../tests/globals.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct call c;
  struct buf out;
  call_init(&c);
  buf_init(&out, REEVE_CONTENT_BYTES);
  uint16_t status = wire_parse(&c, data, size);
  if (!status) status = check_call(&c);
  frame_reply(&out, 1, c.op, status, status ? &c.errors : &c.reply);
  if (out.full || out.n < 26) abort();
  buf_free(&out);
  call_free(&c);
  return 0;
}
