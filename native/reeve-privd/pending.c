/* A change that reverts by itself is one file. Confirming it and reverting it each begin with a rename of that file: only one of the two succeeds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pending.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* For a file that cannot be read: it is reverted all the same. */
#define NO_OPERATION "00000000000000000000000000000000"
#define NO_SUM NO_OPERATION NO_OPERATION

const struct pending_noun pending_nouns[] = {
  {"key", "key.reverting", OWNED_SSHD, "reverted.key", restore_dropin},
  {"nat", "nat.reverting", OWNED_NAT, "reverted.nat", NULL},
  {0},
};

const struct pending_noun *pending_noun(const char *name) {
  for (const struct pending_noun *noun = pending_nouns; noun->name; noun++) if (!strcmp(noun->name, name)) return noun;
  return NULL;
}

static bool is_hex(const char *s, size_t n) { return strlen(s) == n && strspn(s, "0123456789abcdef") == n; }

static bool take_number(const char *s, int64_t *out) {
  size_t n = strlen(s);
  if (n == 0 || n > 18 || strspn(s, "0123456789") != n) return false;
  *out = strtoll(s, NULL, 10);
  return true;
}

static bool take_word(const char *s, bool *out) {
  *out = !strcmp(s, "yes");
  return *out || !strcmp(s, "no");
}

/* Exactly the lines that pending_format writes. */
bool pending_parse(struct pending *p, const char *text) {
  static const char *const keys[] = {"noun=", "operation=", "mark=", "deadline_boot_ms=", "deadline_ms=", "armed=", "had=", "sha256=", "at_ms=", "reason="};
  char copy[PENDING_MAX], *rest = copy, *v[10];
  if (strlen(text) >= sizeof copy) return false;
  strcpy(copy, text);
  *p = (struct pending){0};
  for (size_t i = 0; i < 10; i++) {
    char *line = strsep(&rest, "\n");
    if (!line || strncmp(line, keys[i], strlen(keys[i]))) return false;
    v[i] = line + strlen(keys[i]);
  }
  if (!rest || *rest || !pending_noun(v[0]) || !is_hex(v[1], 32) || strlen(v[2]) >= sizeof p->mark || !is_hex(v[7], 64)) return false;
  if (!take_number(v[3], &p->deadline_boot_ms) || !take_number(v[4], &p->deadline_ms) || !take_number(v[8], &p->at_ms)) return false;
  if (!take_word(v[5], &p->armed) || !take_word(v[6], &p->had) || strlen(v[9]) >= sizeof p->reason) return false;
  strcpy(p->noun, v[0]);
  strcpy(p->operation, v[1]);
  strcpy(p->mark, v[2]);
  strcpy(p->sha256, v[7]);
  strcpy(p->reason, v[9]);
  return true;
}

size_t pending_format(const struct pending *p, char out[PENDING_MAX]) {
  return (size_t)snprintf(out, PENDING_MAX, "noun=%s\noperation=%s\nmark=%s\ndeadline_boot_ms=%lld\ndeadline_ms=%lld\narmed=%s\nhad=%s\nsha256=%s\nat_ms=%lld\nreason=%s\n",
    p->noun, p->operation, p->mark, (long long)p->deadline_boot_ms, (long long)p->deadline_ms, p->armed ? "yes" : "no", p->had ? "yes" : "no", p->sha256, (long long)p->at_ms, p->reason);
}

/* A regular file that is not a link, with a NUL after it; NULL with errno. */
char *small_get(int dir, const char *name, size_t max, size_t *n) {
  struct stat st;
  int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return NULL;
  char *text = NULL;
  size_t got = 0;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > (off_t)max) errno = EINVAL;
  else text = malloc((size_t)st.st_size + 1);
  for (ssize_t r = 1; text && r > 0 && got < (size_t)st.st_size;) {
    r = read(fd, text + got, (size_t)st.st_size - got);
    if (r > 0) got += (size_t)r;
  }
  int problem = errno;
  close(fd);
  errno = problem;
  if (text) text[got] = 0;
  if (n) *n = got;
  return text;
}

