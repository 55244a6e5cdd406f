/* Certificates in place: /etc/ssl/reeve/NAME, a link to the folder .NAME.GENERATION with cert.pem, key.pem and the record of both; and below the state folder
 * which of them are ours. */
#include "cert.h"
#include "pending.h"

#define CERT_FILE "cert.pem"
#define KEY_FILE "key.pem"
#define RECORD_FILE ".reeve"
#define RECORD_ROOM 4096u
#define MARKS "owned/cert"
#define OWED "owed\n"

static uint16_t unsafe(struct call *c, const char *path, const char *rule) { return fail(c, REEVE_E_PATH_UNSAFE, "value", path, "rule", rule, NULL); }

/* A folder that only root writes. */
static uint16_t enter(struct call *c, int base, const char *path, bool make, int *dir) {
  struct stat st;
  const char *name = strrchr(path, '/') + 1;
  *dir = -1;
  bool made = make && !mkdirat(base, name, 0700);
  *dir = open_beneath(base, name, O_RDONLY | O_DIRECTORY, 0);
  if (*dir < 0) return errno == ENOENT ? REEVE_OK : unsafe(c, path, "it is not a plain folder");
  if (made && (fchmod(*dir, 0755) || fsync(base))) return io_failed(c, "the folder of certificates cannot be made");
  if (fstat(*dir, &st)) return io_failed(c, "the folder of certificates cannot be read");
  return st.st_uid != 0 || st.st_mode & 022 ? unsafe(c, path, "others than root can write it") : REEVE_OK;
}

/* /etc/ssl/reeve; made where that is wanted, else -1 when there is none. */
uint16_t cert_folder(struct call *c, bool make, int *dir) {
  AUTO_FD etc = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AUTO_FD ssl = -1;
  *dir = -1;
  uint16_t status = etc < 0 ? io_failed(c, "/etc cannot be read") : enter(c, etc, "/etc/ssl", make, &ssl);
  if (status || ssl < 0) return status;
  status = enter(c, ssl, CERT_FOLDER, make, dir);
  FAILPOINT("cert.folder");
  if (status || *dir >= 0 || !make) return status;
  return io_failed(c, "the folder of certificates cannot be made");
}

static uint16_t no_store(struct call *c) { return io_failed(c, "the marker store cannot be opened"); }

static uint16_t read_mark(struct call *c, const char *name, struct cert_place *p) {
  AUTO_FD marks = state_folder(MARKS);
  if (marks < 0) return no_store(c);
  AUTO_TEXT text = small_get(marks, name, 64, NULL);
  p->marked = text || errno != ENOENT;
  p->owed = text && !strcmp(text, OWED);
  return text || errno == ENOENT ? REEVE_OK : io_failed(c, "a marker cannot be read");
}

/* It is ours; owed: what uses it has to be reloaded. */
bool cert_mark_set(const char *name, bool owed) {
  AUTO_FD marks = state_folder(MARKS);
  return marks >= 0 && small_put(marks, name, owed ? OWED : "\n", owed ? sizeof OWED - 1 : 1, 0600);
}

uint16_t cert_mark(struct call *c, const char *name, bool owed) { return cert_mark_set(name, owed) ? REEVE_OK : io_failed(c, "a marker cannot be written"); }

uint16_t cert_unmark(struct call *c, const char *name) {
  AUTO_FD marks = state_folder(MARKS);
  if (marks < 0) return no_store(c);
  return (!unlinkat(marks, name, 0) || errno == ENOENT) && !fsync(marks) ? REEVE_OK : io_failed(c, "a marker cannot be removed");
}

static void read_link(int dir, const char *name, struct cert_place *p) {
  char to[CERT_FOLDER_ROOM];
  ssize_t n = dir < 0 ? -1 : readlinkat(dir, name, to, sizeof to);
  if (n < 0) p->link = dir < 0 || errno == ENOENT ? CERT_NO_LINK : CERT_NO_LINK_AT_ALL;
  else if ((size_t)n == sizeof to) p->link = CERT_OTHER_LINK;
  else {
    to[n] = 0;
    p->link = cert_is_folder(to, name) ? CERT_OUR_LINK : CERT_OTHER_LINK;
    if (p->link == CERT_OUR_LINK) strcpy(p->folder, to);
  }
}

