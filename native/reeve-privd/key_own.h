/* An account's own key files: what the child that is the account and its parent tell each other. */
#ifndef REEVE_KEY_OWN_H
#define REEVE_KEY_OWN_H
#include "reeve.h"

#define OWN_PATH_MAX 4096u
#define OWN_FILE_MAX (256u << 10)

struct own { const struct user *user; const char *patterns; };
struct own_file { int problem; char path[OWN_PATH_MAX]; const char *text; size_t n; };  /* problem: errno; 0: it was read */
as_fn own_read;
bool own_next(const struct buf *told, size_t *at, struct own_file *f);

/* Taking keys out of one of them. */
enum purge_end { PURGE_DONE, PURGE_ABSENT, PURGE_UNSAFE, PURGE_MOVED, PURGE_FAILED };
struct purge { const struct user *user; const char *path; const uint8_t *keys; size_t nkeys; };  /* path: from the home on; keys: sha256 of each */
struct purge_answer { uint32_t end, removed; char rule[96]; };
as_fn own_purge;
#endif
