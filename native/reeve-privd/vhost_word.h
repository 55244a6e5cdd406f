/* Checks of single words of a SITE.conf; vhost_conf.c puts them together. */
#ifndef REEVE_VHOST_WORD_H
#define REEVE_VHOST_WORD_H
#include "vhost.h"

bool word_number(const char *s, uint64_t min, uint64_t max, uint64_t *out);
bool word_seconds(const char *s);               /* 1s to 86400s */
bool word_code(const char *s);                  /* 200 to 599 */
bool word_text(const char *s);                  /* printable, every "$" a variable that a site may use */
bool word_plain(const char *s);                 /* printable, no "$" */
bool word_header(const char *s);                /* the name of an HTTP header */
bool word_param(const char *s);                 /* the name of a parameter of a request */
bool word_domain(const char *s);                /* a domain name in lower case, or "*." and one */
bool word_network(const char *s);               /* ADDRESS or ADDRESS/PREFIX */
bool word_place(const char *s);                 /* a path of a URL as a location has it */
bool word_cert_name(const char *s, size_t n);
bool word_is(const char *s, const char *const *list);
bool word_named(const char *s);                 /* "@reeve_" and letters, digits */
bool word_listen(const char *s, uint16_t *port);
/* ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH at the beginning of `s`; where what comes behind begins, or NULL. */
const char *word_upstream(const char *s, bool http, char address[64], uint16_t *port, char path[256]);
#endif
