/* reeve-vhost-check: see main.c. */
#ifndef REEVE_VHOST_CHECK_H
#define REEVE_VHOST_CHECK_H
#include "vhost.h"

#define SCRATCH "/boot"                  /* a tmpfs of our own in the sandbox, over what no web server has to do with */
#define PATH_MOST 1025u
#define REASON_MOST 480u
#define LACKS_MOST 300u
#define CONFLICTS_MOST 200u

/* What is asked for. Empty: not that. */
struct request { char id[33], mode[16], staged[PATH_MOST], take[PATH_MOST]; };

/* What nginx said of a configuration. */
struct told {
  bool good;
  char reason[REASON_MOST];              /* for people; of files of others only which line of which */
  char file[PATH_MOST];                  /* where nginx says it is; empty: it does not say */
  char missing[256];                     /* a name that a file of others wants to be resolved */
  struct buf conflicts;                  /* lines conflict=NAME ADDRESS */
};
void told_parse(struct told *t, char *text, int code);
void told_free(struct told *t);

/* The sandbox that this process has gone into. */
struct sandbox { bool mounts; char lacks[LACKS_MOST]; uid_t uid; gid_t gid; int nfolders; };
void sandbox_lacks(struct sandbox *s, const char *what);
void sandbox_enter(struct sandbox *s);
bool sandbox_close(struct sandbox *s);
_Noreturn void sandbox_become(const struct sandbox *s, const char *const *argv, int out);

/* What is laid over files and folders there. */
bool over_stage(const char *folder);
bool over_nothing(const char *path);
bool over_names(const char *name);
bool over_folder(struct sandbox *s, const char *folder, bool nested, char *const *gone, size_t ngone);

/* Every folder that the configuration writes into is laid over. */
bool writes_open(struct sandbox *s);

/* Tests the configuration: what goes into the answer behind its id. */
void test_configuration(const struct request *r, struct buf *answer);
#endif
