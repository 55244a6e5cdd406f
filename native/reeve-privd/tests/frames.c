/* Reads messages from standard input, each behind its length (4 bytes, big-endian), and decides each as a child of the helper would, up to its work: the
 * frame, the values, the policy named by the argument. Prints "STATUS COUNT" for each status there was, and "work VERB COUNT" for what would have been done. */
#include "globals.h"
#include <stdlib.h>

static size_t statuses[UINT16_MAX + 1], work[UINT16_MAX + 1];

static uint16_t decide(const uint8_t *p, size_t n, uint16_t *verb) {
  if (n < 4) return REEVE_E_FRAME_INVALID;
  size_t length = (size_t)get_number(p, 4);
  if (length > REEVE_REQUEST_BYTES) return REEVE_E_LIMIT_EXCEEDED;
  if (n - 4 < length) return REEVE_E_FRAME_INVALID;
  if (length >= REQUEST_HEAD && length > request_limit((uint16_t)get_number(p + 6, 2))) return REEVE_E_LIMIT_EXCEEDED;
  struct call c;
  call_init(&c);
  uint16_t status = wire_parse(&c, p + 4, length);
  if (!status) status = check_call(&c);
  if (!status) status = ask_policy(&c);
  if (!status) *verb = c.verb->number;
  call_free(&c);
  return status;
}

int main(int argc, char **argv) {
  static uint8_t message[REEVE_REQUEST_BYTES + 8];
  uint8_t head[4];
  if (argc != 2) return 2;
  config.policy = argv[1];
  while (fread(head, sizeof head, 1, stdin) == 1) {
    size_t n = (size_t)get_number(head, 4);
    uint16_t verb = 0;
    if (n > sizeof message || fread(message, 1, n, stdin) != n) return 1;
    uint16_t status = decide(message, n, &verb);
    statuses[status]++;
    if (!status) work[verb]++;
  }
  for (size_t i = 0; i <= UINT16_MAX; i++) if (statuses[i]) printf("%zu %zu\n", i, statuses[i]);
  for (size_t i = 0; i <= UINT16_MAX; i++) if (work[i]) printf("work %zu %zu\n", i, work[i]);
  return 0;
}
