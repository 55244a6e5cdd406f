/* Tickets for programs that do long work outside of this sandbox: native/job/README.md has their form. Each program has a folder of its own, so that none takes another one's. */
#include "ticket.h"
#include <sys/random.h>
#include <time.h>

#define TICKET_MOST (192u << 10)
#define OLD_S 120
#define TAG 1  /* of the ticket in the replies of all verbs that give one */

static void put(struct ticket *t, const char *key, const void *p, size_t n) {
  buf_put(&t->text, key, strlen(key));
  buf_put(&t->text, "=", 1);
  buf_put(&t->text, p, n);
  buf_put(&t->text, "", 1);
}

void ticket_word(struct ticket *t, const char *key, const char *word) { put(t, key, word, strlen(word)); }

void ticket_begin(struct ticket *t, const struct call *c, const char *work) {
  char id[37];
  op_text(id, c->op);
  buf_init(&t->text, TICKET_MOST);
  ticket_word(t, "work", work);
  ticket_word(t, "operation", id);
}

void ticket_text(struct ticket *t, const char *key, const struct value *v) {
  if (v->set) put(t, key, v->text, strlen(v->text));
}

void ticket_lines(struct ticket *t, const char *key, const struct value *v) {
  for (const char *at = v->set ? v->text : ""; *at;) {
    size_t n = strcspn(at, "\n");
    if (n > 0) put(t, key, at, n);
    at += n + (at[n] == '\n');
  }
}

void ticket_flag(struct ticket *t, const char *key, bool v) { put(t, key, v ? "1" : "0", 1); }

/* Tickets that nobody came with. */
static void tidy(int dir) {
  struct dirent **names = NULL;
  int n = scandirat(dir, ".", &names, NULL, NULL);
  for (int i = 0; i < n; i++) {
    struct stat st;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (strlen(names[i]->d_name) == 32 && !fstatat(dir, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) && now.tv_sec - st.st_mtim.tv_sec > OLD_S) (void)unlinkat(dir, names[i]->d_name, 0);
  }
  end_names(names, n);
}

uint16_t ticket_put(struct ticket *t, struct call *c, const char *folder) {
  uint8_t random[16];
  char name[33];
  AUTO_FD dir = state_folder(folder);
  uint16_t status = REEVE_OK;
  if (dir < 0 || getrandom(random, sizeof random, 0) != sizeof random) status = io_failed(c, "a ticket cannot be made");
  else {
    tidy(dir);
    hex(name, random, sizeof random);
    AUTO_FD fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (t->text.full) status = fail(c, REEVE_E_LIMIT_EXCEEDED, "field", "the request", "rule", "its lists are too long", NULL);
    else if (fd < 0 || !write_whole(fd, t->text.p, t->text.n)) status = io_failed(c, "a ticket cannot be written");
    if (status) (void)unlinkat(dir, name, 0);
    else reply_string(&c->reply, TAG, name);
  }
  buf_free(&t->text);
  return status;
}
