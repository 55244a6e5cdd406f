/* backup.adopt: snapshots of rsnapshot become those of a job. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_ADOPT_##field])

uint16_t check_backup_adopt(struct call *c) {
  uint16_t status = backup_check_target(c, F(c, FOLDER));
  if (!status) status = backup_check_id(c, "job", F(c, JOB));
  if (!status) status = backup_check_id(c, "fleet", F(c, FLEET));
  if (!status) status = backup_check_folder(c, "from", F(c, FROM));
  if (status) return status;
  bool part = *F(c, POINT)->text && !strchr(F(c, POINT)->text, '/') && F(c, POINT)->text[0] != '.' && strlen(F(c, POINT)->text) <= 255;
  return part ? REEVE_OK : fail(c, REEVE_E_FIELD_INVALID, "field", "point", "value", F(c, POINT)->text, "rule", "the name of one folder is wanted", NULL);
}

uint16_t op_backup_adopt(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "adopt");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "fleet", F(c, FLEET));
  ticket_text(&t, "from", F(c, FROM));
  ticket_text(&t, "point", F(c, POINT));
  ticket_flag(&t, "plan", F(c, PLAN)->number);
  return ticket_put(&t, c, BACKUP_TICKETS);
}
