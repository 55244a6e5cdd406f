/* reeve-job: what the parts share. README.md has tickets, frames and the folder of a job. */
#ifndef REEVE_JOB_H
#define REEVE_JOB_H
#include "reeve.h"
#include "backup_word.h"

#define CONN 0                               /* the connection to the agent: systemd gives it as standard input */
#define PAYLOAD_MAX 65536u
#define FIELDS_MAX (192u << 10)              /* a ticket */
#define PATH_ROOM 4096u
#define SNAPSHOT_LEN 18u                     /* 2026-01-31T090500Z */
#define DUMP_DIR "/var/lib/reeve-backup/dump"
#define STORE_USER "reeve-backup"

enum frame { F_DATA = 1, F_END, F_READY, F_PROGRESS, F_PROBLEM, F_ROW, F_OUTPUT, F_RESULT, F_INPUT };

/* Where things are; given by hand in tests. */
struct job_config { const char *state; uid_t caller; uid_t store_uid; gid_t store_gid; bool landlock; };
extern struct job_config job;

/* key=value ended by NUL, in the order they were written; a copy of its own. */
struct fields { char *p; size_t n; };
const char *field(const struct fields *f, const char *key);                               /* the first; NULL: there is none */
const char *field_after(const struct fields *f, const char *key, const char *before);     /* the next after a value that one of these gave; NULL before: the first */
bool field_number(const struct fields *f, const char *key, uint64_t max, uint64_t *out);  /* false: none, or no number */
bool field_flag(const struct fields *f, const char *key);

/* Frames to the agent. False: it has gone. Blocks until the agent takes them. */
bool put_frame(enum frame kind, const void *p, size_t n);
void say(struct buf *b, const char *key, const char *value);
void say_bytes(struct buf *b, const char *key, const void *p, size_t n);
void say_number(struct buf *b, const char *key, uint64_t value);
bool put_fields(enum frame kind, struct buf *b);                                           /* and empties it */
int get_frame(enum frame *kind, uint8_t payload[PAYLOAD_MAX], size_t *n);                 /* 1; 0 the agent has gone; -1 malformed */
size_t frame_length(const uint8_t head[4]);
bool agent_gone(void);                                                                     /* without waiting: long loops ask now and then */
int64_t job_now_ms(void);

/* Takes the ticket that the caller names, in a folder of the state folder; false: there is none, or it is somebody else who calls. */
bool job_ticket(const char *folder, struct fields *t);
/* The end of a piece of work: why it failed (format), or ok with more fields. Each sends the result and answers the exit code. */
int job_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int job_done(struct buf *more);                                                            /* NULL: only ok=1 */
/* The last thing that a program does, with that exit code: it waits for an agent that still sends when the work failed. */
int job_leave(int code);

/* A folder or file by an absolute path; no component is a link. -1 and errno. */
int open_plain(const char *path, int flags);
/* The same below a folder. */
int open_in(int dir, const char *path, int flags);

/* The folder of a job, opened as root: it is marked as this job's and belongs to reeve-backup. -1 and `why`. */
int store_open(const struct fields *t, char why[300]);
/* The same, made and marked if it is missing or empty. */
int store_make(const struct fields *t, char why[300]);
/* Takes `lock` in it; false: somebody else writes there. The lock goes with the process. */
bool store_lock(int store);
/* Becomes reeve-backup for good, without any capability and privilege, in `dir`, from which nothing leads out: all that is seen is that folder (as "/").
 * Only for a child (see store_work). False and errno. */
bool store_become(int dir);
/* Runs `work` in a child that has become reeve-backup in the folder of the job (as "/"); answers what it returned, or -1. `work` sends frames itself. */
int store_work(int store, int (*work)(const struct fields *t, void *data), const struct fields *t, void *data);

/* How a file is, as --fake-super wrote it: the real one where it says nothing else. `fd` may be O_PATH. */
struct entry { uint32_t mode, uid, gid, major, minor; uint64_t size; int64_t modified_ms; };
bool entry_read(int dir, const char *name, const struct stat *st, struct entry *out);
const char *entry_kind(uint32_t mode);

/* One file for each work. They answer the exit code. */
int work_inspect(const struct fields *t);
int work_send(const struct fields *t);
int work_receive(const struct fields *t);
int work_restore_send(const struct fields *t);
int work_restore_receive(const struct fields *t);
int work_discard(const struct fields *t);
int work_dump(const struct fields *t);
int work_load(const struct fields *t);
int work_snapshots(const struct fields *t);
int work_list(const struct fields *t);
int work_find(const struct fields *t);
int work_sample(const struct fields *t);
int work_hash(const struct fields *t);
int work_prune(const struct fields *t);
int work_adopt(const struct fields *t);
#endif
