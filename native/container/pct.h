/* What pct(1) prints, read. */
#ifndef REEVE_CONTAINER_PCT_H
#define REEVE_CONTAINER_PCT_H
#include "container.h"

/* `pct config`: one line of key: value each. The value of a key, or NULL; in a text that was cut up by pct_cut(). */
struct pct_config { char *text; size_t n; };
void pct_cut(struct buf *b, struct pct_config *c);
const char *pct_value(const struct pct_config *c, const char *key);
/* A property of a value as name=eth0,bridge=vmbr0; false: it has none, or it does not fit. */
bool pct_property(const char *value, const char *name, char *out, size_t room);
/* `pct list`: the number of a name, 0: there is none; the name of a number. */
uint32_t pct_number(const char *list, const char *name);
bool pct_name(const char *list, uint32_t id, char name[64]);
/* `pct status`: "running", "stopped"; empty: something else. */
void pct_status(const char *text, char out[24]);
/* A line of `pct listsnapshot`: false, it is none, or the state of now. */
bool pct_snapshot_line(const char *line, char name[48], int64_t *created_ms);
#endif
