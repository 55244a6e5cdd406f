/* Changes that revert by themselves: the form of their files, shared by the helper and by reeve-deadman. Nothing here needs a request. */
#ifndef REEVE_PENDING_H
#define REEVE_PENDING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PENDING_DIR "pending"
#define PENDING_ARMED ".%s.armed"             /* below pending/: a note that is to take the place of the one that is there, or did */
#define UNDO_DIR "undo"
#define UNDO_KEY "key.conf"                  /* the drop-in as it was; only when there was one */
#define OWNED_DIR "owned"
#define OWNED_SSHD "sshd"                    /* with it the drop-in is ours */
#define OWNED_NAT "nat"                      /* with it the table inet reeve is ours */

#define SSHD_DROPIN_DIR "/etc/ssh/sshd_config.d"
#define SSHD_DROPIN "00-reeve-keys.conf"
#define SSHD_DROPIN_MAX (256u << 10)
#define PENDING_MAX 1024u
#define MARK_DIR "/run/reeve"
#define MARK_FILE "boot-mark"

/* A file of lines key=value in this order; at_ms and reason only once it was reverted. */
struct pending {
  char noun[16], operation[33], mark[64], sha256[65];  /* mark: of the boot; sha256: of what it wrote, the drop-in or the rules */
  int64_t deadline_boot_ms, deadline_ms;               /* CLOCK_BOOTTIME; wall clock, to be shown */
  bool armed, had;                                     /* all checks are done, so it may be confirmed; there was a drop-in, or were rules, before */
  int64_t at_ms;
  char reason[160];
};

/* A noun whose changes revert by themselves. */
struct pending_noun {
  const char *name;                                    /* also of its file below pending/ */
  const char *reverting;                               /* the same file while the change is taken back */
  const char *owned;                                   /* below owned/: the change confirmed last */
  const char *reverted;                                /* below undo/: the last revert */
  bool (*restore)(int undo, const struct pending *p);  /* NULL: telling is all there is to do */
};
extern const struct pending_noun pending_nouns[];      /* the last one has no name */
#define NOUN_KEY (&pending_nouns[0])
#define NOUN_NAT (&pending_nouns[1])
const struct pending_noun *pending_noun(const char *name);

bool pending_parse(struct pending *p, const char *text);
size_t pending_format(const struct pending *p, char out[PENDING_MAX]);
bool pending_get(int dir, const char *name, struct pending *p);
bool pending_put(int dir, const char *name, const struct pending *p);
void pending_tidy(int pending, const struct pending_noun *noun);
bool boot_mark(char out[64], bool make);
bool small_put(int dir, const char *name, const void *p, size_t n, mode_t mode);
char *small_get(int dir, const char *name, size_t max, size_t *n);
bool request_take(int dir, size_t max, char **text);
bool move_file(int from, const char *name, int to, const char *new_name);
bool restore_dropin(int undo, const struct pending *p);
bool pending_revert(int state, const struct pending_noun *noun, const char *reason, bool (*tell)(void));
#endif
