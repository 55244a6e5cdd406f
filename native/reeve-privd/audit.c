/* The audit log: append-only, one hash chain over all files, fsynced before the answer. Writers take turns by a lock on the file. */
#include "reeve.h"
#include <sys/file.h>
#include <sys/statvfs.h>

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

/* The end of a file of the chain: its last whole lines, where they end, and number and hash of the last record. One thread, so one is enough. */
static struct end { char text[TAIL_BYTES]; size_t n; off_t size; uint64_t seq; uint8_t head[32]; } end;

/* At most TAIL_BYTES; what follows the last newline was never acknowledged and is cut off. */
static bool tail(int fd) {
  struct stat st;
  if (fstat(fd, &st)) return false;
  off_t from = st.st_size > (off_t)TAIL_BYTES ? st.st_size - (off_t)TAIL_BYTES : 0;
  ssize_t got = pread(fd, end.text, TAIL_BYTES, from);
  if (got < 0) return false;
  end.n = (size_t)got;
  while (end.n > 0 && end.text[end.n - 1] != '\n') end.n--;
  if (end.n == 0 && from > 0) { errno = EBADMSG; return false; }
  end.size = from + (off_t)end.n;
  return end.n == (size_t)got || !ftruncate(fd, end.size);
}

/* The last line of the first n bytes of the text; `n` becomes where it begins. */
static bool line_before(size_t *n, struct audit_line *l) {
  size_t stop = *n - 1;
  const char *newline = stop > 0 ? memrchr(end.text, '\n', stop) : NULL;
  *n = newline ? (size_t)(newline + 1 - end.text) : 0;
  return audit_split(l, end.text + *n, stop - *n);
}

static bool last_link(void) {
  struct audit_line l;
  size_t n = end.n;
  errno = EBADMSG;
  return n > 0 && line_before(&n, &l) && parse_number(l.f[0].p, l.f[0].n, UINT64_MAX / 10, &end.seq) && unhex(end.head, l.f[12].p, 32);
}

/* Where the chain ends: in the log, else in the newest rotated file, else at its beginning. */
static bool chain_end(int dir, int fd) {
  end.seq = 0;
  memset(end.head, 0, sizeof end.head);
  if (!tail(fd)) return false;
  if (end.n > 0) return last_link();
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, audit_is_rotated, alphasort);
  AUTO_FD old = n > 0 ? open_beneath(dir, names[n - 1]->d_name, O_RDWR, 0) : -1;
  end_names(names, n);
  if (n <= 0) return n == 0;
  bool ok = old >= 0 && tail(old) && last_link();
  end.n = 0;
  end.size = 0;
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

