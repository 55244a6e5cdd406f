/* Noun nat: its rules, the batch for nft(8), what is loaded and what is kept; shared by the helper and by reeve-nat. Nothing here needs a request. */
#ifndef REEVE_NAT_H
#define REEVE_NAT_H
#include "reeve.h"
#include "pending.h"

#define NAT_DIR "nat"                           /* below the state folder */
#define NAT_FORWARDS 2000u
#define NAT_MASQUERADES 256u
#define NAT_SOURCES 64u
#define NAT_RANGE 1024u                         /* ports in a row whose numbers change */
#define NAT_MAPPED 16384u                       /* such ports in all rules together */
#define NAT_RULES_MAX (1088u << 10)
#define NAT_BATCH_MAX (16u << 20)
#define NAT_LISTING_MAX (32u << 20)
#define NAT_ADOPT_MAX 64u
#define NAT_LEFT_DIR "/etc/nftables.d"
#define NAT_LEFT "reeve-nat.nft"                /* what was let go */
#define NAT_SYSCTL_DIR "/etc/sysctl.d"
#define NAT_SYSCTL "60-reeve-nat.conf"

/* What was wrong, and where: "12" the id of a rule, "line 3", or empty. touched: the table may be another one now. */
struct nat_problem { char where[24], says[200]; bool touched; };
bool nat_wrong(struct nat_problem *p, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Rules. Texts point into a copy of the lines; NULL: none. */
struct nat_net { uint8_t bytes[16]; unsigned prefix; bool v6; };
struct nat_ports { uint16_t first, last; };
struct nat_forward { uint32_t id; bool udp, v6; const char *listen, *interface, *to, *sources, *hairpin; struct nat_ports ports, to_ports; };
struct nat_masquerade { uint32_t id; bool v6; const char *source, *interface, *address; };
struct nat_rules {
  char *text;
  struct nat_forward *forwards; size_t nforwards;
  struct nat_masquerade *masquerades; size_t nmasquerades;
  bool v4, v6;                                  /* which families have a rule */
};
#define AUTO_RULES __attribute__((cleanup(nat_rules_free))) struct nat_rules
bool nat_rules_parse(struct nat_rules *r, const char *text, size_t n, struct nat_problem *p);
void nat_rules_free(struct nat_rules *r);
bool nat_net_parse(const char *s, size_t n, struct nat_net *net);
bool nat_net_holds(const struct nat_net *outer, const struct nat_net *inner);
bool nat_changes_ports(const struct nat_forward *f);
void nat_batch(struct buf *b, const struct nat_rules *r);

/* Rules of others that are deleted when a change is confirmed: lines FAMILY TABLE CHAIN HANDLE SHA256. */
struct nat_foreign { char family[8], table[65], chain[65], handle[21], sha256[65]; };
bool nat_foreign_next(const char *text, size_t n, size_t *at, struct nat_foreign *f);
bool nat_foreign_is_there(const struct buf *ruleset, const struct nat_foreign *f);

/* nft's JSON, as far as it is needed. */
struct span { const char *p; size_t n; };
bool json_element(struct span text, size_t *at, struct span *whole, struct span *kind, struct span *value);
bool json_get(struct span object, const char *key, struct span *value);
bool json_is(struct span object, const char *key, const char *text);
bool json_item(struct span list, size_t *at, struct span *value);
bool json_number(struct span object, const char *key, uint64_t *out);
struct nat_counter { char name[12]; uint64_t packets, bytes; };
bool nat_counter_next(const struct buf *text, size_t *at, struct nat_counter *counter);
void nat_without_ours(struct buf *text);

/* TCP ports that lead to this host's own administration, and why; an interface of this host. Asks sshd. */
struct nat_reserved { const char *why[65536]; };
uint16_t nat_reserved_fill(struct call *c, struct nat_reserved *reserved);
bool nat_interface_there(const char *name);

/* nft(8). */
#define NFT "/usr/sbin/nft"
bool nat_nft_absent(void);
bool nat_nft_ruleset(struct buf *out, struct nat_problem *p);
bool nat_nft_counters(struct buf *out);
bool nat_nft_batch(const struct buf *batch, struct nat_problem *p);
struct nat_live { bool there; char sha256[65]; };
bool nat_nft_live(struct nat_live *live, struct nat_problem *p);

/* What is loaded. `dir` is the folder nat/ of the state folder. */
struct nat_loaded { char operation[33], sha256[65], mark[64]; uint32_t generation; };
bool nat_loaded_get(int dir, struct nat_loaded *loaded);
bool nat_now(int dir, struct nat_live *live, struct nat_problem *p);
uint32_t nat_generation(void);
bool nat_others(void);
bool nat_load(int dir, const char *operation, const char *batch, size_t n, struct nat_problem *p);
void nat_forwarding(bool *v4, bool *v6);
bool nat_forwarding_on(int dir, bool v4, bool v6);
bool nat_forwarding_off(int dir, bool v4, bool v6);

/* What is kept. `state` is the state folder. */
enum nat_kind { NAT_NOTHING, NAT_RELEASED, NAT_CONFIRMED, NAT_PENDING };
struct nat_kept { enum nat_kind kind; char operation[33]; };
bool nat_kept(int state, bool with_pending, struct nat_kept *kept);
char *nat_file(int dir, const char *operation, const char *suffix, size_t max, size_t *n);
void nat_file_name(char out[48], const char *operation, const char *suffix);
bool nat_restore(int state, int dir, bool with_pending, struct nat_problem *p);
bool nat_settle(int state, int dir, struct nat_problem *p);
bool nat_sysctl(bool v4, bool v6, bool left);
bool nat_forget_left(void);
int nat_lock(int dir);

/* Of the helper alone. */
uint16_t nat_failed(struct call *c, int status, const struct nat_problem *p);
uint16_t nat_guard(struct call *c, const struct nat_rules *r);
void nat_confirmed(void);
#endif
