/* backup.hash: digests of files of a source. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_HASH_##field])

uint16_t check_backup_hash(struct call *c) {
  uint16_t status = backup_check_list(c, "folders", F(c, FOLDERS), backup_folder, 32);
  return status ? status : backup_check_id(c, "job", F(c, JOB));
}

uint16_t allow_backup_hash(struct call *c) { return backup_allow_send(c, F(c, FOLDERS)); }

uint16_t op_backup_hash(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "hash");
  ticket_lines(&t, "folder", F(c, FOLDERS));
  ticket_text(&t, "job", F(c, JOB));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
