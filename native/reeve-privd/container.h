/* Noun container: records, the files that they become, and what a request asks. native/container/README.md has all of it in words. */
#ifndef REEVE_CONTAINER_H
#define REEVE_CONTAINER_H
#include "container_spec.h"
#include "ticket.h"

#define CONTAINER_DIR "container"                /* below the state folder */
#define CONTAINER_TICKETS "container-job"
#define CONTAINER_UNITS "/etc/systemd/system"
#define CONTAINER_LXC "/var/lib/lxc"
#define CONTAINER_PROGRAM "/usr/lib/reeve-agent/reeve-container"
#define CONTAINER_LEFT "/var/lib/reeve-left"     /* what a container that was let go still needs of us */
#define CONTAINER_NAME_MAX 63u
#define CONTAINER_MOST 1000u
#define INNER_PORT 7500u                         /* where the first port of a sleeping container is, on its own loopback address */
#define CONTAINER_MARK "# Managed by Reeve, sha256 "
#define CONTAINER_MARK_LEFT "# Left by Reeve: plain configuration, yours to edit.\n"

/* A container that we have a folder for. */
struct container {
  char name[CONTAINER_NAME_MAX + 1];
  bool there;                                    /* it has a record that can be read, which `spec` is */
  bool damaged;                                  /* it has one that cannot */
  bool edited;                                   /* its record is not what its first line says */
  bool pending, fresh;                           /* a change is not settled; there was nothing before it */
  char *text;                                    /* canonical */
  size_t n;
  struct spec spec;
  uint32_t slot;
  bool has_slot;
};
#define AUTO_CONTAINER __attribute__((cleanup(container_free))) struct container
void container_free(struct container *k);

/* Records. `dir` is a folder of a container. */
int container_folder(const char *name, bool make);
bool container_read(const char *name, struct container *k);              /* false: there is no folder */
uint16_t container_known(struct call *c, const char *name, struct container *k);   /* else CONTAINER_UNKNOWN or CONTAINER_FOREIGN */
uint16_t container_slot(struct call *c, struct container *k);            /* gives it one, where it has none */
bool container_put_marked(int dir, const char *name, const char *text, size_t n, mode_t mode);
void container_mark(struct buf *b, const void *text, size_t n);          /* the first line of a file of ours, then the text */
enum container_marked { MARKED_NOT, MARKED_WHOLE, MARKED_EDITED };
enum container_marked container_marked(const char *text, size_t n);      /* ours, and as it was written? */
const char *container_body(const char *text, size_t n, size_t *nbody);   /* behind the first line */
int container_names(struct dirent ***names);                             /* of all folders, sorted; end_names() afterwards */
uint32_t container_root(const struct container *k);                      /* root of the container, as the host has it */

/* The files that a record becomes. */
struct container_file { char dir[64], name[128]; struct buf text; mode_t mode; };
struct container_files { struct container_file items[2 + 2 * 64]; size_t n; bool left; };
void container_render(const struct container *k, bool left, struct container_files *f);   /* left: without Reeve */
void container_files_free(struct container_files *f);
struct container_file *container_file_add(struct container_files *f, const char *dir, const char *name, mode_t mode);
void container_render_lxc(const struct container *k, struct buf *b);
void systemd_word(struct buf *b, const char *word);                      /* quoted, as one argument of ExecStart= */
bool container_has_link(const struct container *k, const char *unit);
uint32_t container_inner(const struct spec *s, uint32_t inside);         /* on the loopback address of a sleeping container of podman */
void container_loopback(const struct container *k, char out[32]);

/* Putting them in place. `k` NULL: none of them is wanted any more. */
uint16_t container_converge(struct call *c, const char *name, const struct container *k, bool *changed);
uint16_t container_leave(struct call *c, const struct container *k);     /* as if somebody else had written them */
uint16_t container_reload(struct call *c, const char *name);
const char *container_edited(const struct container *k, bool *gone, char path[256]);  /* NULL: all is as it was written; gone: it is not there */
bool container_foreign(const char *name, enum spec_engine engine, char where[256]);

/* What a spec asks for. */
#define AUTO_SPEC __attribute__((cleanup(spec_free))) struct spec
uint16_t container_parse(struct call *c, const struct value *text, struct spec *s);
uint16_t container_allow(struct call *c, const char *name, const struct value *text);  /* policy, each part by itself */
uint16_t container_allow_volumes(struct call *c, const char *name, const struct spec *s);
uint16_t container_guard(struct call *c, const char *name, const struct spec *s);      /* what no policy can allow: ports, addresses, engines */
uint16_t container_volumes(struct call *c, const struct container *k, bool make);      /* folders as they must be; make: those that are not there */
bool container_is_proxmox(void);
bool container_is_socket(const char *path);

/* Changes that can be taken back. */
uint16_t container_write(struct call *c, const char *name, const struct value *text, bool adopting, bool *changed);
uint16_t container_settle(struct call *c, struct container *k, bool keep);
uint16_t container_secrets(struct call *c, const struct container *k);                 /* each is there, and belongs to root of the container */
bool container_sweep(const struct container *k, int64_t older_s);                      /* secrets that no record names; k->there false: all of them. Only those that are so old */

verb_fn op_observe_container;
verb_fn check_container_put, allow_container_put, op_container_put;
verb_fn op_container_settle;
verb_fn check_container_secret, op_container_secret;
verb_fn op_container_release;
verb_fn op_container_build;
verb_fn op_container_control;
verb_fn check_container_remove, allow_container_remove, op_container_remove;
verb_fn check_container_snapshot, op_container_snapshot;
verb_fn check_container_look, op_container_look;
verb_fn check_container_pull, allow_container_pull, op_container_pull;
verb_fn check_container_import, op_container_import;
verb_fn op_container_prune;
verb_fn check_container_log, op_container_log;
verb_fn check_container_adopt, allow_container_adopt, op_container_adopt;
#endif
