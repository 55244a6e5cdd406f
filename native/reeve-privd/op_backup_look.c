/* backup.look: rows of snapshots. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_LOOK_##field])

uint16_t check_backup_look(struct call *c) {
  uint16_t status = backup_check_folder(c, "folder", F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  if (!status) status = backup_check_snapshot(c, F(c, SNAPSHOT));
  return status ? status : backup_check_path(c, F(c, PATH));
}

uint16_t op_backup_look(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, F(c, WHAT)->text);
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "snapshot", F(c, SNAPSHOT));
  ticket_text(&t, "path", F(c, PATH));
  ticket_text(&t, "pattern", F(c, PATTERN));
  ticket_text(&t, "files", F(c, FILES));
  ticket_text(&t, "permille", F(c, PERMILLE));
  ticket_text(&t, "most", F(c, MOST));
  ticket_flag(&t, "all", F(c, ALL)->number);
  return ticket_put(&t, c, BACKUP_TICKETS);
}
