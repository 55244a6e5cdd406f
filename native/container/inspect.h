/* inspect: a container of somebody else as lines of a spec, and what of it has no place there. */
#ifndef REEVE_CONTAINER_INSPECT_H
#define REEVE_CONTAINER_INSPECT_H
#include "container.h"

enum line_of { AT_ENGINE, AT_ID, AT_STATE, AT_BOOT, AT_ADOPTED, AT_IMAGE, AT_WORDS, AT_ENV, AT_PORT, AT_VOLUME, AT_DEVICE, AT_NET, AT_LIMIT, AT_END };
/* Lines by the place of their key in the spec; problems as they come. */
struct found { struct buf lines[AT_END], problems; };
void found_begin(struct found *f);
void found_line(struct found *f, enum line_of at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void found_problem(struct found *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sorts what has an order by bytes, tells all as the result, and ends it. */
int found_tell(struct found *f);
void found_end(struct found *f);

int inspect_podman(const char *name);
int inspect_lxc(const char *name);
int inspect_pct(const char *name);
#endif
