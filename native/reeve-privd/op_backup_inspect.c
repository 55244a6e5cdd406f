/* backup.inspect: could these folders be backed up, keep snapshots, or be restored to? Changes nothing. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_INSPECT_##field])

uint16_t check_backup_inspect(struct call *c) {
  uint16_t status = backup_check_list(c, "folders", F(c, FOLDERS), backup_folder, 32);
  return status ? status : backup_check_id(c, "job", F(c, JOB));
}

/* What the work itself would need: who asks is to know now. */
uint16_t allow_backup_inspect(struct call *c) {
  const char *args[REEVE_MAX_KEYS] = {0}, *role = F(c, ROLE)->text;
  if (!strcmp(role, "send")) return backup_allow_send(c, F(c, FOLDERS));
  bool receive = !strcmp(role, "receive");
  int op = receive ? REEVE_P_BACKUP_RECEIVE : REEVE_P_BACKUP_RESTORE;
  args[receive ? REEVE_K_BACKUP_RECEIVE_FOLDER : REEVE_K_BACKUP_RESTORE_FOLDER] = F(c, FOLDERS)->text;
  struct verdict v = policy_evaluate(&c->policy, op, args);
  return v.allowed ? REEVE_OK : policy_refused(c, op, args, v);
}

uint16_t op_backup_inspect(struct call *c) {
  struct ticket t;
  bool many = !strcmp(F(c, ROLE)->text, "send");
  ticket_begin(&t, c, "inspect");
  ticket_text(&t, "role", F(c, ROLE));
  if (many) ticket_lines(&t, "folder", F(c, FOLDERS));
  else ticket_text(&t, "folder", F(c, FOLDERS));
  ticket_text(&t, "job", F(c, JOB));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
