/* backup.fetch: the sending side of a restore. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_FETCH_##field])

uint16_t check_backup_fetch(struct call *c) {
  uint16_t status = backup_check_folder(c, "folder", F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  if (!status) status = backup_check_snapshot(c, F(c, SNAPSHOT));
  return status ? status : backup_check_path(c, F(c, PATH));
}

uint16_t op_backup_fetch(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "restore-send");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "snapshot", F(c, SNAPSHOT));
  ticket_text(&t, "path", F(c, PATH));
  ticket_text(&t, "bandwidth", F(c, BANDWIDTH));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
