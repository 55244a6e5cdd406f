/* reeve-container: what the parts share. README.md has the contract; frames, fields, tickets and programs are those of native/job. */
#ifndef REEVE_CONTAINER_H
#define REEVE_CONTAINER_H
#include "container_spec.h"
#include "program.h"

#define PODMAN "/usr/bin/podman"
#define SYSTEMCTL "/usr/bin/systemctl"
#define JOURNALCTL "/usr/bin/journalctl"
#define LXC_INFO "/usr/bin/lxc-info"
#define LXC_STOP "/usr/bin/lxc-stop"
#define CGROUP "/sys/fs/cgroup"
#define UNITS "/etc/systemd/system"
#define WHY 1000u
#define OUTPUT_MOST (16u << 20)
#define SHORT_S 60                        /* programs that only look, or change a record */
#define LONG_S 3600                       /* copies, images */

/* Where things are; given by hand in tests. */
struct container_places { const char *lxc, *pct; };
extern struct container_places places;

/* The record of a container, as the helper wrote it. */
struct record { char name[64]; struct spec spec; uint32_t slot; bool there; int dir; };
/* By the ticket's name. False and `why`: the ticket names none, or what is there cannot be read. `there` false: there is none. */
bool record_open(const struct fields *t, struct record *r, char why[WHY]);
/* The same, locked, so that nobody else works on it; tells the agent what is wrong. */
bool record_hold(const struct fields *t, struct record *r);
/* The same, and it has to be there. */
bool record_take(const struct fields *t, struct record *r);
bool record_named(const char *name, struct record *r, char why[WHY]);
void record_close(struct record *r);
/* Names of all records, sorted; the caller ends them with end_names. -1: none. */
int record_names(struct dirent ***names);
/* What was there before a change of it that is not settled: does it hold? */
bool record_before(const struct record *r, bool (*holds)(const struct spec *s, const void *what), const void *what);
/* First id of the host that the container's ids are mapped to; 0: they are the host's own. */
uint32_t record_base(const struct record *r);

/* Programs. `argv` is fixed and absolute; `in` -1: none; what it prints comes to `out`, ended by NUL, unless that is NULL. */
struct tool { const char *const *argv; int in; int seconds; struct buf *out; const char *skip; size_t met; struct program p; enum program_end end; };
bool tool_run(struct tool *t);                                      /* true: it ended with 0 */
/* Tells the agent why it did not; answers the exit code. `what`: "podman cannot import it". */
int tool_failed(const struct tool *t, const char *what);
/* The last line it printed, or how it ended; without control characters. */
const char *tool_said(const struct tool *t, char out[400]);
/* Passes all it prints on, as output; true: it ended with 0. Lines that are `skip` are left out.
 * It ends with the agent; `seconds` 0: no other end. */
bool tool_pass(struct tool *t);
/* Text of somebody else's for a sentence: what is not plain is written as \xHH. */
void plain(char *out, size_t room, const char *s, size_t n);
/* The last line that is not empty. */
const char *last_line(const char *s, size_t n, size_t *length);

/* systemd. */
struct unit_state { char active[16], sub[24], result[24], invocation[40], group[200]; uint64_t restarts; int status; bool stale; };
bool unit_show(const char *unit, struct unit_state *s);
/* Its last line in the journal since a moment (CLOCK_REALTIME, s), or what systemd says of its end. */
void unit_reason(const struct record *r, const struct unit_state *s, int64_t since_s, char out[WHY]);

/* Starts a container of podman or lxc, or the sockets of one that sleeps, and sees that it stays for a second. False and `why`. */
bool container_up(const struct record *r, char why[WHY]);
/* Ends a container of podman or lxc, with its sockets; true when it is not there, too. */
bool container_down(const struct record *r, char why[WHY]);

/* In a child that sees nothing but programs and the folders `from` (may be -1; read-only, as /from) and `to` (as /to), and is root of nobody but the ids from `base` on (0: of the host).
 * It keeps `caps`; `work` answers its exit code, or executes a program. */
struct inside { uint32_t base; int from, to, in; uint64_t caps; bool devices; int (*work)(void *data); void *data; };
/* Waits for its end. -1 and `why`: it could not begin, or was ended (no room, agent gone). What it said is in `said`. */
int inside_run(const struct inside *i, struct buf *said, char why[WHY]);
#define CAP_BIT(cap) (1ull << (cap))
/* What it takes to write files of any owner. */
extern const uint64_t file_caps;

/* Is there room for more on the file system of this folder? */
bool has_room(int dir);
/* Removes a folder and all in it; one that is not there is fine. */
bool remove_tree(int dir, const char *name, struct pace *p);
/* A small file, written whole or not at all. */
bool put_file(int dir, const char *name, const void *p, size_t n, mode_t mode);

/* The folder of a container of lxc; -1 and errno. */
int lxc_folder(const struct record *r);
/* Debian's unit for a container of lxc; true: it starts that with the host. */
#define LXC_UNIT_ROOM 100
bool lxc_unit(const char *name, char unit[LXC_UNIT_ROOM]);
/* "running", "stopped" or another word of lxc-info(1), in lower case; empty: not known. */
void lxc_state(const char *name, char out[24]);

/* Images. `names` has all names of containers that use this image id, comma between. */
struct image { char id[65], digest[72]; uint64_t bytes; int64_t created_ms; struct spec_list tags, digests; };
/* Calls `each` for all images of podman; false: the agent was told, or has gone. */
typedef bool image_fn(const struct image *image, void *data);
bool image_each(image_fn *each, void *data);
void image_users(const struct image *image, struct buf *names);
void archive_users(const char *sum, struct buf *names);
/* Gives an image a name that goes with its digest, and tells it as the result. */
int image_keep(const char *name, uint64_t bytes);

/* pct(1). */
bool pct_there(void);
int pct_build(const struct record *r);
int pct_adopt(const struct record *r);
int pct_start(const struct record *r);
int pct_stop(const struct record *r);
int pct_restart(const struct record *r);
int pct_limit(const struct record *r);
int pct_remove(const struct record *r);
int pct_snapshot(const struct record *r, const char *action, const char *snapshot);
int pct_snapshots(const struct record *r);

/* One for each work. They answer the exit code. */
int container_build(const struct fields *t);
int container_start(const struct fields *t);
int container_stop(const struct fields *t);
int container_restart(const struct fields *t);
int container_health(const struct fields *t);
int container_limit(const struct fields *t);
int container_remove(const struct fields *t);
int container_snapshot_make(const struct fields *t);
int container_rollback(const struct fields *t);
int container_drop(const struct fields *t);
int container_images(const struct fields *t);
int container_snapshots(const struct fields *t);
int container_inspect(const struct fields *t);
int container_pull(const struct fields *t);
int container_import(const struct fields *t);
int container_prune(const struct fields *t);
int container_log(const struct fields *t);
int container_adopt(const struct fields *t);
/* reeve-container wait ADDRESS PORT SECONDS. */
int wait_main(int argc, char **argv);
#endif
