/* One request: read whole within a deadline, parse, check, ask the policy, write the intent, do, write the result, answer. */
#include "reeve.h"
#include "vhost.h"
#include "cert.h"
#include "backup.h"
#include "container.h"
#include "unit.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

/* allow: what the policy says of more than the verb itself. */
struct row { uint16_t verb; verb_fn *check, *work, *allow; };
static const struct row verbs[] = {
  {REEVE_VERB_STATUS_GET, NULL, op_status_get, NULL},
  {REEVE_VERB_OBSERVE_USER, NULL, op_observe_user, NULL},
  {REEVE_VERB_USER_ADD, check_user_add, op_user_add, NULL},
  {REEVE_VERB_USER_SET, NULL, op_user_set, NULL},
  {REEVE_VERB_USER_LOCK, NULL, op_user_lock, NULL},
  {REEVE_VERB_USER_UNLOCK, NULL, op_user_unlock, NULL},
  {REEVE_VERB_USER_REMOVE, NULL, op_user_remove, NULL},
  {REEVE_VERB_USER_ADOPT, check_user_adopt, op_user_adopt, NULL},
  {REEVE_VERB_USER_RELEASE, NULL, op_user_release, NULL},
  {REEVE_VERB_GROUP_MEMBER, NULL, op_group_member, NULL},

  {REEVE_VERB_OBSERVE_KEY, check_observe_key, op_observe_key, NULL},
  {REEVE_VERB_KEY_PUT, check_key_put, op_key_put, NULL},
  {REEVE_VERB_KEY_REMOVE, check_key_remove, op_key_remove, NULL},
  {REEVE_VERB_KEY_PURGE, check_key_purge, op_key_purge, NULL},
  {REEVE_VERB_KEY_RELEASE, check_key_release, op_key_release, NULL},
  {REEVE_VERB_OBSERVE_SSHD, NULL, op_observe_sshd, NULL},
  {REEVE_VERB_KEY_SSHD, check_key_sshd, op_key_sshd, NULL},
  {REEVE_VERB_PENDING_GET, NULL, op_pending_get, NULL},
  {REEVE_VERB_PENDING_CONFIRM, check_pending_confirm, op_pending_confirm, NULL},
  {REEVE_VERB_OBSERVE_SESSION, NULL, op_observe_session, NULL},
  {REEVE_VERB_SESSION_END, NULL, op_session_end, NULL},

  {REEVE_VERB_OBSERVE_NAT, NULL, op_observe_nat, NULL},
  {REEVE_VERB_NAT_APPLY, check_nat_apply, op_nat_apply, allow_nat_apply},
  {REEVE_VERB_NAT_RELEASE, NULL, op_nat_release, NULL},

  {REEVE_VERB_OBSERVE_VHOST, check_observe_vhost, op_observe_vhost, NULL},
  {REEVE_VERB_VHOST_CHECK, check_vhost_check, op_vhost_check, NULL},
  {REEVE_VERB_VHOST_APPLY, check_vhost_apply, op_vhost_apply, allow_vhost_apply},
  {REEVE_VERB_VHOST_SETTLE, NULL, op_vhost_settle, NULL},
  {REEVE_VERB_VHOST_RELEASE, NULL, op_vhost_release, NULL},
  {REEVE_VERB_PROXY_RELOAD, NULL, op_proxy_reload, NULL},

  {REEVE_VERB_OBSERVE_CERT, NULL, op_observe_cert, NULL},
  {REEVE_VERB_CERT_KEY, check_cert_key, op_cert_key, NULL},
  {REEVE_VERB_CERT_PUT, check_cert_put, op_cert_put, allow_cert_put},
  {REEVE_VERB_CERT_REMOVE, check_cert_remove, op_cert_remove, NULL},
  {REEVE_VERB_CERT_RELEASE, NULL, op_cert_release, NULL},

  {REEVE_VERB_BACKUP_INSPECT, check_backup_inspect, op_backup_inspect, allow_backup_inspect},
  {REEVE_VERB_BACKUP_SEND, check_backup_send, op_backup_send, allow_backup_send},
  {REEVE_VERB_BACKUP_RECEIVE, check_backup_receive, op_backup_receive, NULL},
  {REEVE_VERB_BACKUP_FETCH, check_backup_fetch, op_backup_fetch, NULL},
  {REEVE_VERB_BACKUP_RESTORE, check_backup_restore, op_backup_restore, NULL},
  {REEVE_VERB_BACKUP_DISCARD, check_backup_discard, op_backup_discard, NULL},
  {REEVE_VERB_BACKUP_DUMP, check_backup_dump, op_backup_dump, NULL},
  {REEVE_VERB_BACKUP_LOAD, check_backup_load, op_backup_load, NULL},
  {REEVE_VERB_BACKUP_LOOK, check_backup_look, op_backup_look, NULL},
  {REEVE_VERB_BACKUP_HASH, check_backup_hash, op_backup_hash, allow_backup_hash},
  {REEVE_VERB_BACKUP_PRUNE, check_backup_prune, op_backup_prune, NULL},
  {REEVE_VERB_BACKUP_ADOPT, check_backup_adopt, op_backup_adopt, NULL},

  {REEVE_VERB_OBSERVE_CONTAINER, NULL, op_observe_container, NULL},
  {REEVE_VERB_CONTAINER_PUT, check_container_put, op_container_put, allow_container_put},
  {REEVE_VERB_CONTAINER_SETTLE, NULL, op_container_settle, NULL},
  {REEVE_VERB_CONTAINER_SECRET, check_container_secret, op_container_secret, NULL},
  {REEVE_VERB_CONTAINER_BUILD, NULL, op_container_build, NULL},
  {REEVE_VERB_CONTAINER_CONTROL, NULL, op_container_control, NULL},
  {REEVE_VERB_CONTAINER_REMOVE, check_container_remove, op_container_remove, allow_container_remove},
  {REEVE_VERB_CONTAINER_SNAPSHOT, check_container_snapshot, op_container_snapshot, NULL},
  {REEVE_VERB_CONTAINER_LOOK, check_container_look, op_container_look, NULL},
  {REEVE_VERB_CONTAINER_PULL, check_container_pull, op_container_pull, allow_container_pull},
  {REEVE_VERB_CONTAINER_IMPORT, check_container_import, op_container_import, NULL},
  {REEVE_VERB_CONTAINER_PRUNE, NULL, op_container_prune, NULL},
  {REEVE_VERB_CONTAINER_LOG, check_container_log, op_container_log, NULL},
  {REEVE_VERB_CONTAINER_ADOPT, check_container_adopt, op_container_adopt, allow_container_adopt},
  {REEVE_VERB_CONTAINER_RELEASE, NULL, op_container_release, NULL},

  {REEVE_VERB_UNIT_STATUS, check_unit_status, op_unit_status, NULL},
  {REEVE_VERB_UNIT_RESTART, check_unit_restart, op_unit_restart, NULL},
  {REEVE_VERB_UNIT_LOG, check_unit_log, op_unit_log, allow_unit_log},
};

