/* What container_spec.c asks of the parts of a spec; container_rule.c. */
#ifndef REEVE_CONTAINER_RULE_H
#define REEVE_CONTAINER_RULE_H
#include "container_spec.h"

bool spec_bad(struct spec_problem *why, const char *field, const char *value, const char *rule);
bool spec_missing(struct spec_problem *why, const char *field, const char *rule);

bool rule_template(const char *s);
bool rule_storage(const char *s);
bool rule_address(const char *s);
bool rule_cidr(const char *s);
bool rule_device(const char *s);
bool rule_target(const char *s);
bool rule_url_path(const char *s);
bool rule_key(const char *type, const char *blob);
/* Is the last one where it belongs? */
bool rule_port_order(const struct spec *s);
bool rule_volume_order(const struct spec *s);
/* Keys that belong together, for an engine and for each other. */
bool rule_whole(const struct spec *s, struct spec_problem *why);
#endif
