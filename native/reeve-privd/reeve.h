/* reeve-privd: what the parts share. Statuses are REEVE_OK or a number of the error catalogue (gen/table.h). */
#ifndef REEVE_H
#define REEVE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gen/table.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REEVE_VERSION "0.2.0"
#define REEVE_FRAME_VERSION 1
#define REQUEST_HEAD 20u  /* version, verb, operation id */
#define OP_BYTES 16u
#define NAME_MAX_LEN 31u
#define CHILDREN_MAX 8
#define QUEUE_MAX 32
#define READ_DEADLINE_MS 10000
#define IDLE_EXIT_MS 60000
#define LOCK_DEADLINE_MS 30000
#define TOOL_DEADLINE_MS 30000
#define ERRORS_MAX 8192u
#define ACCOUNTS_MAX (4u << 20)

/* A descriptor and a malloc'd text that end with their block. */
#define AUTO_FD __attribute__((cleanup(end_fd))) int
#define AUTO_TEXT __attribute__((cleanup(end_text))) char *

/* Where things are; compiled in for production, given by hand for development. */
struct config {
  const char *state;   /* /var/lib/reeve-privd */
  const char *policy;  /* /etc/reeve/policy */
  uid_t caller;        /* the only uid that is answered */
  bool activated;      /* started by a systemd socket */
  bool seccomp;        /* the filter is on */
  bool pidfd;          /* SO_PEERPIDFD works */
  int landlock;        /* ABI, 0 absent */
};
extern struct config config;
extern pid_t main_pid;

/* Shared by the parent and its children, so that a child killed by the filter still gets an answer and refusals are counted once. */
struct slot { pid_t pid; int conn; bool named, replied; uint16_t verb; uint8_t op[OP_BYTES]; };
struct shared { struct slot slots[CHILDREN_MAX]; int64_t refused_at_ms; uint32_t refused_tokens, suppressed; volatile bool stopping; };
extern struct shared *shared;

/* A growing buffer with a hard limit; after an overflow it stays `full` and takes nothing more. */
struct buf { uint8_t *p; size_t n, room, limit; bool full; };
void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_say(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t get_number(const uint8_t *p, size_t n);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);

/* Policy. */
enum policy_state { POLICY_OK, POLICY_MISSING, POLICY_UNREADABLE, POLICY_OWNER, POLICY_MODE, POLICY_TYPE, POLICY_SIZE, POLICY_SYNTAX };
struct policy_line { int number; bool allow; int op; const char *values[REEVE_MAX_KEYS]; };
struct policy {
  enum policy_state state;
  char reason[200];
  bool digested;
  uint8_t digest[32];
  char *text;
  struct policy_line *lines;
  size_t nlines;
};
typedef void policy_report(void *data, int line, const char *text);
struct verdict { bool allowed; int line; bool denied; };
const char *policy_state_name(enum policy_state state);
bool policy_parse(struct policy *p, const char *text, size_t n, policy_report *report, void *data);
void policy_load(struct policy *p, const char *path);
void policy_free(struct policy *p);
int policy_operation(const char *name, size_t n);
const char *policy_operation_name(int op);
struct verdict policy_evaluate(const struct policy *p, int op, const char *const *args);
struct verdict policy_evaluate_range(const struct policy *p, int op, const char **args, size_t key, uint64_t first, uint64_t last, char text[24]);
void policy_wanted_line(char *out, size_t room, int op, const char *const *args, struct verdict v);
bool policy_next_uid(const struct policy *p, int op, const char *const *args, size_t key, uint64_t from, uint64_t *uid);
bool parse_number(const char *s, size_t n, uint64_t max, uint64_t *out);
bool parse_u32(const char *s, uint32_t *out);
bool parse_range(const char *s, size_t n, uint64_t *low, uint64_t *high);
int explain(const char *path);
int check_policy(const char *path);

/* Accounts, read without NSS. */
struct user { char *name, *comment, *home, *shell; uint32_t uid, gid; };
struct group { char *name; uint32_t gid; };
struct membership { const char *user, *group; };
struct secret { char *name, *password; int64_t expires; };  /* expires: days, -1 never */
struct accounts {
  char *passwd_text, *group_text, *shadow_text;
  size_t shadow_bytes;
  struct user *users; size_t nusers;
  struct group *groups; size_t ngroups;
  struct membership *members; size_t nmembers;  /* sorted by user, then group */
  struct secret *secrets; size_t nsecrets;      /* sorted by name */
};

