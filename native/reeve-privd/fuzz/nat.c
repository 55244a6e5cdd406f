/* Fuzz target: rules of noun nat, lines that name rules of others, and what nft answers. */
#include "../tests/globals.h"
#include "../nat.h"

/* Whatever was taken, each line of the batch begins in one of these ways and holds nothing that could begin another command. */
static void check_batch(const struct buf *b) {
  static const char *const starts[] = {"# forwarding=", "add table inet reeve", "add chain inet reeve ", "flush table inet reeve", "add counter inet reeve ", "add rule inet reeve ", "delete table inet reeve", NULL};
  for (size_t at = 0; at < b->n;) {
    const uint8_t *stop = memchr(b->p + at, '\n', b->n - at);
    if (!stop) abort();
    size_t n = (size_t)(stop - (b->p + at));
    char *line = strndup((char *)b->p + at, n);
    bool begins = false;
    for (const char *const *start = starts; line && *start; start++) begins = begins || !strncmp(line, *start, strlen(*start));
    if (!begins || strlen(line) != n || (strncmp(line, "add chain ", 10) && strpbrk(line, ";\\$`'"))) abort();
    free(line);
    at += n + 1;
  }
}

static void one_foreign(const char *text, size_t size) {
  struct nat_foreign f;
  for (size_t at = 0; nat_foreign_next(text, size, &at, &f);) {
    if (strpbrk(f.table, " ;\"$\n") || strpbrk(f.chain, " ;\"$\n") || f.table[0] == '-' || f.chain[0] == '-' || at > size) abort();
    if (!strcmp(f.family, "inet") && !strcmp(f.table, "reeve")) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  AUTO_RULES r = {0};
  struct nat_problem p = {0};
  struct nat_counter counter;
  struct nat_foreign f = {.family = "ip", .table = "nat", .chain = "PREROUTING", .handle = "4"};
  struct buf b, text;
  buf_init(&b, NAT_BATCH_MAX);
  buf_init(&text, size + 64);
  buf_put(&text, data, size);
  if (nat_rules_parse(&r, (const char *)data, size, &p)) {
    nat_batch(&b, &r);
    if (!b.full) check_batch(&b);
  } else if (!p.says[0]) abort();
  one_foreign((const char *)data, size);
  for (size_t at = 0; nat_counter_next(&text, &at, &counter);) if (at > size) abort();
  (void)nat_foreign_is_there(&text, &f);
  nat_without_ours(&text);
  buf_free(&text);
  buf_free(&b);
  return 0;
}
