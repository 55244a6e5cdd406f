/* Running nft(8): always the same arguments; what varies goes in as a batch on its standard input. */
#include "nat.h"
#include "tool.h"
#include <sys/mman.h>
#include <sys/wait.h>

#define WITHIN_MS 30000

bool nat_nft_absent(void) { return access(NFT, X_OK) != 0; }

/* The first line of what it complains of, without the place in the batch: one line, plain characters. */
static void complaint(const struct buf *err, char out[160]) {
  const char *text = err->p ? (const char *)err->p : "", *error = strstr(text, "Error: ");
  if (error) text = error + 7;
  size_t n = strcspn(text, "\n");
  if (n > 150) n = 150;
  for (size_t i = 0; i < n; i++) out[i] = text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i];
  out[n] = 0;
}

static bool run(struct tool *t, struct nat_problem *p) {
  char said[160];
  enum tool_end end = tool_run(t);
  if (end == TOOL_LATE) return nat_wrong(p, "", "nft took longer than %d s", WITHIN_MS / 1000);
  if (end == TOOL_ABSENT) return nat_wrong(p, "", "nft cannot be started");
  if (WIFEXITED(t->status) && WEXITSTATUS(t->status) == 0) return true;
  complaint(&t->err, said);
  return nat_wrong(p, "", "nft: %s", *said ? said : "it failed and said nothing");
}

/* What is printed for these arguments, up to `most` bytes. */
static bool ask(const char *const *argv, size_t most, struct buf *out, struct nat_problem *p) {
  struct tool t = {.path = NFT, .argv = argv, .in = -1, .most = most, .apart = true, .within_ms = WITHIN_MS};
  bool ok = run(&t, p);
  if (ok && t.out.full) ok = nat_wrong(p, "", "nft prints more than %zu bytes", most);
  *out = t.out;
  t.out = (struct buf){0};
  tool_free(&t);
  return ok;
}

/* All tables, without what a counter without a name has counted: so the text of a rule is the same as long as the rule is. */
bool nat_nft_ruleset(struct buf *out, struct nat_problem *p) {
  return ask((const char *const[]){"nft", "-s", "-j", "list", "ruleset", NULL}, NAT_LISTING_MAX, out, p);
}

/* Of the table inet reeve; false where there is none. */
bool nat_nft_counters(struct buf *out) {
  struct nat_problem p;
  return ask((const char *const[]){"nft", "-j", "list", "counters", "table", "inet", "reeve", NULL}, 4u << 20, out, &p);
}

/* The table inet reeve as it is: the digest of its listing, of nothing when it is not there. */
bool nat_nft_live(struct nat_live *live, struct nat_problem *p) {
  struct buf out;
  uint8_t sum[32];
  *live = (struct nat_live){0};
  live->there = ask((const char *const[]){"nft", "-s", "-n", "list", "table", "inet", "reeve", NULL}, NAT_LISTING_MAX, &out, p);
  bool ok = live->there || strstr(p->says, "No such file or directory") != NULL;
  sha256_of(out.p, live->there ? out.n : 0, sum);
  hex(live->sha256, sum, sizeof sum);
  buf_free(&out);
  return ok;
}

/* The rule that line `number` of a batch belongs to: its comment is "f12" or "m12". */
static void name_rule(const struct buf *batch, unsigned long number, struct nat_problem *p) {
  const char *at = (const char *)batch->p, *end = at + batch->n;
  while (number > 1 && at < end && (at = memchr(at, '\n', (size_t)(end - at)))) at++, number--;
  const char *stop = at && at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
  const char *comment = stop ? memmem(at, (size_t)(stop - at), "comment \"", 9) : NULL;
  if (comment) snprintf(p->where, sizeof p->where, "%.*s", (int)strspn(comment + 10, "0123456789"), comment + 10);
}

/* All of it, or nothing: one transaction of the kernel. */
bool nat_nft_batch(const struct buf *batch, struct nat_problem *p) {
  static const char place[] = "/dev/stdin:";
  AUTO_FD fd = memfd_create("reeve-nat", MFD_CLOEXEC);
  if (batch->full || fd < 0 || !write_whole(fd, batch->p, batch->n) || lseek(fd, 0, SEEK_SET)) return nat_wrong(p, "", "the batch for nft cannot be written");
  struct tool t = {.path = NFT, .argv = (const char *const[]){"nft", "-f", "-", NULL}, .in = fd, .most = 4096, .apart = true, .within_ms = WITHIN_MS};
  bool ok = run(&t, p);
  const char *at = !ok && t.err.p ? strstr((char *)t.err.p, place) : NULL;
  if (at) name_rule(batch, strtoul(at + strlen(place), NULL, 10), p);
  tool_free(&t);
  return ok;
}
