/* Checks of single words of a SITE.conf; vhost_directive.c puts them together. shared/model has the same grammar for what comes from people. */
#ifndef REEVE_VHOST_WORD_H
#define REEVE_VHOST_WORD_H
#include "vhost.h"

bool word_number(const char *s, uint64_t min, uint64_t max, uint64_t *out);
bool word_seconds(const char *s);               /* 1s to 86400s */
bool word_plain(const char *s);                 /* printable, no "$" */
bool word_text(const char *s, const char *const *variables);  /* printable, and each "$" begins one of these variables, or $reeve_dollar */
bool word_header(const char *s);                /* the name of an HTTP header */
bool word_domain(const char *s);                /* a domain name in lower case, or "*." and one */
bool word_network(const char *s);               /* ADDRESS or ADDRESS/PREFIX */
bool word_route(const char *s, size_t n);       /* a path of a URL: parts after slashes, none of them at the end */
bool word_folder(const char *s, size_t most);   /* an absolute path in its only form */
bool word_name(const char *s, size_t n, const char *also);  /* [a-z0-9], then the same and those of `also`, at most 64 */
bool word_named(const char *s, const char *kind);  /* "@reeve_" and 502, 504, or r and a number; kind: which one, NULL: any */
bool word_listen(const char *s, uint16_t *port);  /* PORT, [::]:PORT, or the address of a machine and a port */
/* ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH at the beginning of `s`; where what comes behind begins, or NULL. */
const char *word_upstream(const char *s, bool http, char address[64], uint16_t *port, char path[256]);

/* The regular expressions that there are. */
bool word_rest(const char *s, bool query);      /* $reeve_rest is what is behind a path: empty, or from its "/" (query: or "?") on */
bool word_hidden(const char *s);                /* below a path, what begins with a dot */
bool word_denied(const char *s);                /* a path, and what is below it */
#endif