/* Markers: which accounts are ours. */
enum marker_state { MARKER_NONE, MARKER_ADDING, MARKER_OWNED, MARKER_REMOVING, MARKER_ADOPTED, MARKER_ADOPTED_KEYS };
struct marker { enum marker_state state; char name[NAME_MAX_LEN + 1]; uint32_t uid, gid; char kind[8]; };

/* One request. */
struct value { bool set; char *text; size_t n; uint64_t number; };  /* text and bytes: n of them and a NUL; numbers have their decimal text too */
struct call {
  const struct reeve_verb *verb;
  uint8_t op[OP_BYTES];
  struct value f[REEVE_MAX_FIELDS];
  const char *args[REEVE_MAX_KEYS];      /* values of the policy's keys; NULL: not in the request */
  char stale[16];                        /* behind args: how long keys of a file are good for */
  struct policy policy;
  struct accounts accounts;
  const struct user *user;               /* by account_load: the entry the call is about, until accounts are loaded again */
  struct marker marker;
  struct buf reply, errors;
};
void call_init(struct call *c);
void call_free(struct call *c);
uint16_t fail(struct call *c, int status, ...);  /* pairs of key and value, then NULL */
uint32_t request_limit(uint16_t number);
void op_text(char out[37], const uint8_t op[OP_BYTES]);  /* as a UUID is written */
uint16_t wire_parse(struct call *c, const uint8_t *p, size_t n);
void reply_string(struct buf *b, uint16_t tag, const char *s);
void reply_bytes(struct buf *b, uint16_t tag, const void *p, size_t n);
void reply_u32(struct buf *b, uint16_t tag, uint32_t v);
void reply_u64(struct buf *b, uint16_t tag, uint64_t v);
void reply_bool(struct buf *b, uint16_t tag, bool v);
size_t reply_begin(struct buf *b, uint16_t tag);
void reply_end(struct buf *b, size_t at);
void frame_reply(struct buf *out, uint16_t verb, const uint8_t *op, uint16_t status, const struct buf *body);
uint16_t ask_policy(struct call *c);
uint16_t serve_call(struct call *c, const uint8_t *p, size_t n);
uint16_t check_call(struct call *c);
uint16_t policy_refused(struct call *c, int op, const char *const *args, struct verdict v);

/* Grammar of single values. */
bool grammar_name(const char *s);
bool grammar_shell(const char *s);
bool grammar_comment(const char *s);
bool is_listed(const char *const *list, const char *s);
bool text_plain(const char *s);
bool has_listed_prefix(const char *const *list, const char *s);
bool paths_meet(const char *a, const char *b);                               /* one is the other, or lies below it */
bool name_reserved(const char *s);
bool uid_forbidden(uint64_t uid);
bool group_dangerous(const char *s);
uint16_t check_fields(struct call *c);
uint16_t shell_usable(struct call *c, const char *shell);

/* A worker for each verb, and a checker where there is more to check than the fields one by one; both may fail(). */
typedef uint16_t verb_fn(struct call *c);
verb_fn check_user_add, check_user_adopt;
verb_fn op_status_get, op_observe_user, op_group_member;
verb_fn op_user_add, op_user_set, op_user_lock, op_user_unlock, op_user_remove, op_user_adopt, op_user_release;