/* Temporary file beside it, fsync, rename, fsync of the folder. The temporary name begins with a dot: neither sshd nor systemd's glob takes it. */
bool small_put(int dir, const char *name, const void *p, size_t n, mode_t mode) {
  char new_name[256];
  snprintf(new_name, sizeof new_name, ".%s.new", name);
  (void)unlinkat(dir, new_name, 0);
  int fd = openat(dir, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool ok = write(fd, p, n) == (ssize_t)n && !fchmod(fd, mode) && !fsync(fd);
  ok = !close(fd) && ok;
  ok = ok && !renameat(dir, new_name, dir, name) && !fsync(dir);
  int problem = errno;
  if (!ok) (void)unlinkat(dir, new_name, 0);
  errno = problem;
  return ok;
}

bool pending_get(int dir, const char *name, struct pending *p) {
  char *text = small_get(dir, name, PENDING_MAX - 1, NULL);
  bool ok = text && pending_parse(p, text);
  int problem = text ? EINVAL : errno;
  free(text);
  errno = problem;
  return ok;
}

bool pending_put(int dir, const char *name, const struct pending *p) {
  char text[PENDING_MAX];
  return small_put(dir, name, text, pending_format(p, text), 0600);
}

/*
 * What the helper asks of a program outside its sandbox, NULL: nothing, or nothing that can be read. Taken away before it is read: a request that ends the program is not
 * started over and over, and one that comes meanwhile is not lost. False: it cannot be taken away.
 */
bool request_take(int dir, size_t max, char **text) {
  *text = NULL;
  if (renameat(dir, "request", dir, "taken")) return errno == ENOENT;
  *text = small_get(dir, "taken", max, NULL);
  return !unlinkat(dir, "taken", 0);
}

bool move_file(int from, const char *name, int to, const char *new_name) {
  return !renameat(from, name, to, new_name) && !fsync(to) && !fsync(from);
}

/* A random text in a file that no boot outlives: a container that boots again has the same kernel, and what /proc says of the boot depends on the sandbox of
 * who asks. Only root writes that folder. Without `make`, "none" where there is no mark: nothing was begun in this boot. */
bool boot_mark(char out[64], bool make) {
  uint8_t random[16];
  int dir = open(MARK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char *text = dir < 0 ? NULL : small_get(dir, MARK_FILE, 63, NULL);
  bool ok = text || (errno == ENOENT && !make);
  snprintf(out, 64, "%s", text ? text : "none");
  if (!ok && dir >= 0 && errno == ENOENT && getrandom(random, sizeof random, 0) == sizeof random) {
    for (size_t i = 0; i < sizeof random; i++) snprintf(out + 2 * i, 3, "%02x", random[i]);
    ok = small_put(dir, MARK_FILE, out, 2 * sizeof random, 0600);
  }
  int problem = errno;
  if (dir >= 0) close(dir);
  free(text);
  errno = problem;
  return ok;
}

/* The drop-in as it was before the change. Where the copy is lost, none: sshd then reads what it would read without Reeve. */
bool restore_dropin(int undo, const struct pending *p) {
  int dir = open(SSHD_DROPIN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return errno == ENOENT;
  size_t n = 0;
  char *before = p->had ? small_get(undo, UNDO_KEY, SSHD_DROPIN_MAX, &n) : NULL;
  bool ok = before ? small_put(dir, SSHD_DROPIN, before, n, 0644) : (!unlinkat(dir, SSHD_DROPIN, 0) || errno == ENOENT) && !fsync(dir);
  (void)unlinkat(dir, "." SSHD_DROPIN ".new", 0);
  free(before);
  close(dir);
  return ok;
}

/* Whoever wrote the note of a change, or exchanged it for the armed one, may have died over it. */
void pending_tidy(int pending, const struct pending_noun *noun) {
  char name[80];
  for (const char *const *form = (const char *const[]){".%s.new", PENDING_ARMED, "." PENDING_ARMED ".new", NULL}; *form; form++) {
    snprintf(name, sizeof name, *form, noun->name);
    (void)unlinkat(pending, name, 0);
  }
}

/* Takes the change of a noun back; `tell` is called when its files are as they were, and is done again when it fails. False with ENOENT: it was confirmed first,
 * or is back already. */
bool pending_revert(int state, const struct pending_noun *noun, const char *reason, bool (*tell)(void)) {
  struct pending p;
  struct timespec now;
  int pending = openat(state, PENDING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC), undo = openat(state, UNDO_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = pending >= 0 && undo >= 0;
  if (ok && faccessat(pending, noun->reverting, F_OK, 0)) ok = move_file(pending, noun->name, pending, noun->reverting);
  if (ok && !pending_get(pending, noun->reverting, &p)) {
    p = (struct pending){.operation = NO_OPERATION, .sha256 = NO_SUM, .had = true};
    snprintf(p.noun, sizeof p.noun, "%s", noun->name);
  }
  ok = ok && (!noun->restore || noun->restore(undo, &p));
  if (ok && tell && !tell()) {
    errno = EIO;
    ok = false;
  }
  if (ok) {
    clock_gettime(CLOCK_REALTIME, &now);
    p.at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    snprintf(p.reason, sizeof p.reason, "%s", reason);
    ok = pending_put(undo, noun->reverted, &p);
  }
  if (ok) pending_tidy(pending, noun);
  ok = ok && !unlinkat(pending, noun->reverting, 0) && !fsync(pending);
  int problem = errno;
  if (pending >= 0) close(pending);
  if (undo >= 0) close(undo);
  errno = problem;
  return ok;
}
