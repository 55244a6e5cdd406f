/* backup.prune: snapshots of a job are removed. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_PRUNE_##field])

uint16_t check_backup_prune(struct call *c) {
  uint16_t status = backup_check_folder(c, "folder", F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  return status ? status : backup_check_list(c, "snapshots", F(c, SNAPSHOTS), backup_snapshot, 1000);
}

uint16_t op_backup_prune(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "prune");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_lines(&t, "name", F(c, SNAPSHOTS));
  ticket_text(&t, "keep", F(c, MIN_KEEP));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
