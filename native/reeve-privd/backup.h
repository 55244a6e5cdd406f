/* Noun backup: tickets for reeve-job (native/job), which does the work outside of this sandbox. */
#ifndef REEVE_BACKUP_H
#define REEVE_BACKUP_H
#include "reeve.h"
#include "backup_word.h"
#include "ticket.h"

/* The grammar of fields, again in C: an absolute folder; a pattern that is left out. */
bool backup_folder(const char *s);
bool backup_exclude(const char *s);

/* Checks of whole fields, with the error that names field, value and rule. Lists have a value a line. */
uint16_t backup_check_folder(struct call *c, const char *field, const struct value *v);
uint16_t backup_check_list(struct call *c, const char *field, const struct value *v, bool (*fits)(const char *), size_t most);
uint16_t backup_check_id(struct call *c, const char *field, const struct value *v);
uint16_t backup_check_snapshot(struct call *c, const struct value *v);
uint16_t backup_check_path(struct call *c, const struct value *v);
uint16_t backup_check_database(struct call *c, const struct value *v);
/* Where nothing may be written whatever the policy says: Reeve's own folders and the kernel's. */
uint16_t backup_check_target(struct call *c, const struct value *v);
/* Policy operation backup.send for each folder of a list. */
uint16_t backup_allow_send(struct call *c, const struct value *folders);

#define BACKUP_TICKETS "job"  /* folder of tickets for reeve-job */

verb_fn check_backup_inspect, op_backup_inspect, allow_backup_inspect;
verb_fn check_backup_send, op_backup_send, allow_backup_send;
verb_fn check_backup_receive, op_backup_receive;
verb_fn check_backup_fetch, op_backup_fetch;
verb_fn check_backup_restore, op_backup_restore;
verb_fn check_backup_discard, op_backup_discard;
verb_fn check_backup_dump, op_backup_dump;
verb_fn check_backup_load, op_backup_load;
verb_fn check_backup_look, op_backup_look;
verb_fn check_backup_hash, op_backup_hash, allow_backup_hash;
verb_fn check_backup_prune, op_backup_prune;
verb_fn check_backup_adopt, op_backup_adopt;
#endif