/* Is the newest record that is not a refusal an intent? */
static bool is_open_intent(struct audit_line *l) {
  for (size_t n = end.n; n > 0;) {
    if (!line_before(&n, l)) return false;
    if (l->f[9].n == 6 && !memcmp(l->f[9].p, "intent", 6)) return true;
    if (memcmp(l->f[9].p, "refused", 7)) return false;  /* a result or a recovered record: nothing is open */
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
  int n = snprintf(line, LINE_MAX_BYTES, "{\"seq\":%llu,\"time_ms\":%lld,\"mono_ms\":%lld,\"boot_id\":\"%s\",\"caller\":%u,\"op_id\":\"%s\","
    "\"verb\":\"%s\",\"args\":\"%.2000s\",\"policy_digest\":\"%s\",\"phase\":\"%s\",\"status\":%u,\"prev\":\"%s\",\"hash\":\"",
    (unsigned long long)seq, (long long)wall_ms(), (long long)now_ms(), boot, r->caller, op,
    r->verb, r->args, policy, phases[r->phase], r->status, before);
  memset(after, '0', 64);
  after[64] = 0;
  n += snprintf(line + n, LINE_MAX_BYTES - (size_t)n, "%s\"}\n", after);
  if (!audit_split(&l, line, (size_t)n - 1)) return 0;
  audit_hash(&l, prev, hash);
  hex(after, hash, 32);
  memcpy(line + n - 67, after, 64);
  return (size_t)n;
}

static bool rotate(int dir, int *fd) {
  char name[64];
  snprintf(name, sizeof name, "audit.log.%020llu", (unsigned long long)end.seq);
  if (renameat(dir, "audit.log", dir, name) || fsync(dir)) return false;
  close(*fd);
  *fd = open_log(dir, true);
  end.size = 0;
  return *fd >= 0;
}

static void keep_reserve(int dir) {
  struct stat st;
  AUTO_FD fd = open_beneath(dir, "reserve", O_WRONLY | O_CREAT, 0);
  if (fd >= 0 && !fstat(fd, &st) && st.st_size < RESERVE_BYTES && posix_fallocate(fd, 0, RESERVE_BYTES)) (void)!ftruncate(fd, 0);
}

static bool append_locked(int dir, int *fd, const struct audit_record *r, bool use_reserve) {
  char line[LINE_MAX_BYTES];
  struct audit_line intent;
  if (!chain_end(dir, *fd)) return false;
  bool begins = r->phase == AUDIT_INTENT || r->phase == AUDIT_REFUSED;
  if (end.size >= ROTATE_BYTES && begins && !is_open_intent(&intent) && !rotate(dir, fd)) return false;
  size_t n = format(line, r, end.seq + 1, end.head);
  if (n == 0) { errno = EINVAL; return false; }
  if (write_line(dir, *fd, end.size, line, n)) return true;
  if (!use_reserve || (errno != ENOSPC && errno != EDQUOT)) return false;
  (void)unlinkat(dir, "reserve", 0);
  return write_line(dir, *fd, end.size, line, n);
}

/* Appends one record; NULL when it is on the disk, else why not. `use_reserve` gives up the reserve for it when the disk is full. */
const char *audit_append(const struct audit_record *r, bool use_reserve) {
  AUTO_FD dir = state_folder("audit");
  AUTO_FD fd = dir < 0 ? -1 : open_log(dir, true);
  if (fd < 0 && use_reserve && errno == ENOSPC && !unlinkat(dir, "reserve", 0)) fd = open_log(dir, true);
  if (fd < 0 || !append_locked(dir, &fd, r, use_reserve)) return reason_of(errno);
  if (r->phase == AUDIT_RESULT) keep_reserve(dir);
  return NULL;
}

/* A refusal: at most 10 at once and one a second, what is left out is counted in the next one. */
void audit_refused(const struct audit_record *r) {
  char args[2100];
  struct audit_record copy = *r;
  int64_t now = now_ms(), gained = (now - shared->refused_at_ms) / 1000;
  if (gained > 0) {
    int64_t tokens = shared->refused_tokens + gained;
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
  copy.phase = AUDIT_REFUSED;
  (void)audit_append(&copy, false);
}

/* Closes an intent that has no result, after a crash. The caller holds the lock of the writing verbs, or is alone. */
const char *audit_recover(void) {
  char verb[40], args[2001];
  uint8_t op[OP_BYTES] = {0}, digest[32] = {0};
  struct audit_line intent;
  AUTO_FD dir = state_folder("audit");
  AUTO_FD fd = dir < 0 ? -1 : open_log(dir, false);
  bool open_intent = fd >= 0 && tail(fd) && is_open_intent(&intent);
  if (fd >= 0) close(fd);  /* and its lock, for the record that follows */
  fd = -1;
  if (dir >= 0) keep_reserve(dir);
  if (!open_intent || intent.f[5].n != 2 * OP_BYTES || !unhex(op, intent.f[5].p, OP_BYTES)) return NULL;
  if (intent.f[8].n == 64) (void)unhex(digest, intent.f[8].p, 32);
  snprintf(verb, sizeof verb, "%.*s", (int)intent.f[6].n, intent.f[6].p);
  snprintf(args, sizeof args, "%.*s", (int)intent.f[7].n, intent.f[7].p);
  struct audit_record r = {AUDIT_RECOVERED, config.caller, op, verb, args, digest, REEVE_E_OUTCOME_UNKNOWN};
  return audit_append(&r, true);
}

/* Number and hash of the last record; zeros when there is none, or when it cannot be read. */
void audit_head(uint64_t *seq, uint8_t head[32]) {
  AUTO_FD dir = state_folder("audit");
  AUTO_FD fd = dir < 0 ? -1 : open_log(dir, false);
  bool ok = fd >= 0 && chain_end(dir, fd);
  *seq = ok ? end.seq : 0;
  memset(head, 0, 32);
  if (ok) memcpy(head, end.head, 32);
}

/* Why records could not be written just now, or "ok". */
const char *audit_trouble(void) {
  struct statvfs vfs;
  AUTO_FD dir = state_folder("audit");
  AUTO_FD fd = dir < 0 ? -1 : open_log(dir, true);
  if (fd < 0) return reason_of(errno);
  if (fstatvfs(fd, &vfs)) return "ok";
  return vfs.f_bavail == 0 ? reason_of(ENOSPC) : vfs.f_flag & ST_RDONLY ? reason_of(EROFS) : "ok";
}
