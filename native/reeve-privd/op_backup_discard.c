/* backup.discard: what a restore has made only to be proved goes again. Policy operation backup.restore. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_DISCARD_##field])

uint16_t check_backup_discard(struct call *c) {
  uint16_t status = backup_check_target(c, F(c, FOLDER));
  return status ? status : backup_check_id(c, "run", F(c, RUN));
}

uint16_t op_backup_discard(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "discard");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "run", F(c, RUN));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
