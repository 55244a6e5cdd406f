/* backup.dump: a database is dumped below /var/lib/reeve-backup/dump. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_DUMP_##field])

uint16_t check_backup_dump(struct call *c) {
  uint16_t status = backup_check_id(c, "job", F(c, JOB));
  return status ? status : backup_check_database(c, F(c, DATABASE));
}

uint16_t op_backup_dump(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "dump");
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "engine", F(c, ENGINE));
  ticket_text(&t, "database", F(c, DATABASE));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
