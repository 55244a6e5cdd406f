/* backup.load: a dump of a snapshot is loaded into a server of its own. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_LOAD_##field])

uint16_t check_backup_load(struct call *c) {
  uint16_t status = backup_check_folder(c, "folder", F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  if (!status) status = backup_check_snapshot(c, F(c, SNAPSHOT));
  return status ? status : backup_check_database(c, F(c, DATABASE));
}

uint16_t op_backup_load(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "load");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "snapshot", F(c, SNAPSHOT));
  ticket_text(&t, "engine", F(c, ENGINE));
  ticket_text(&t, "database", F(c, DATABASE));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
