/* backup.restore: the receiving side of a restore. Set-id bits and devices only where the policy says so. */
#include "backup.h"

#define F(c, field) (&(c)->f[REEVE_F_BACKUP_RESTORE_##field])

uint16_t check_backup_restore(struct call *c) {
  return backup_check_target(c, F(c, FOLDER));
}

/* Whether the policy allows it with this as well. */
static bool also(const struct call *c, size_t key) {
  const char *args[REEVE_MAX_KEYS];
  memcpy(args, c->args, sizeof args);
  args[REEVE_K_BACKUP_RESTORE_SETUID] = args[REEVE_K_BACKUP_RESTORE_DEVICE] = NULL;
  args[key] = "yes";
  return policy_evaluate(&c->policy, REEVE_P_BACKUP_RESTORE, args).allowed;
}

uint16_t op_backup_restore(struct call *c) {
  struct ticket t;
  ticket_begin(&t, c, "restore-receive");
  ticket_text(&t, "folder", F(c, FOLDER));
  ticket_flag(&t, "beside", F(c, KEEP_OLD)->number);
  ticket_flag(&t, "setuid", also(c, REEVE_K_BACKUP_RESTORE_SETUID));
  ticket_flag(&t, "device", also(c, REEVE_K_BACKUP_RESTORE_DEVICE));
  ticket_flag(&t, "proof", F(c, PROOF)->number);
  ticket_text(&t, "seconds", F(c, SECONDS));
  return ticket_put(&t, c, BACKUP_TICKETS);
}
