/* The folder of a job: making it, knowing it, and working in it as reeve-backup. */
#include "store.h"
#include "made.h"
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define MARK ".reeve-backup"
#define WHY 300
#define LOCK_MS 10000

static int refused(char why[WHY], const char *what) {
  snprintf(why, WHY, "%s", what);
  return -1;
}

static int broken(char why[WHY], const char *what) {
  snprintf(why, WHY, "%s (%s)", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
  return -1;
}

static bool mark_text(const struct fields *t, char out[200]) {
  const char *fleet = field(t, "fleet"), *id = field(t, "job");
  if (!id || !backup_id(id) || (fleet && !backup_id(fleet))) return false;
  snprintf(out, 200, "reeve-backup 1\nfleet=%s\njob=%s\n", fleet ? fleet : "", id);
  return true;
}

/* What is marked: the line of the job decides; the fleet is for people. */
static enum store_kind kind_of(int dir, const char *id) {
  char line[64];
  AUTO_FD fd = openat(dir, MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) {
    AUTO_TEXT text = read_open(fd, 4096, NULL);
    snprintf(line, sizeof line, "\njob=%s\n", id);
    return text && !strncmp(text, "reeve-backup 1\n", 15) && strstr(text, line) ? STORE_OURS : STORE_OTHERS;
  }
  int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *all = copy < 0 ? NULL : fdopendir(copy);
  if (!all) return STORE_FOREIGN;
  enum store_kind kind = STORE_EMPTY;
  for (struct dirent *e; (e = readdir(all));) {
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "lost+found")) kind = STORE_FOREIGN;
  }
  closedir(all);
  return kind;
}

enum store_kind store_look(const struct fields *t, int *dir, char why[WHY]) {
  const char *path = field(t, "folder"), *id = field(t, "job");
  *dir = -1;
  if (!path || !id || !backup_id(id)) return refused(why, "the ticket has no folder or no job"), STORE_BROKEN;
  *dir = open_plain(path, O_RDONLY | O_DIRECTORY);
  if (*dir < 0 && errno == ENOENT) return STORE_MISSING;
  if (*dir < 0) return broken(why, errno == ELOOP ? "a part of its path is a symbolic link" : errno == ENOTDIR ? "it is no folder" : "it cannot be opened"), STORE_BROKEN;
  enum store_kind kind = kind_of(*dir, id);
  if (kind == STORE_FOREIGN) (void)refused(why, "it is not empty, and not of this job: name an empty folder, or one that does not exist yet");
  if (kind == STORE_OTHERS) (void)refused(why, "it belongs to another backup job");
  return kind;
}

/* Only root may write in the folder above: else somebody could exchange what is made there. A folder with the sticky bit keeps others from that, too. */
int store_above(const char *path, char name[256], char why[WHY]) {
  char above[PATH_ROOM];
  struct stat st;
  const char *slash = strrchr(path, '/');
  if (!slash || strlen(slash + 1) > 255 || strlen(path) >= sizeof above) return refused(why, "its path is too long");
  strcpy(name, slash + 1);
  snprintf(above, sizeof above, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  int dir = open_plain(above, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return broken(why, errno == ENOENT ? "the folder above it does not exist" : errno == ELOOP ? "a part of its path is a symbolic link" : "the folder above it cannot be opened");
  if (fstat(dir, &st) || st.st_uid != 0 || (st.st_mode & 022 && !(st.st_mode & S_ISVTX))) {
    close(dir);
    return refused(why, "the folder above it has to belong to root, and nobody else may write there");
  }
  return dir;
}

/* For what rsync's --fake-super keeps. */
static bool has_attributes(int dir) {
  if (fsetxattr(dir, "user.reeve.probe", "1", 1, 0)) return false;
  (void)fremovexattr(dir, "user.reeve.probe");
  return true;
}

bool store_put(int dir, const char *name, const char *text) {
  char fresh[64];
  snprintf(fresh, sizeof fresh, "%s.new", name);
  AUTO_FD fd = openat(dir, fresh, O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd >= 0 && write_whole(fd, text, strlen(text)) && !fsync(fd) && !renameat(dir, fresh, dir, name) && !fsync(dir);
}

/* In the folder, as reeve-backup. */
static int furnish(const struct fields *t, void *data) {
  (void)data;
  static const char *const folders[] = {"snapshots", "info", "trash", NULL};
  char text[200];
  int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (const char *const *f = folders; *f; f++) if (mkdirat(dir, *f, 0700) && errno != EEXIST) return 1;
  if (faccessat(dir, MARK, F_OK, AT_SYMLINK_NOFOLLOW) && !(mark_text(t, text) && store_put(dir, MARK, text))) return 1;
  return 0;
}

int store_make(const struct fields *t, char why[WHY]) {
  const char *path = field(t, "folder");
  char name[256];
  int dir;
  enum store_kind kind = store_look(t, &dir, why);
  if (kind == STORE_BROKEN || kind == STORE_FOREIGN || kind == STORE_OTHERS) {
    if (dir >= 0) close(dir);
    return -1;
  }
  AUTO_FD above = store_above(path, name, why);
  if (above < 0) {
    if (dir >= 0) close(dir);
    return -1;
  }
  if (kind == STORE_MISSING) {
    if (mkdirat(above, name, 0700) && errno != EEXIST) return broken(why, "it cannot be made");
    dir = open_in(above, name, O_RDONLY | O_DIRECTORY);
    if (dir < 0) return broken(why, "it cannot be opened");
    (void)fsync(above);
  }
  if (kind != STORE_OURS && (fchown(dir, job.store_uid, job.store_gid) || fchmod(dir, 0700))) broken(why, "it cannot be given to " STORE_USER);
  else if (!has_attributes(dir)) broken(why, "its file system keeps no user attributes, which owners and modes are kept in");
  else if (store_work(dir, furnish, t, NULL)) broken(why, "its folders cannot be made");
  else return dir;
  close(dir);
  return -1;
}

int store_open(const struct fields *t, char why[WHY]) {
  struct stat st;
  int dir;
  enum store_kind kind = store_look(t, &dir, why);
  if (kind == STORE_OURS && !fstat(dir, &st) && st.st_uid == job.store_uid) return dir;
  if (dir >= 0) close(dir);
  if (kind == STORE_MISSING || kind == STORE_EMPTY) return refused(why, "nothing of this job is there");
  if (kind == STORE_OURS) return refused(why, "it does not belong to " STORE_USER " any more");
  return -1;
}

bool store_lock(int store) {
  /* Stays open, and locked, until the process ends; children have it too. */
  int fd = openat(store, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  if (fchown(fd, job.store_uid, job.store_gid)) return false;
  /* The work before this one has told its result, and perhaps is not quite gone. */
  for (int64_t until = job_now_ms() + LOCK_MS; flock(fd, LOCK_EX | LOCK_NB);) {
    if (errno != EWOULDBLOCK || job_now_ms() > until || agent_gone()) return false;
    (void)poll(NULL, 0, 20);
  }
  return true;
}

int store_work(int store, int (*work)(const struct fields *t, void *data), const struct fields *t, void *data) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    if (!store_become(store)) _exit(126);
    _exit(work(t, data));
  }
  while (pid > 0 && waitpid(pid, &status, 0) < 0) if (errno != EINTR) return -1;
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 126 ? WEXITSTATUS(status) : -1;
}

int in_child(int (*work)(int dir), int dir) {
  int status;
  pid_t pid = fork();
  if (pid == 0) _exit(work(dir));
  while (pid > 0 && waitpid(pid, &status, 0) < 0) if (errno != EINTR) return -1;
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