static const struct row *row_of(const struct call *c) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) if (verbs[i].verb == c->verb->number) return &verbs[i];
  return NULL;
}

/* The values of the fields, and what the verb itself says about them; no effect. */
uint16_t check_call(struct call *c) {
  const struct row *row = row_of(c);
  if (!row) return fail(c, REEVE_E_VERB_UNKNOWN, "value", c->verb->name, NULL);
  uint16_t status = check_fields(c);
  return status || !row->check ? status : row->check(c);
}

/* Request fields as name=value, every byte but plain ones as %XX, so that a record holds no quote and no second meaning; bytes as LENGTH:SHA256. */
static void args_text(const struct call *c, char *out, size_t room) {
  size_t n = 0;
  out[0] = 0;
  for (size_t i = 0; i < c->verb->nfields && n + 64 < room; i++) {
    const char *s = c->f[i].text;
    if (!s) continue;
    n += (size_t)snprintf(out + n, room - n, "%s%s=", n ? " " : "", c->verb->fields[i].name);
    if (c->verb->fields[i].type == REEVE_T_BYTES) {
      uint8_t sum[32];
      char text[65];
      /* A password that somebody chose could be found by its digest. */
      if (c->verb->number == REEVE_VERB_CONTAINER_SECRET) {
        n += (size_t)snprintf(out + n, room - n, "%zu", c->f[i].n);
        continue;
      }
      sha256_of(c->f[i].text, c->f[i].n, sum);
      hex(text, sum, sizeof sum);
      if (room - n > 96) n += (size_t)snprintf(out + n, room - n, "%zu:%s", c->f[i].n, text);
      continue;
    }
    for (; *s && n + 8 < room; s++) {
      bool plain = *s > 0x20 && *s < 0x7f && !strchr("\"\\%=", *s);
      n += (size_t)snprintf(out + n, room - n, plain ? "%c" : "%%%02X", (unsigned char)*s);
    }
  }
}

