/* Noun vhost: the configuration of nginx as words, what a site of ours may say, and its files. What has no struct call is shared with reeve-vhost-check. */
#ifndef REEVE_VHOST_H
#define REEVE_VHOST_H
#include "reeve.h"

#define NGINX "/usr/sbin/nginx"
#define NGINX_DIR "/etc/nginx"
#define NGINX_MAIN NGINX_DIR "/nginx.conf"
#define NGINX_INCLUDES NGINX_DIR "/conf.d"
#define VHOST_INCLUDE "reeve.conf"              /* in NGINX_INCLUDES: our one include line */
#define VHOST_DIR NGINX_DIR "/reeve"
#define VHOST_CURRENT VHOST_DIR "/current"      /* a link to the set in place, set-OPERATION */
#define VHOST_COMMON "00-reeve.conf"
#define SNIPPET_DIR "/etc/reeve/snippets"
#define SNIPPET_NAME 63                         /* characters of a snippet's name */
#define CERT_DIR "/etc/ssl/reeve"
#define VHOST_FILE_MAX (1u << 20)               /* bytes of one file */
#define VHOST_SET_MAX 8000u                     /* files of a set */
#define SITE_MAX_LEN 230u                       /* name of a site as a file has it: "*." becomes "_." */
#define NGINX_WORD_MAX 4096u                    /* NGX_CONF_BUFFER, with quotes */
#define NGINX_WORDS 1024u

/* One directive, or the end of a block, as ngx_conf_read_token() of nginx reads it: quotes and backslashes are resolved. What stands in a *_by_lua_block is passed over. */
enum nginx_kind { NGINX_END, NGINX_SIMPLE, NGINX_OPEN, NGINX_CLOSE, NGINX_BAD };
struct nginx_reader {
  const char *text; size_t n, at;
  unsigned line;                                /* of `at`, from 1 */
  char why[96];                                 /* of NGINX_BAD */
  unsigned from;                                /* line where the directive began */
  size_t nwords;
  const char *words[NGINX_WORDS];
  char room[16384];
};
void nginx_reader_init(struct nginx_reader *r, const char *text, size_t n);
enum nginx_kind nginx_next(struct nginx_reader *r);

/* All directives of the configuration, includes followed, as nginx would meet them. */
#define NGINX_DEPTH 16u
struct nginx_at {
  const char *file;                             /* absolute, as the include names it */
  unsigned line, depth;                         /* blocks around it */
  const char *blocks[NGINX_DEPTH];              /* their names, outermost first */
  enum nginx_kind kind;                         /* NGINX_SIMPLE, NGINX_OPEN or NGINX_CLOSE */
  size_t nwords;
  const char *const *words;
};
struct nginx_walk {
  const char *skip;                             /* a file that is taken as though it were not there; NULL: none */
  bool includes;                                /* each include is met, too, before what it leads to */
  bool others;                                  /* what is in VHOST_CURRENT is left out */
  void (*meet)(void *data, const struct nginx_at *at);
  void *data;
  bool cut;                                     /* something could not be read, or was too much */
  char file[512];                               /* where that was first */
  char why[96];
};
void nginx_walk(struct nginx_walk *w);
bool nginx_reads_includes(void);                /* whether VHOST_INCLUDE is, or would be, included at http level */

/* What a site asks for, found in its text. */
enum vhost_fact_kind { VHOST_NAME, VHOST_PORT, VHOST_FOLDER, VHOST_UPSTREAM, VHOST_SOCKET, VHOST_SNIPPET, VHOST_CERT, VHOST_SCRIPT };
struct vhost_fact { enum vhost_fact_kind kind; char *text; uint16_t port; };  /* text: name, folder, address, path, each once; port: VHOST_PORT and VHOST_UPSTREAM */
struct vhost_facts { struct vhost_fact *list; size_t n; };
void vhost_facts_free(struct vhost_facts *facts);
#define AUTO_FACTS __attribute__((cleanup(vhost_facts_free))) struct vhost_facts
struct vhost_wrong { unsigned line; char says[200]; };

/* A file of a set by its name: SITE.KIND. */
enum vhost_kind { VHOST_CONF, VHOST_AUTH, VHOST_CA, VHOST_CRL, VHOST_CRT, VHOST_KEY, VHOST_NONE };
enum vhost_kind vhost_kind(const char *file, char site[SITE_MAX_LEN + 1]);
/* Whether the text may be that of such a file; facts are added for a VHOST_CONF. */
bool vhost_content(enum vhost_kind kind, const char *site, const char *text, size_t n, struct vhost_facts *facts, struct vhost_wrong *wrong);
bool vhost_conf(const char *site, const char *text, size_t n, struct vhost_facts *facts, struct vhost_wrong *wrong);
int check_sites(const char *folder);             /* of each file there: "ok" or "problem", its name, then the line and what is wrong */
bool vhost_folder_closed(const char *path);     /* no policy lets it be served */
bool vhost_pem(const char *text, size_t n, const char *label, size_t most);
bool vhost_path(const char *path);              /* absolute, no empty, "." or ".." part, printable */
bool vhost_model(const char *text, size_t n, uint8_t out[32]);  /* the sha256 in the first line of a SITE.conf */

/* Of the helper alone. What the policy says of what a site asks for; false: `why` says what would have to be allowed, or that nothing can. */
#define VHOST_WHY 640
bool vhost_snippet(const char *name, uint8_t sha256[32], const char **why);  /* false: it cannot be used, whatever the policy says */
bool vhost_allowed(struct call *c, const struct vhost_facts *facts, char why[VHOST_WHY]);
uint16_t vhost_reload(struct call *c);

verb_fn check_observe_vhost, op_observe_vhost, check_vhost_check, op_vhost_check, check_vhost_apply, allow_vhost_apply, op_vhost_apply, op_vhost_settle, op_vhost_release, op_proxy_reload;
#endif
