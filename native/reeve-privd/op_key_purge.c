#include "reeve.h"
uint16_t check_key_purge(struct call *c) { (void)c; return REEVE_OK; }
uint16_t op_key_purge(struct call *c) { return fail(c, REEVE_E_VERB_UNKNOWN, "value", c->verb->name, NULL); }