/* Is a key.put refused for nothing but being about root? */
static bool keys_of_root(const struct call *c) {
  const char *args[REEVE_MAX_KEYS];
  memcpy(args, c->args, sizeof args);
  args[REEVE_K_KEY_PUT_ROOT_KEYS] = NULL;
  return policy_evaluate(&c->policy, c->verb->policy, args).allowed;
}

/* With the line that would allow it. */
uint16_t policy_refused(struct call *c, int op, const char *const *values, struct verdict v) {
  char line[1024], args[512] = "";
  policy_wanted_line(line, sizeof line, op, values, v);
  const char *from = strchr(strchr(line, ' ') + 1, ' ');
  if (from) snprintf(args, sizeof args, "%.*s", (int)strcspn(from + 1, "#"), from + 1);
  size_t n = strlen(args);
  if (n > 0 && args[n - 1] == ' ') args[n - 1] = 0;
  return fail(c, REEVE_E_POLICY_DENIED, "op", op == c->verb->policy ? c->verb->name : policy_operation_name(op), "args", args, "line", line, NULL);
}

/* Whether the host's policy lets this be done. */
uint16_t ask_policy(struct call *c) {
  policy_load(&c->policy, config.policy);
  if (c->verb->policy == REEVE_P_NONE) return REEVE_OK;
  if (c->policy.state != POLICY_OK) return fail(c, REEVE_E_POLICY_UNUSABLE, "reason", c->policy.reason, NULL);
  struct verdict v = policy_evaluate(&c->policy, c->verb->policy, c->args);
  const struct row *row = row_of(c);
  if (v.allowed) return row->allow ? row->allow(c) : REEVE_OK;
  bool joins = c->verb->number == REEVE_VERB_GROUP_MEMBER && !strcmp(c->f[REEVE_F_GROUP_MEMBER_ACTION].text, "add");
  if (joins && !v.denied && group_dangerous(c->f[REEVE_F_GROUP_MEMBER_GROUP].text))
    return fail(c, REEVE_E_GROUP_DANGEROUS, "value", c->f[REEVE_F_GROUP_MEMBER_GROUP].text, NULL);
  if (c->verb->number == REEVE_VERB_KEY_PUT && !v.denied && keys_of_root(c)) return fail(c, REEVE_E_KEY_ROOT, NULL);
  return policy_refused(c, c->verb->policy, c->args, v);
}

/* Writing verbs of all children take turns: lock order of the house is users < keys < files < units < nft, and this is the first. */
static int take_turn(void) {
  int fd = open_under(config.state, "lock", O_RDWR | O_CREAT);
  int64_t deadline = now_ms() + LOCK_DEADLINE_MS;
  while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
    if (errno != EWOULDBLOCK || now_ms() > deadline) {
      close(fd);
      return -2;
    }
    poll(NULL, 0, 10);
  }
  return fd;
}

static uint16_t write_call(struct call *c, struct audit_record *r, const struct row *row) {
  static const uint16_t ending[] = {REEVE_VERB_USER_LOCK, REEVE_VERB_USER_REMOVE, REEVE_VERB_KEY_REMOVE, REEVE_VERB_KEY_PURGE, REEVE_VERB_SESSION_END};
  bool ends_access = false;
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) ends_access = ends_access || c->verb->number == ending[i];
  AUTO_FD turn = take_turn();
  if (turn == -2) return fail(c, REEVE_E_BUSY, "rule", "another change of this host takes too long", NULL);
  if (turn < 0) return io_failed(c, "the lock of the state folder cannot be opened");
  const char *why = audit_recover();
  if (!why) why = audit_append(r, ends_access);
  if (why) return fail(c, REEVE_E_AUDIT_UNWRITABLE, "where", "this host", "reason", why, NULL);
  FAILPOINT("audit.intent");
  uint16_t status = row->work(c);
  FAILPOINT("audit.result");
  r->phase = AUDIT_RESULT;
  r->status = status;
  why = audit_append(r, ends_access);
  if (why) log_line("the result of %s could not be recorded: %s", c->verb->name, why);
  return status;
}

