/* observe.session: open logins, and from the journal the key and the address of each: sshd's line "Accepted publickey for ada from ADDRESS port N ssh2: TYPE SHA256:..." */
#include "reeve.h"

#define TAG(field) REEVE_R_OBSERVE_SESSION_SESSION_##field
#define SESSIONS_MAX 256
#define FROM_MAX 64
#define SUM_BYTES 32u

struct login { char from[FROM_MAX]; uint8_t sum[SUM_BYTES]; bool keyed; };

static int digit_of(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

/* 43 characters of base64 without padding. */
static bool unbase64(const char *s, uint8_t out[SUM_BYTES]) {
  uint32_t bits = 0;
  size_t have = 0, n = 0;
  for (size_t i = 0; i < 43; i++) {
    int digit = digit_of(s[i]);
    if (digit < 0) return false;
    bits = bits << 6 | (uint32_t)digit;
    have += 6;
    if (have >= 8 && n < SUM_BYTES) out[n++] = (uint8_t)(bits >> (have -= 8));
  }
  return n == SUM_BYTES;
}

/* A line of `journalctl --output=short-unix`: "TIME HOST sshd[PID]: MESSAGE". */
static void take_line(const char *line, const struct session *list, size_t n, struct login *logins) {
  static const char accepted[] = "]: Accepted ", from[] = " from ";
  const char *message = strstr(line, accepted), *open = message;
  while (open && open > line && *open != '[') open--;
  if (!message || *open != '[' || open - line < 5) return;
  bool sshd = (open - line >= 4 && !strncmp(open - 4, "sshd", 4)) || (open - line >= 12 && !strncmp(open - 12, "sshd-session", 12));
  uint64_t pid;
  if (!sshd || !parse_number(open + 1, (size_t)(message - open - 1), UINT32_MAX, &pid)) return;
  const char *user = strstr(message, " for "), *address = user ? strstr(user, from) : NULL, *sum = strstr(message, " SHA256:");
  for (size_t i = 0; address && i < n; i++) {
    size_t length = strlen(list[i].user);
    if (list[i].pid != pid || (size_t)(address - user) - 5 != length || strncmp(user + 5, list[i].user, length)) continue;
    address += strlen(from);
    snprintf(logins[i].from, FROM_MAX, "%.*s", (int)strcspn(address, " "), address);
    logins[i].keyed = !strncmp(message + strlen(accepted), "publickey ", 10) && sum && strcspn(sum + 8, " ,") == 43 && unbase64(sum + 8, logins[i].sum);
  }
}

/* What the journal does not tell stays unknown. */
static void ask_journal(struct call *c, const struct session *list, size_t n, struct login *logins) {
  static char pids[SESSIONS_MAX][24];
  char since[40];
  const char *argv[SESSIONS_MAX + 12] = {"journalctl", "--quiet", "--no-pager", "--output=short-unix", since, "_UID=0"};
  size_t argc = 6;
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; i < n; i++) {
    if (list[i].since_ms < first) first = list[i].since_ms;
    snprintf(pids[i], sizeof pids[i], "_PID=%u", list[i].pid);
    argv[argc++] = pids[i];
  }
  snprintf(since, sizeof since, "--since=@%llu", (unsigned long long)(first / 1000 > 5 ? first / 1000 - 5 : 0));
  AUTO_TEXT text = NULL;
  struct buf errors = c->errors;
  buf_init(&c->errors, ERRORS_MAX);
  if (n > 0) (void)run_tool_text(c, argv, &text);
  buf_free(&c->errors);
  c->errors = errors;
  char *rest = text;
  for (char *line; rest && (line = strsep(&rest, "\n"));) take_line(line, list, n, logins);
}

uint16_t op_observe_session(struct call *c) {
  static struct session list[SESSIONS_MAX];
  static struct login logins[SESSIONS_MAX];
  uint16_t status = accounts_load(c);
  if (status) return status;
  size_t n = sessions_list(&c->accounts, list, SESSIONS_MAX);
  ask_journal(c, list, n, logins);
  for (size_t i = 0; i < n; i++) {
    size_t at = reply_begin(&c->reply, REEVE_R_OBSERVE_SESSION_SESSION);
    reply_string(&c->reply, TAG(USER), list[i].user);
    reply_u32(&c->reply, TAG(PID), list[i].pid);
    reply_string(&c->reply, TAG(FROM), logins[i].from);
    reply_u64(&c->reply, TAG(SINCE_MS), list[i].since_ms);
    reply_bytes(&c->reply, TAG(FINGERPRINT), logins[i].sum, logins[i].keyed ? SUM_BYTES : 0);
    reply_end(&c->reply, at);
  }
  return REEVE_OK;
}
