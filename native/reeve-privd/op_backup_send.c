/* backup.send: the sending side of a backup. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_SEND_##field])

uint16_t check_backup_send(struct call *c) {
  uint16_t status = backup_check_list(c, "folders", F(c, FOLDERS), backup_folder, 32);
  if (!status) status = backup_check_list(c, "excludes", F(c, EXCLUDES), backup_exclude, 200);
  return status ? status : backup_check_id(c, "job", F(c, JOB));
}

uint16_t allow_backup_send(struct call *c) { return backup_allow_send(c, F(c, FOLDERS)); }

uint16_t op_backup_send(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "send");
  ticket_lines(&t, "folder", F(c, FOLDERS));
  ticket_lines(&t, "exclude", F(c, EXCLUDES));
  ticket_flag(&t, "system", F(c, SYSTEM)->number);
  ticket_text(&t, "job", F(c, JOB));
  ticket_text(&t, "bandwidth", F(c, BANDWIDTH));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
