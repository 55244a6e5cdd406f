/* Reads a SITE.conf: only what vhost_directive.c lists may be in it, and each block has to say what it is for, so that nothing of nginx's own or of others is served instead. */
#include "vhost_conf.h"
#include "vhost_word.h"

#define DEEP 5

static bool wrong(struct vhost_wrong *w, unsigned line, const char *says) {
  w->line = line;
  snprintf(w->says, sizeof w->says, "%s", says);
  for (char *at = w->says; *at; at++) if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
  return false;
}

static void enter(struct vhost_conf *c, enum vhost_place place) {
  if (place == VHOST_SERVER) c->listens = c->names = c->catches = 0;
  if (place == VHOST_LOCATION) c->answers = c->raw = false;
  if (place == VHOST_NESTED) c->scripts = false;
  c->in = place;
}

/* Whether a block that ends here is whole. */
static const char *leave(const struct vhost_conf *c) {
  if (c->in == VHOST_SERVER && (c->listens == 0 || c->names != 1)) return "a server without \"listen\" or with more or less than one \"server_name\"";
  if (c->in == VHOST_SERVER && c->catches != 1) return "a server without a location for everything, or with two";
  if ((c->in == VHOST_LOCATION && !c->answers) || (c->in == VHOST_NESTED && !c->scripts)) return "a location that does not say what it answers";
  return NULL;
}

/* PHP runs only what is below a folder that the policy is asked about. */
static bool scripts_placed(const struct vhost_facts *facts) {
  for (size_t i = 0; i < facts->n; i++) {
    bool placed = facts->list[i].kind != VHOST_SCRIPT;
    for (size_t k = 0; k < facts->n && !placed; k++) {
      size_t n = facts->list[k].kind == VHOST_FOLDER ? strlen(facts->list[k].text) : 0;
      placed = n > 0 && !strncmp(facts->list[i].text, facts->list[k].text, n) && facts->list[i].text[n] == '/';
    }
    if (!placed) return false;
  }
  return true;
}

struct reading { struct vhost_conf c; enum vhost_place places[DEEP]; unsigned deep, servers; };

static bool close_block(struct reading *at, unsigned line, struct vhost_wrong *w) {
  if (at->deep == 0) return wrong(w, line, "unexpected \"}\"");
  const char *problem = leave(&at->c);
  at->c.in = at->places[--at->deep];
  return !problem || wrong(w, line, problem);
}

/* One directive, or the end of a block. */
static bool take(struct reading *at, const struct nginx_reader *r, enum nginx_kind kind, struct vhost_wrong *w) {
  if (kind == NGINX_BAD) return wrong(w, r->line, r->why);
  if (kind == NGINX_CLOSE) return close_block(at, r->from, w);
  int inside = vhost_directive(&at->c, r->words, r->nwords, kind == NGINX_OPEN);
  if (inside < 0) return wrong(w, r->from, at->c.why);
  if (inside == 0) return true;
  if (at->deep == DEEP) return wrong(w, r->from, "blocks are too deep");
  at->places[at->deep++] = at->c.in;
  at->servers += inside == VHOST_SERVER;
  enter(&at->c, (enum vhost_place)inside);
  return true;
}

bool vhost_conf(const char *site, const char *text, size_t n, struct vhost_facts *facts, struct vhost_wrong *w) {
  struct reading at = {.c = {.site = site, .facts = facts, .in = VHOST_TOP}};
  struct nginx_reader *r = malloc(sizeof *r);
  if (!r) return wrong(w, 0, "out of memory");
  bool ok = !memchr(text, 0, n) || wrong(w, 0, "it has a zero byte");
  nginx_reader_init(r, text, n);
  for (enum nginx_kind kind; ok && (kind = nginx_next(r)) != NGINX_END;) ok = take(&at, r, kind, w);
  if (ok && at.deep > 0) ok = wrong(w, r->line, "a block does not end");
  if (ok && (at.servers < 1 || at.servers > 2)) ok = wrong(w, 1, "it has no server block, or more than two");
  if (ok && !scripts_placed(facts)) ok = wrong(w, 1, "it runs a script that is in none of its folders");
  free(r);
  return ok;
}
