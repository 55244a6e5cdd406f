/* A ticket: fields, then the file. */
#ifndef REEVE_TICKET_H
#define REEVE_TICKET_H
#include "reeve.h"

struct ticket { struct buf text; };
void ticket_begin(struct ticket *t, const struct call *c, const char *work);
void ticket_word(struct ticket *t, const char *key, const char *word);
void ticket_text(struct ticket *t, const char *key, const struct value *v);
void ticket_lines(struct ticket *t, const char *key, const struct value *v);
void ticket_flag(struct ticket *t, const char *key, bool v);
/* Written into a folder of the state folder, and answered. */
uint16_t ticket_put(struct ticket *t, struct call *c, const char *folder);
#endif