/* A file of a folder, when it is a plain one; `st` is of it. NULL with ENOENT: there is none. */
static char *read_file(int folder, const char *name, size_t most, size_t *n, struct stat *st) {
  AUTO_FD fd = open_beneath(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (fd < 0 || fstat(fd, st)) return NULL;
  return read_open(fd, most, n);
}

static bool is_as(const char *text, size_t n, const uint8_t sum[32], const struct stat *st, gid_t gid, mode_t mode) {
  uint8_t now[32];
  sha256_of(text, n, now);
  return !memcmp(now, sum, sizeof now) && st->st_uid == 0 && st->st_gid == gid && (st->st_mode & 07777) == mode && st->st_nlink == 1;
}

static mode_t key_mode(const struct cert_record *r) { return r->gid == 0 ? 0600 : 0640; }

/* The files behind a link of ours. */
static void read_files(int dir, struct cert_place *p) {
  struct stat st;
  size_t n = 0;
  AUTO_FD folder = open_beneath(dir, p->folder, O_RDONLY | O_DIRECTORY, 0);
  p->state = folder < 0 && errno == ENOENT ? CERT_MISSING : CERT_EDITED;
  if (folder < 0) return;
  AUTO_TEXT text = read_file(folder, RECORD_FILE, RECORD_ROOM, NULL, &st);
  p->known = text && cert_record_parse(&p->record, text);
  p->pem = read_file(folder, CERT_FILE, CERT_PEM_MAX, &p->npem, &st);
  bool gone = !p->pem && errno == ENOENT;
  if (!p->known) return;
  bool whole = p->pem && is_as(p->pem, p->npem, p->record.cert, &st, 0, 0644);
  char *key = read_file(folder, KEY_FILE, CERT_KEY_MAX, &n, &st);
  gone = gone || (!key && errno == ENOENT);
  p->key_whole = key && is_as(key, n, p->record.key, &st, p->record.gid, key_mode(&p->record));
  if (key) explicit_bzero(key, n);
  free(key);
  p->state = gone ? CERT_MISSING : whole && p->key_whole ? CERT_OK : CERT_EDITED;
}

/* What is there of a certificate; cert_place_free() afterwards. */
uint16_t cert_place_read(struct call *c, int dir, const char *name, struct cert_place *p) {
  *p = (struct cert_place){0};
  uint16_t status = read_mark(c, name, p);
  if (status) return status;
  read_link(dir, name, p);
  p->state = p->link == CERT_NO_LINK ? CERT_MISSING : CERT_EDITED;
  if (p->link == CERT_OUR_LINK) read_files(dir, p);
  return REEVE_OK;
}

void cert_place_free(struct cert_place *p) {
  free(p->pem);
  p->pem = NULL;
}

/* Refuses what somebody else has put there. */
uint16_t cert_in_the_way(struct call *c, const char *name, const struct cert_place *p) {
  char path[sizeof CERT_FOLDER + CERT_NAME_MAX + 1];
  snprintf(path, sizeof path, CERT_FOLDER "/%s", name);
  if (p->link == CERT_NO_LINK_AT_ALL) return unsafe(c, path, "it is not a link of Reeve");
  return !p->marked && p->link != CERT_NO_LINK ? unsafe(c, path, "it is there already, and not managed by Reeve: root moves it away") : REEVE_OK;
}

/* The key that is in place, when it is as it was written. */
char *cert_key_read(int dir, const struct cert_place *p, size_t *n) {
  struct stat st;
  AUTO_FD folder = p->key_whole ? open_beneath(dir, p->folder, O_RDONLY | O_DIRECTORY, 0) : -1;
  char *key = folder < 0 ? NULL : read_file(folder, KEY_FILE, CERT_KEY_MAX, n, &st);
  if (!key || is_as(key, *n, p->record.key, &st, p->record.gid, key_mode(&p->record))) return key;
  explicit_bzero(key, *n);
  free(key);
  return NULL;
}
