/* discard: what a restore has made only to be proved goes again. Which folder that is stands in a note of the restore: its path, and which folder it was. */
#include "made.h"
#include "store.h"
#include "tree.h"
#include <linux/capability.h>

#define NOTE_MOST 2048u

static void note_name(char out[300], const char *run) { snprintf(out, 300, "%s/job/made-%s", job.state, run); }

bool made_note(const char *run, const char *folder, int dir) {
  char path[300], text[NOTE_MOST];
  struct stat st;
  note_name(path, run);
  if (fstat(dir, &st)) return false;
  int n = snprintf(text, sizeof text, "%llu %llu %s\n", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, folder);
  AUTO_FD fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  return n > 0 && (size_t)n < sizeof text && fd >= 0 && write_whole(fd, text, (size_t)n) && !fsync(fd);
}

/* Whether a run has made exactly this folder. */
static bool is_made(const char *run, const char *folder, int dir) {
  char path[300];
  unsigned long long dev, ino;
  int at = 0;
  struct stat st;
  note_name(path, run);
  AUTO_TEXT text = read_whole(path, NOTE_MOST, NULL);
  if (!text || sscanf(text, "%llu %llu %n", &dev, &ino, &at) != 2 || at == 0 || fstat(dir, &st)) return false;
  size_t n = strlen(folder);
  return !strncmp(text + at, folder, n) && text[(size_t)at + n] == '\n' && st.st_dev == dev && st.st_ino == ino;
}

/* In a child that sees nothing but the folder. */
static int empty(int dir) {
  struct pace pace;
  if (!folder_become(dir, 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER)) return 1;
  AUTO_FD root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  pace_begin(&pace);
  return root >= 0 && remove_all(root, &pace) ? 0 : 1;
}

int work_discard(const struct fields *t) {
  char why[300] = "", name[256], going[300], path[300];
  int above = -1;
  enum store_kind kind;
  const char *folder = field(t, "folder"), *run = field(t, "run");
  if (!folder || !run || !backup_id(run)) return job_failed("the ticket has no folder or no run");
  if (!target_look(folder, &above, name, &kind, why)) return job_failed("folder \"%.200s\": %s", folder, why);
  AUTO_FD up = above;
  snprintf(going, sizeof going, "%s.reeve-discard-%.8s%.4s", name, run, run + 9);
  /* One that was on its way out when the machine stopped has the other name. */
  AUTO_FD there = open_in(up, name, O_RDONLY | O_DIRECTORY);
  AUTO_FD left = open_in(up, going, O_RDONLY | O_DIRECTORY);
  int dir = there >= 0 && is_made(run, folder, there) ? there : left >= 0 && is_made(run, folder, left) ? left : -1;
  note_name(path, run);
  if (dir < 0) return there < 0 && left < 0 ? (unlink(path), job_done(NULL)) : job_failed("folder \"%.200s\" is not what this run has restored: it stays", folder);
  if (dir == there && renameat(up, name, up, going)) return job_failed("folder \"%.200s\" cannot be moved away", folder);
  if (in_child(empty, dir) || unlinkat(up, going, AT_REMOVEDIR)) return job_failed("not all of \"%.200s\" could be removed; the rest is in \"%s\" beside it", folder, going);
  (void)unlink(path);
  return job_done(NULL);
}