/* In the journal, by the id that coordinator and agent log it with: the audit log has it without dashes. */
static void log_operation(const struct call *c, uint16_t status) {
  char id[37];
  op_text(id, c->op);
  if (status) log_line("operation %s: %s ended with status %u", id, c->verb->name, status);
  else log_line("operation %s: %s done", id, c->verb->name);
}

/* A whole request without its length, to a status; reply or error fields are in `c`. */
uint16_t serve_call(struct call *c, const uint8_t *p, size_t n) {
  char args[2001] = "";
  uint16_t status = wire_parse(c, p, n);
  if (!status) status = check_call(c);
  if (status) return status;
  status = ask_policy(c);
  args_text(c, args, sizeof args);
  struct audit_record r = {AUDIT_INTENT, config.caller, c->op, c->verb->name, args, c->policy.digested ? c->policy.digest : NULL, status};
  if (status) audit_refused(&r);
  else if (c->verb->writes) status = write_call(c, &r, row_of(c));
  else status = row_of(c)->work(c);
  if (!status && c->reply.full) status = fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "reply", "rule", "at most 4 MiB", NULL);
  if (c->verb->writes) log_operation(c, status);
  return status;
}

/* Exactly n bytes before the deadline; the number read otherwise. */
static size_t read_all(int fd, uint8_t *p, size_t n, int64_t deadline) {
  size_t got = 0;
  while (got < n) {
    struct pollfd wait = {fd, POLLIN, 0};
    int64_t left = deadline - now_ms();
    if (left <= 0) break;
    int ready = poll(&wait, 1, (int)left);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    ssize_t r = recv(fd, p + got, n - got, MSG_DONTWAIT);
    if (r < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (r <= 0) break;
    got += (size_t)r;
  }
  return got;
}

/* The whole request without its length. More than 64 KiB only for a verb that may have more, so its number is read first. */
static uint16_t read_request(struct call *c, int conn, uint8_t **body, uint32_t *n) {
  uint8_t head[4 + REQUEST_HEAD];
  char rule[40];
  int64_t deadline = now_ms() + READ_DEADLINE_MS;
  size_t got = read_all(conn, head, 4, deadline);
  if (got == 0) _exit(0);
  if (got < 4) return fail(c, REEVE_E_FRAME_INVALID, "rule", "the frame is cut off", NULL);
  *n = (uint32_t)get_number(head, 4);
  uint32_t first = *n < REQUEST_HEAD ? *n : REQUEST_HEAD, most = REEVE_HEADER_BYTES;
  bool cut = *n <= REEVE_REQUEST_BYTES && read_all(conn, head + 4, first, deadline) < first;
  if (*n <= REEVE_REQUEST_BYTES && first == REQUEST_HEAD && !cut) most = request_limit((uint16_t)get_number(head + 6, 2));
  snprintf(rule, sizeof rule, "at most %u bytes", most);
  if (!cut && *n > most) return fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "request", "rule", rule, NULL);
  *body = cut ? NULL : malloc(*n ? *n : 1);
  if (!cut && !*body) return fail(c, REEVE_E_IO_FAILED, "rule", "out of memory", NULL);
  if (!cut) memcpy(*body, head + 4, first);
  if (cut || read_all(conn, *body + first, *n - first, deadline) < *n - first)
    return fail(c, REEVE_E_FRAME_INVALID, "rule", "the frame is cut off or came too slowly", NULL);
  return REEVE_OK;
}

_Noreturn void child_main(int conn, struct slot *slot) {
  uint8_t *body = NULL;
  uint32_t n = 0;
  struct call c;
  struct buf out;
  harden_child(conn);
  conn = 3;
  call_init(&c);
  buf_init(&out, REEVE_CONTENT_BYTES + 64);
  uint16_t status = read_request(&c, conn, &body, &n);
  if (!status) {
    if (n >= REQUEST_HEAD) {
      slot->verb = (uint16_t)get_number(body + 2, 2);
      memcpy(slot->op, body + 4, OP_BYTES);
      slot->named = true;
    }
#ifdef REEVE_TEST
    violate();
#endif
    status = serve_call(&c, body, n);
  }
  frame_reply(&out, slot->verb, slot->op, status, status ? &c.errors : &c.reply);
  slot->replied = true;
  bool sent = !out.full && send_all(conn, out.p, out.n, READ_DEADLINE_MS);
  _exit(sent ? 0 : 1);
}
