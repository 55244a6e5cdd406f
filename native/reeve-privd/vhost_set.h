/* Sets of files: each a folder below VHOST_DIR with a list of what was written, below the state folder. Of the helper alone. */
#ifndef REEVE_VHOST_SET_H
#define REEVE_VHOST_SET_H
#include "vhost.h"

#define VHOST_STATE "vhost"                     /* below the state folder: SET.list, staged, unsettled */
#define VHOST_STAGED ".staged"                  /* below VHOST_DIR: a set that was laid out and has not been in place */
#define SET_NAME 37u                            /* "set-" and 32 hexadecimal digits, with its end */
#define VHOST_LIST_MAX (2u << 20)
#define TAKE_MAX 512u

/* What was written as one file. fresh: for this set, not for one before. */
struct vhost_entry { char *name; uint8_t sha256[32]; bool fresh; };
struct vhost_list { struct vhost_entry *entries; size_t n; };  /* sorted by name */
#define AUTO_LIST __attribute__((cleanup(vhost_list_free))) struct vhost_list
void vhost_list_free(struct vhost_list *list);
bool vhost_list_add(struct vhost_list *list, const char *name, const uint8_t sha256[32], bool fresh);
const struct vhost_entry *vhost_list_find(const struct vhost_list *list, const char *name);
bool vhost_list_read(const char *set, struct vhost_list *list);    /* false: errno is set; ENOENT: nothing of it is ours */
bool vhost_list_write(const char *set, const struct vhost_list *list);
void vhost_list_sha(const struct vhost_list *list, uint8_t out[32]);

/* The set in place; empty: there is none. */
bool vhost_placed(char set[SET_NAME]);
bool vhost_is_set(const char *name);
bool vhost_owns(const struct vhost_list *list, const char *path);  /* a path below VHOST_CURRENT that Reeve wrote; the list is that of the set in place */
int vhost_base(void);                           /* VHOST_DIR, or -1 */
int vhost_open_set(const char *set);            /* its folder, or that of VHOST_STAGED, or -1 */
bool vhost_drop_set(const char *set);           /* folder and list; repeatable */
bool vhost_drop_others(const char *set, const char *before);  /* every other set */
bool vhost_place(const char *set);              /* the link, in one rename; empty: no link */
bool vhost_put_include(bool left);              /* our one include line */
bool vhost_drop_include(void);
bool vhost_has_include(void);

/* What was laid out and not put in place, and what was put in place, or is just about to be, and is not settled. */
struct vhost_note {
  char set[SET_NAME], sha256[65];
  char policy[65];                              /* staged: the policy that it was laid out under */
  char before[SET_NAME], operation[33];         /* unsettled: the set before, or empty; who does it */
  char take[TAKE_MAX], kept[TAKE_MAX + 32];     /* a file of others that goes; how it is kept, see vhost_take.c */
};
bool vhost_note_read(const char *name, struct vhost_note *note);   /* "staged" or "unsettled"; false: there is none */
bool vhost_note_write(const char *name, const struct vhost_note *note);
bool vhost_note_drop(const char *name);

/* A set that was asked for, and what becomes of it. */
struct vhost_want { bool put; char name[SITE_MAX_LEN + 16]; uint8_t sha256[32]; const char *text; size_t n, site; };
enum vhost_how { VHOST_WANTED, VHOST_BEFORE, VHOST_OUT };          /* a site has the files that are wanted, those of the set in place, none */
struct vhost_site {
  char name[SITE_MAX_LEN + 1];                  /* as files have it */
  bool changed, before;                         /* not as it is in place; there is something of it in place, which can be used */
  enum vhost_how how;
  char *problem;                                /* why it is not as wanted */
};
struct vhost_work {
  const char *take;                             /* a file of others that goes, or NULL */
  int dir, old;                                 /* folders of the set that is laid out and of the one in place, or -1 */
  gid_t workers;                                /* the group of nginx's workers */
  struct vhost_list had;                        /* what is in place */
  struct vhost_want *wants; size_t nwants;      /* sorted by name */
  struct vhost_site *sites; size_t nsites;      /* sorted by name */
};
#define AUTO_WORK __attribute__((cleanup(vhost_work_end))) struct vhost_work
uint16_t vhost_work_begin(struct call *c, struct vhost_work *w, const struct value *blob);
void vhost_work_end(struct vhost_work *w);
bool vhost_want_next(const char *blob, size_t n, size_t *at, struct vhost_want *want);  /* false: no more, or *at is not n */
struct vhost_site *vhost_site_find(const struct vhost_work *w, const char *name);

uint16_t vhost_lay_out(struct call *c, struct vhost_work *w);      /* the folder, with what no site has */
bool vhost_site_set(struct vhost_work *w, struct vhost_site *s, enum vhost_how how);
bool vhost_park(struct vhost_work *w, struct vhost_site *s, const char *problem);
bool vhost_lay_end(const struct vhost_work *w, struct vhost_list *list);               /* on the disk; what is laid out */
uint16_t vhost_test(struct call *c, struct vhost_work *w, char sandbox[320]);
uint16_t vhost_test_now(struct call *c);        /* what is in place: OK, or VHOST_RELOAD */
char *vhost_read(int dir, const char *name, size_t *n);

/* nginx as it runs. */
#define NGINX_PID "/run/nginx.pid"
bool nginx_version(char out[32]);               /* "1.22.1"; false: there is no program */
pid_t nginx_master(void);                       /* 0: it does not run */
/* TAKEN: new workers run. REFUSED: it goes on with what it had. LATE: it may still come to it. */
enum nginx_end { NGINX_TAKEN, NGINX_REFUSED, NGINX_LATE };
enum nginx_end nginx_reload(char why[200]);
struct nginx_ports;                             /* who listens on which TCP port */
struct nginx_ports *nginx_listens(void);        /* NULL: out of memory */
void nginx_ports_free(struct nginx_ports *ports);
bool nginx_can_listen(const struct nginx_ports *ports, const char *where, uint16_t port, char why[200]);
uint16_t vhost_engine(struct call *c, bool running);  /* VHOST_ENGINE with what to do, where it cannot be used */

/* A file of others that goes out of the configuration. */
uint16_t vhost_can_take(struct call *c, const char *path);
uint16_t vhost_take_plan(struct call *c, struct vhost_note *note);
bool vhost_take(const struct vhost_note *note);       /* repeatable, as is the next */
bool vhost_untake(const struct vhost_note *note);

uint16_t vhost_settle(struct call *c, bool keep);
uint16_t vhost_go_back(struct call *c, const struct vhost_note *note, bool tell);
bool outside_ask(const char *folder, const char *mode, const char *lines, char **answer, char why[300]);
#endif
