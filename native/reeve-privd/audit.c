/* The audit log: append-only, one hash chain over all files, fsynced before the answer. Writers take turns by a lock on the file. */
#include "reeve.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef ROTATE_BYTES
#define ROTATE_BYTES (16 << 20)
#endif
#define LINE_MAX_BYTES 4096u
#define TAIL_BYTES 65536u
#define RESERVE_BYTES 65536
#define REFUSED_BURST 10u

static const char *const phases[] = {"intent", "result", "refused", "recovered"};

static const char *reason_of(int problem) {
  switch (problem) {
    case ENOSPC: case EDQUOT: return "no space is left";
    case EROFS: return "the file system is read-only";
    case EACCES: case EPERM: return "it is not permitted";
    case EBADMSG: return "the audit log is damaged";
    default: return "input or output failed";
  }
}

/* Whole lines at the end of `fd`, at most TAIL_BYTES; what follows the last newline was never acknowledged and is cut off. */
static bool tail(int fd, char *text, size_t *n, off_t *size) {
  struct stat st;
  if (fstat(fd, &st)) return false;
  off_t from = st.st_size > (off_t)TAIL_BYTES ? st.st_size - (off_t)TAIL_BYTES : 0;
  ssize_t got = pread(fd, text, TAIL_BYTES, from);
  if (got < 0) return false;
  size_t keep = (size_t)got;
  while (keep > 0 && text[keep - 1] != '\n') keep--;
  if (keep == 0 && from > 0) { errno = EBADMSG; return false; }
  if (keep < (size_t)got && ftruncate(fd, from + (off_t)keep)) return false;
  *n = keep;
  *size = from + (off_t)keep;
  return true;
}

/* Sequence number and hash of the last line. */
static bool last_link(const char *text, size_t n, uint64_t *seq, uint8_t head[32]) {
  struct audit_line l;
  const char *line = n > 1 ? memrchr(text, '\n', n - 1) : NULL;
  line = line ? line + 1 : text;
  errno = EBADMSG;
  return audit_split(&l, line, (size_t)(text + n - 1 - line)) && parse_number(l.f[0].p, l.f[0].n, UINT64_MAX / 10, seq) && unhex(head, l.f[12].p, 32);
}

/* Where the chain ends: in the log, else in the newest rotated file, else at its beginning. */
static bool chain_end(int dir, int fd, char *text, uint64_t *seq, uint8_t head[32], off_t *size) {
  size_t n;
  char name[64];
  *seq = 0;
  memset(head, 0, 32);
  if (!tail(fd, text, &n, size)) return false;
  if (n > 0) return last_link(text, n, seq, head);
  uint64_t newest;
  if (!audit_newest_rotated(dir, UINT64_MAX, name, sizeof name, &newest)) return true;
  int old = open_beneath(dir, name, O_RDWR, 0);
  off_t ignored;
  bool ok = old >= 0 && tail(old, text, &n, &ignored) && n > 0 && last_link(text, n, seq, head);
  if (old >= 0) close(old);
  return ok;
}

static int open_log(int dir, bool create) {
  for (;;) {
    struct stat mine, named;
    int fd = open_beneath(dir, "audit.log", O_RDWR | O_APPEND | (create ? O_CREAT : 0), 0);
    if (fd < 0) return -1;
    if (!flock(fd, LOCK_EX) && !fstat(fd, &mine) && !fstatat(dir, "audit.log", &named, AT_SYMLINK_NOFOLLOW) && mine.st_ino == named.st_ino) return fd;
    int problem = errno;
    close(fd);
    if (!create && problem == ENOENT) return -1;
  }
}

static bool is_open_intent(const char *text, size_t n, struct audit_line *intent) {
  while (n > 0) {
    const char *line = n > 1 ? memrchr(text, '\n', n - 1) : NULL;
    line = line ? line + 1 : text;
    struct audit_line l;
    if (!audit_split(&l, line, (size_t)(text + n - 1 - line))) return false;
    if (l.f[9].n == 6 && !memcmp(l.f[9].p, "intent", 6)) {
      *intent = l;
      return true;
    }
    if (memcmp(l.f[9].p, "refused", 7)) return false;  /* a result or a recovered record: nothing is open */
    n = (size_t)(line - text);
  }
  return false;
}

