/* status.get: works without any policy, so that a broken one can be seen from afar. */
#include "reeve.h"
#include <sys/utsname.h>

uint16_t op_status_get(struct call *c) {
  struct buf *b = &c->reply;
  struct utsname kernel = {0};
  char boot[37];
  uint64_t seq;
  uint8_t head[32];
  const struct policy *p = &c->policy;
  (void)uname(&kernel);
  boot_id(boot);
  audit_head(&seq, head);
  AUTO_FD beneath = open_under("/", "etc", O_PATH | O_DIRECTORY);
  reply_string(b, REEVE_R_STATUS_GET_VERSION, REEVE_VERSION);
  reply_string(b, REEVE_R_STATUS_GET_POLICY_STATE, policy_state_name(p->state));
  reply_string(b, REEVE_R_STATUS_GET_POLICY_REASON, p->reason);
  reply_bytes(b, REEVE_R_STATUS_GET_POLICY_DIGEST, p->digest, p->digested ? sizeof p->digest : 0);
  reply_u64(b, REEVE_R_STATUS_GET_AUDIT_SEQ, seq);
  reply_bytes(b, REEVE_R_STATUS_GET_AUDIT_HEAD, head, sizeof head);
  reply_string(b, REEVE_R_STATUS_GET_KERNEL, kernel.release);
  reply_u32(b, REEVE_R_STATUS_GET_LANDLOCK_ABI, (uint32_t)config.landlock);
  reply_string(b, REEVE_R_STATUS_GET_PEER_CHECK, config.pidfd ? "pidfd" : "cred");
  reply_bool(b, REEVE_R_STATUS_GET_OPENAT2, beneath >= 0);
  reply_bool(b, REEVE_R_STATUS_GET_SECCOMP, config.seccomp);
  reply_string(b, REEVE_R_STATUS_GET_BOOT_ID, boot);
  reply_string(b, REEVE_R_STATUS_GET_AUDIT_STATE, audit_trouble());
  return REEVE_OK;
}
