/* What a SITE.conf may say: vhost_conf.c reads it, vhost_directive.c has the list. */
#ifndef REEVE_VHOST_CONF_H
#define REEVE_VHOST_CONF_H
#include "vhost.h"

/* Where a directive stands. NESTED: in the location of scripts, which is in another one. */
enum vhost_place { VHOST_TOP = 1, VHOST_SERVER = 2, VHOST_LOCATION = 4, VHOST_NESTED = 8, VHOST_IF = 16, VHOST_TYPES = 32 };
/* What a location is for: everything, one path, what is below a path, or only others lead there. */
enum vhost_location { VHOST_ALL, VHOST_EXACT, VHOST_BELOW, VHOST_APART };

struct vhost_conf {
  const char *site;
  struct vhost_facts *facts;
  enum vhost_place in;
  char why[160];                           /* what is wrong with a directive; empty: its arguments */
  unsigned listens, names, catches;        /* of the server: directives of that kind, and locations for everything */
  enum vhost_location location;
  bool answers, scripts;                   /* of the location, and of the nested one: what it does with a request is said */
  bool raw;                                /* of the location: $reeve_rest is cut out of what the client sent, not of what nginx made of that */
  uint64_t code;                           /* that the condition around leads to */
};
/* The place inside of its block, 0 for none; -1: it may not be there, or not so, and `why` says so. */
int vhost_directive(struct vhost_conf *c, const char *const *words, size_t n, bool opens);
#endif
