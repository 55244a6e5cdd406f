/* backup.inspect: could these folders be backed up, keep snapshots, or be restored to? Changes nothing. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_INSPECT_##field])

uint16_t check_backup_inspect(struct call *c) {
  uint16_t status = backup_check_list(c, "folders", F(c, FOLDERS), backup_folder, 32);
  return status ? status : backup_check_id(c, "job", F(c, JOB));
}

uint16_t op_backup_inspect(struct call *c) {
  struct ticket t;
  bool many = !strcmp(F(c, ROLE)->text, "send");
  ticket_begin(&t, c, "inspect");
  ticket_text(&t, "role", F(c, ROLE));
  if (many) ticket_lines(&t, "folder", F(c, FOLDERS));
  else ticket_text(&t, "folder", F(c, FOLDERS));
  ticket_text(&t, "job", F(c, JOB));
  return ticket_end(&t, c);
}
