/* Words of noun unit: names of units of systemd, and what no policy can have restarted. Shared with native/unit. */
#ifndef REEVE_UNIT_WORD_H
#define REEVE_UNIT_WORD_H
#include <stdbool.h>
#include <stddef.h>

#define UNIT_NAME_MAX 255u                       /* UNIT_NAME_MAX of systemd, without its NUL */
#define UNITS_MOST 8u                            /* in one request */

/* [A-Za-z0-9:_.@-]+ that ends in .service, .timer or .socket; no option, no path, no pattern, no template without its instance. */
bool unit_name(const char *s);
/* Why it is never restarted, whatever a policy says; NULL: it may be. */
const char *unit_floor(const char *s);
/* The next of a list with commas between; false: there is none, or it is too long for a name. */
bool unit_next(const char **at, char unit[UNIT_NAME_MAX + 1]);
#endif
