/* backup.receive: the receiving side of a backup. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_RECEIVE_##field])

uint16_t check_backup_receive(struct call *c) {
  uint16_t status = backup_check_target(c, F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  if (!status) status = backup_check_id(c, "fleet", F(c, FLEET));
  if (!status) status = backup_check_snapshot(c, F(c, SNAPSHOT));
  return status ? status : backup_check_list(c, "basis", F(c, BASIS), backup_snapshot, 20);
}

uint16_t op_backup_receive(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "receive");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "fleet", F(c, FLEET));
  ticket_text(&t, "snapshot", F(c, SNAPSHOT));
  ticket_lines(&t, "basis", F(c, BASIS));
  ticket_text(&t, "seconds", F(c, SECONDS));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
