/* Fuzz target: a policy text, and the question about each operation with every value that a request could carry. */
#include "../tests/globals.h"
#include <stdlib.h>
#include <string.h>

static void ignore(void *data, int line, const char *text) {
  (void)data;
  if (line < 1 || !text[0] || strlen(text) > 150) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct policy p = {0};
  char line[512];
  uint64_t uid = 0;
  const char *add[REEVE_MAX_KEYS] = {"alice", NULL, "/bin/sh", "home"}, *one[REEVE_MAX_KEYS] = {"alice", "users", "60"}, *none[REEVE_MAX_KEYS] = {0};
  if (policy_parse(&p, (const char *)data, size, ignore, NULL)) {
    for (int op = 0; op <= REEVE_P_SESSION_END; op++) {
      const char *const *args = op == REEVE_P_USER_ADD ? add : op >= REEVE_P_USER_SET ? one : none;
      struct verdict v = policy_evaluate(&p, op, args);
      if (v.allowed && v.denied) abort();
      policy_wanted_line(line, sizeof line, op, args, v);
    }
    char text[16];
    if (policy_next_uid(&p, REEVE_P_USER_ADD, add, REEVE_K_USER_ADD_UID, 1000, &uid)) {
      snprintf(text, sizeof text, "%u", (unsigned)uid);
      add[REEVE_K_USER_ADD_UID] = text;
      if (uid < 1000 || uid > UINT32_MAX || !policy_evaluate(&p, REEVE_P_USER_ADD, add).allowed) abort();
    }
  }
  policy_free(&p);
  return 0;
}