/* A line of a key file. shared/model/key.ts has the same grammar (a differential test compares them). */
#define KEY_BLOB_MAX 4096u
#define KEY_RSA_BITS 2048u
struct key_line {
  char type[64];
  uint8_t blob[KEY_BLOB_MAX];
  size_t nblob;                          /* 0: there is no key in it */
  const char *comment;                   /* in the text that was parsed */
  size_t ncomment;
  char options[1600];                    /* those that are known, in canonical order, without expiry-time */
  uint64_t expires;                      /* unix seconds; 0: never */
  char problem[160];                     /* why it cannot be managed; empty: it can */
};
bool key_line_parse(struct key_line *k, const char *s, size_t n);
bool key_line_canonical(const struct key_line *k, const char *s, size_t n);
bool key_type_known(const char *s, size_t n);
bool key_blob_parse(struct key_line *k, const char *text, size_t ntext, const char *type, size_t ntype);
size_t key_base64(char *out, const uint8_t *p, size_t n);
void key_options_parse(struct key_line *k, const char *s, size_t n);
void key_problem(struct key_line *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
int check_keys(const char *path);

/* A key file: what each line lets in, sorted. */
#define KEY_FILE_MAX (1u << 20)
struct key_entry { uint8_t key[32], access[32]; uint64_t expires; };  /* sha256 of the blob; of options, type and blob */
struct key_set { struct key_entry *entries; size_t n; };
#define KEY_MANAGED "# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n"
#define KEY_LEFT "# Left by Reeve: plain configuration, yours to edit.\n"
#define KEY_FOLDER "/etc/ssh/reeve-keys.d"
#define AUTO_SET __attribute__((cleanup(key_set_free))) struct key_set
void key_set_free(struct key_set *set);
uint16_t key_content(struct call *c, const struct value *content, const char *head, struct key_set *set);
uint16_t key_within(struct call *c, const struct value *content, const char *head, const char *old, size_t nold, bool expiry_aside);
uint16_t key_folder(struct call *c, bool make, int *dir);
uint16_t key_marked(struct call *c, const char *name, bool *marked);
uint16_t key_mark(struct call *c, const char *name);
uint16_t key_unmark(struct call *c, const char *name);
uint16_t key_read(struct call *c, int dir, const char *name, char **text, size_t *n);
uint16_t key_write(struct call *c, int dir, const char *name, const char *text, size_t n);
uint16_t key_foreign(struct call *c, const char *name);
void reply_text(struct buf *b, uint16_t tag, const char *s, size_t n);

/* A child that is another account and nothing more. */
typedef void as_fn(const void *data, int out);
uint16_t run_as(struct call *c, const struct user *u, as_fn *work, const void *data, struct buf *out);
bool write_whole(int fd, const void *p, size_t n);

/* Noun key: managed key files, and accounts' own ones. */
verb_fn check_observe_key, check_key_put, check_key_remove, check_key_purge, check_key_release;
verb_fn op_observe_key, op_key_put, op_key_remove, op_key_purge, op_key_release;

/* Noun key: sshd, changes that revert by themselves, sessions. */
verb_fn check_key_sshd, check_pending_confirm;
verb_fn op_observe_sshd, op_key_sshd, op_pending_get, op_pending_confirm, op_observe_session, op_session_end;

/* Noun nat. */
verb_fn check_nat_apply, allow_nat_apply;
verb_fn op_observe_nat, op_nat_apply, op_nat_release;

/* sshd: what it says of itself, our drop-in, and the check that runs outside of this sandbox. */
#define KEYS_DIR "/etc/ssh/reeve-keys.d"
#define KEYS_PATH KEYS_DIR "/%u"
#define SSHD_LINE 1024u
struct dropin { bool there, canonical; char *text, *paths, *exclusive; size_t n; uint8_t sha256[32]; };
uint16_t sshd_refused(struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint16_t sshd_ask(struct call *c, const char *user, char **text);
uint16_t sshd_test(struct call *c);
bool sshd_next(const char **at, const char *key, char out[SSHD_LINE]);
uint16_t sshd_include(struct call *c);
bool path_listed(const char *paths, const char *path, size_t n);
char *dropin_render(const char *paths, const char *exclusive, bool left);
void dropin_parse(struct dropin *d, char *text, size_t n);
uint16_t dropin_read(struct call *c, struct dropin *d);
void dropin_free(struct dropin *d);
const char *dropin_state(const struct dropin *d);
struct outside { bool good, touched; char reason[300]; };  /* touched: the real sshd may have another configuration now */
uint16_t outside_check(struct call *c, const char *mode, const char *lines, struct outside *o);

/* Changes that revert by themselves, as far as a request is concerned. */
struct pending;
struct pending_noun;
bool is_pending(const struct pending_noun *noun);
bool is_boot(const char *mark);
uint16_t still_pending(struct call *c, const struct pending_noun *noun, int64_t deadline_ms);
uint16_t bad_confirm(struct call *c, const struct value *confirm_s);
void pending_begin(struct pending *p, const struct call *c, const struct pending_noun *noun, int64_t within_ms);
bool pending_arm(const struct pending_noun *noun, struct pending *p, const struct value *confirm_s);

/* Sessions of sshd. */
struct session { uint32_t pid; char user[NAME_MAX_LEN + 1]; uint64_t since_ms; };
size_t sessions_list(const struct accounts *a, struct session *list, size_t most);

/* Accounts and markers. */
void accounts_parse(struct accounts *a, char *passwd, char *group, char *shadow);
uint16_t accounts_load(struct call *c);
void accounts_free(struct accounts *a);
const struct user *user_by_name(const struct accounts *a, const char *name);
const struct user *user_by_uid(const struct accounts *a, uint32_t uid);
const struct group *group_by_name(const struct accounts *a, const char *name);
const struct group *group_by_gid(const struct accounts *a, uint32_t gid);
const struct secret *secret_by_name(const struct accounts *a, const char *name);
bool group_in_use(const struct accounts *a, const struct group *g);
bool is_member(const struct accounts *a, const char *user, const char *group);
bool is_locked(const struct secret *s);
bool marker_parse(struct marker *m, const char *text, size_t n);
const char *marker_word(const struct marker *m);
uint16_t marker_read(struct call *c, const char *name, struct marker *m);
uint16_t marker_write(struct call *c, const struct marker *m);
uint16_t marker_drop(struct call *c, const char *name);
uint16_t markers_list(struct call *c, struct marker **list, size_t *n);
uint16_t used_uids(struct call *c, char **text);
bool used_uid_owner(const char *text, uint32_t uid, char *owner, size_t room);
uint16_t used_uid_add(struct call *c, const char *name, uint32_t uid);

/* The account a call is about. */
#define ADOPTED "adopted: keys and lock only"
#define UID_TOO_LOW "its uid is below 1000"
uint16_t user_protected(struct call *c, const char *name, const char *rule);
uint16_t user_unfinished(struct call *c);
uint16_t account_load(struct call *c, const char *name);
uint16_t account_ours(struct call *c, const char *name);
uint16_t account_load_ours(struct call *c, const char *name);
uint16_t account_load_made(struct call *c, const char *name);
uint16_t account_lock(struct call *c, const char *name);
uint16_t account_delete(struct call *c, const char *name);

/* The machine. */
uint16_t run_tool(struct call *c, const char *const *argv);
uint16_t run_tool_text(struct call *c, const char *const *argv, char **text);
bool run_tool_save(const char *name, size_t most, struct buf *out);
uint16_t end_processes(struct call *c, const char *name, uint32_t uid, uint32_t *ended);
uint16_t home_free(struct call *c, const char *name);
uint16_t home_to_trash(struct call *c, const char *name, uint32_t uid, bool half_made, char *entry, size_t room);
bool state_prepare(void);
int state_folder(const char *path);
int open_under(const char *base, const char *path, int flags);
int open_beneath(int dir, const char *path, int flags, uint64_t extra);
char *read_open(int fd, size_t max, size_t *n);
char *read_whole(const char *path, size_t max, size_t *n);
void end_fd(const int *fd);
void end_text(char *const *text);
void end_names(struct dirent **names, int n);
int64_t now_ms(void);
int64_t wall_ms(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint16_t io_failed(struct call *c, const char *what);

/* Audit. */
enum audit_phase { AUDIT_INTENT, AUDIT_RESULT, AUDIT_REFUSED, AUDIT_RECOVERED };
struct audit_record { enum audit_phase phase; uint32_t caller; const uint8_t *op; const char *verb, *args; const uint8_t *digest; uint16_t status; };
#define AUDIT_FIELDS 13  /* seq time_ms mono_ms boot_id caller op_id verb args policy_digest phase status prev hash */
struct audit_line { struct { const char *p; size_t n; } f[AUDIT_FIELDS]; };
bool audit_split(struct audit_line *l, const char *line, size_t n);
void audit_hash(const struct audit_line *l, const uint8_t prev[32], uint8_t out[32]);
bool unhex(uint8_t *out, const char *p, size_t n);
int audit_is_rotated(const struct dirent *entry);
const char *audit_append(const struct audit_record *r, bool use_reserve);  /* NULL, or why not */
void audit_refused(const struct audit_record *r);
const char *audit_recover(void);
void audit_head(uint64_t *seq, uint8_t head[32]);
const char *audit_trouble(void);
int audit_verify(const char *path);
void boot_id(char out[37]);

/* Protection. */
bool harden_parent(void);
void harden_child(int conn);
bool seccomp_install(void);
void violate(void);
int serve(int listener);
bool send_all(int fd, const uint8_t *p, size_t n, int deadline_ms);
_Noreturn void child_main(int conn, struct slot *slot);

struct sha256 { uint32_t h[8]; uint64_t bytes; uint8_t block[64]; size_t used; };
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *p, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[32]);
void sha256_of(const void *p, size_t n, uint8_t out[32]);
void hex(char *out, const uint8_t *p, size_t n);

/* Points where tests kill the helper; nothing of them is left in a package build. */
#ifdef REEVE_TEST
void failpoint(const char *name);
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) ((void)0)
#endif
#endif
