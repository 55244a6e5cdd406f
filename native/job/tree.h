/* reeve-job: what the works that read, compare and remove trees share. */
#ifndef REEVE_JOB_TREE_H
#define REEVE_JOB_TREE_H
#include "job.h"

#define STAT_ATTR "user.rsync.%stat"
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* How far it is. Told at most once a second, by pace_step, which is called for everything that is done; false: the agent has gone. */
struct pace { int64_t begun_ms, told_ms; uint64_t files, files_total, bytes, bytes_total; };
void pace_begin(struct pace *p);
bool pace_step(struct pace *p);

/* Rows. `path` from the root of the source. */
void row_begin(struct buf *b, const char *snapshot, const char *path);
void row_entry(struct buf *b, const struct entry *e);
void row_digest(struct buf *b, const uint8_t digest[32]);
bool row_missing(const char *snapshot, const char *path);
bool put_problem(const char *path, const char *text);
int entry_open(int dir, const char *name, struct stat *st, struct entry *out);
void entry_of(const struct stat *st, struct entry *out);
const char *error_word(void);

/* The root of a snapshot, in the folder of a job as "/"; -1 and errno. */
int snapshot_open(const char *name);
/* Names of snapshots, sorted; the caller ends them with end_names. -1 and errno. */
int snapshot_names(int store, struct dirent ***names);
struct snapshot_info { bool there, complete; uint64_t files, bytes, sent_bytes; };
void snapshot_info(int store, const char *name, struct snapshot_info *out);

/* Everything below a folder, folders before what is in them, in the order the file system gives. Follows no link, and needs one descriptor however deep
 * it is. A folder that cannot be read is told as a problem. False: `each` ended it. */
struct place { int dir; const char *name, *path; bool folder; };
typedef bool walk_fn(const struct place *at, void *data);
bool walk(int root, walk_fn *each, void *data);
/* How many folders could not be read so far, by all walks of this process. */
extern uint64_t walk_unread;

/* 0; an errno: it cannot be read; -1: the agent has gone. */
int digest_file(int fd, uint8_t out[32], struct pace *p);

/* Removes everything in a folder, of any depth. False and errno (EPIPE: the agent has gone). */
bool remove_all(int folder, struct pace *p);
#endif