static bool write_line(int dir, int fd, off_t size, const char *line, size_t n) {
  ssize_t put = write(fd, line, n);
  bool ok = put == (ssize_t)n && !fsync(fd) && (size > 0 || !fsync(dir));
  if (ok) return true;
  int problem = put >= 0 && put < (ssize_t)n ? ENOSPC : errno;
  (void)!ftruncate(fd, size);
  errno = problem;
  return false;
}

static size_t format(char *line, const struct audit_record *r, uint64_t seq, const uint8_t prev[32]) {
  char boot[37], op[33], policy[65] = "", before[65], after[65];
  uint8_t hash[32];
  struct audit_line l;
  boot_id(boot);
  hex(op, r->op, OP_BYTES);
  hex(before, prev, 32);
  if (r->digest) hex(policy, r->digest, 32);
  int n = snprintf(line, LINE_MAX_BYTES, "{\"seq\":%llu,\"time_ms\":%lld,\"mono_ms\":%lld,\"boot_id\":\"%s\",\"caller\":%u,\"op_id\":\"%s\",\"verb\":\"%s\",\"args\":\"%.2000s\","
    "\"policy_digest\":\"%s\",\"phase\":\"%s\",\"status\":%u,\"prev\":\"%s\",\"hash\":\"", (unsigned long long)seq, (long long)wall_ms(), (long long)now_ms(), boot,
    r->caller, op, r->verb, r->args, policy, phases[r->phase], r->status, before);
  memset(after, '0', 64);
  after[64] = 0;
  n += snprintf(line + n, LINE_MAX_BYTES - (size_t)n, "%s\"}\n", after);
  if (!audit_split(&l, line, (size_t)n - 1)) return 0;
  audit_hash(&l, prev, hash);
  hex(after, hash, 32);
  memcpy(line + n - 67, after, 64);
  return (size_t)n;
}

static bool rotate(int dir, int *fd, uint64_t seq) {
  char name[64];
  snprintf(name, sizeof name, "audit.log.%020llu", (unsigned long long)seq);
  if (renameat(dir, "audit.log", dir, name) || fsync(dir)) return false;
  close(*fd);
  *fd = open_log(dir, true);
  return *fd >= 0;
}

static void keep_reserve(int dir) {
  int fd = open_beneath(dir, "reserve", O_WRONLY | O_CREAT, 0);
  struct stat st;
  if (fd < 0) return;
  if (!fstat(fd, &st) && st.st_size < RESERVE_BYTES && posix_fallocate(fd, 0, RESERVE_BYTES)) (void)!ftruncate(fd, 0);
  close(fd);
}

static bool append_locked(int dir, int *fd, const struct audit_record *r, bool use_reserve) {
  char *text = malloc(TAIL_BYTES), line[LINE_MAX_BYTES];
  uint64_t seq;
  uint8_t head[32];
  off_t size = 0;
  struct audit_line intent;
  if (!text) return false;
  bool ok = chain_end(dir, *fd, text, &seq, head, &size);
  if (ok && size >= ROTATE_BYTES && (r->phase == AUDIT_INTENT || r->phase == AUDIT_REFUSED)) {
    size_t n;
    off_t ignored;
    if (tail(*fd, text, &n, &ignored) && !is_open_intent(text, n, &intent)) {
      ok = rotate(dir, fd, seq);
      size = 0;
    }
  }
  free(text);
  if (!ok) return false;
  size_t n = format(line, r, seq + 1, head);
  if (n == 0) { errno = EINVAL; return false; }
  if (write_line(dir, *fd, size, line, n)) return true;
  if (!use_reserve || (errno != ENOSPC && errno != EDQUOT)) return false;
  (void)unlinkat(dir, "reserve", 0);
  return write_line(dir, *fd, size, line, n);
}

/* Appends one record; NULL when it is on the disk, else why not. `use_reserve` gives up the reserve for it when the disk is full. */
const char *audit_append(const struct audit_record *r, bool use_reserve) {
  int dir = state_open("audit");
  int fd = dir < 0 ? -1 : open_log(dir, true);
  if (fd < 0 && use_reserve && errno == ENOSPC && !unlinkat(dir, "reserve", 0)) fd = open_log(dir, true);
  bool ok = fd >= 0 && append_locked(dir, &fd, r, use_reserve);
  int problem = errno;
  if (ok && r->phase == AUDIT_RESULT) keep_reserve(dir);
  if (fd >= 0) close(fd);
  if (dir >= 0) close(dir);
  return ok ? NULL : reason_of(problem);
}

/* A refusal: at most 10 at once and one a second, what is left out is counted in the next one. */
void audit_refused(const struct audit_record *r) {
  char args[2100];
  struct audit_record copy = *r;
  if (shared) {
    int64_t now = now_ms(), gained = (now - shared->refused_at_ms) / 1000;
    if (gained > 0) {
      uint64_t tokens = (uint64_t)shared->refused_tokens + (uint64_t)gained;
      shared->refused_tokens = tokens > REFUSED_BURST ? REFUSED_BURST : (uint32_t)tokens;
      shared->refused_at_ms = now;
    }
    if (shared->refused_tokens == 0) {
      shared->suppressed++;
      return;
    }
    shared->refused_tokens--;
    if (shared->suppressed) {
      snprintf(args, sizeof args, "%s%ssuppressed=%u", r->args, *r->args ? " " : "", shared->suppressed);
      copy.args = args;
      shared->suppressed = 0;
    }
  }
  copy.phase = AUDIT_REFUSED;
  (void)audit_append(&copy, false);
}

/* Closes an intent that has no result, after a crash. The caller holds the lock of the writing verbs, or is alone. */
const char *audit_recover(void) {
  char *text = malloc(TAIL_BYTES), verb[40], args[2001];
  uint8_t op[OP_BYTES] = {0}, digest[32] = {0};
  struct audit_line intent;
  size_t n = 0;
  off_t size;
  int dir = state_open("audit");
  int fd = dir < 0 || !text ? -1 : open_log(dir, false);
  bool open_intent = fd >= 0 && tail(fd, text, &n, &size) && is_open_intent(text, n, &intent);
  if (open_intent) {
    snprintf(verb, sizeof verb, "%.*s", (int)intent.f[6].n, intent.f[6].p);
    snprintf(args, sizeof args, "%.*s", (int)intent.f[7].n, intent.f[7].p);
    open_intent = intent.f[5].n == 2 * OP_BYTES && unhex(op, intent.f[5].p, OP_BYTES);
    if (intent.f[8].n == 64) (void)unhex(digest, intent.f[8].p, 32);
  }
  if (fd >= 0) close(fd);
  if (dir >= 0) keep_reserve(dir);
  if (dir >= 0) close(dir);
  free(text);
  if (!open_intent) return NULL;
  struct audit_record r = {AUDIT_RECOVERED, config.caller, op, verb, args, digest, REEVE_E_OUTCOME_UNKNOWN};
  return audit_append(&r, true);
}

void audit_head(uint64_t *seq, uint8_t head[32]) {
  char *text = malloc(TAIL_BYTES);
  off_t size;
  int dir = state_open("audit");
  int fd = dir < 0 || !text ? -1 : open_log(dir, false);
  if (fd < 0 || !chain_end(dir, fd, text, seq, head, &size)) {
    *seq = 0;
    memset(head, 0, 32);
  }
  if (fd >= 0) close(fd);
  if (dir >= 0) close(dir);
  free(text);
}

/* Why records could not be written just now, or "ok". */
const char *audit_trouble(void) {
  struct statvfs vfs;
  const char *trouble = "ok";
  int dir = state_open("audit");
  int fd = dir < 0 ? -1 : open_log(dir, true);
  if (fd < 0) trouble = reason_of(errno);
  else if (!fstatvfs(fd, &vfs) && vfs.f_bavail == 0) trouble = reason_of(ENOSPC);
  else if (!fstatvfs(fd, &vfs) && (vfs.f_flag & ST_RDONLY)) trouble = reason_of(EROFS);
  if (fd >= 0) close(fd);
  if (dir >= 0) close(dir);
  return trouble;
}
