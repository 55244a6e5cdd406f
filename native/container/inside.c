/* Work on the files of a container, which are whatever somebody put there: in a root that holds nothing but them and programs, as root of the ids of that container alone. */
#include "container.h"
#include "rsync.h"
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define KEEP_FREE (512ull << 20)          /* of a file system, or a twentieth of a small one */
#define LOOK_MS 200
#define COULD_NOT 126

const uint64_t file_caps = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_SETFCAP);

bool has_room(int dir) {
  struct statvfs s;
  if (fstatvfs(dir, &s)) return false;
  uint64_t part = (uint64_t)s.f_blocks * s.f_frsize / 20, keep_free = part < KEEP_FREE ? part : KEEP_FREE;
  return (uint64_t)s.f_bavail * s.f_frsize > keep_free && (s.f_files == 0 || s.f_favail > 1000);
}

static bool write_map(pid_t pid, const char *name, uint32_t base) {
  char path[64], text[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int n = snprintf(text, sizeof text, "0 %u %u\n", base, IDS_EACH);
  AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write(fd, text, (size_t)n) == n;
}

static int complain(const char *what) {
  dprintf(2, "%s (%s)\n", what, error_word());
  return COULD_NOT;
}

/* The same folder among the mounts of this process's own; another one would be taken for it only by somebody who can write there as root. */
static bool bind(struct view *v, int fd, const char *at, bool write, char why[300]) {
  char link[64], path[PATH_ROOM];
  struct stat here, there;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n > 0 ? n : 0] = 0;
  AUTO_FD again = open_plain(path, O_RDONLY | O_DIRECTORY);
  if (again >= 0 && !fstat(fd, &here) && !fstat(again, &there) && here.st_ino == there.st_ino && here.st_dev == there.st_dev) return view_bind(v, again, at, write, why);
  snprintf(why, 300, "a folder is not where it was");
  return false;
}

/* `ready` says that the ids may be mapped, `go` that they are. */
static int child(const struct inside *i, int ready, int go) {
  static struct view v;
  char why[300] = "", byte = 0;
  if (!view_begin(&v, why)) return complain(why);
  /* Before Linux 6.6 a program sets the mode of what it will not follow by /proc/self/fd. */
  AUTO_FD proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0 || !view_bind(&v, proc, "/proc", false, why) || (i->from >= 0 && !bind(&v, i->from, "/from", false, why)) || (i->to >= 0 && !bind(&v, i->to, "/to", true, why)) || !view_build(&v, why)) return complain(why);
  if (i->base && (unshare(CLONE_NEWUSER) || write(ready, "", 1) != 1 || read(go, &byte, 1) != 1)) return complain("this machine does not let root map ids");
  if (dup2(i->in >= 0 ? i->in : open("/dev/null", O_RDONLY | O_CLOEXEC), 0) < 0 || !view_enter(&v, 0, 0, i->caps, i->to >= 0 ? "/to" : NULL, i->devices)) return complain("it cannot be confined");
  umask(022);
  return i->work(i->data);
}

static bool map_ids(const struct inside *i, pid_t pid, int ready, int go) {
  char byte;
  if (!i->base) return true;
  if (read(ready, &byte, 1) != 1) return false;
  return write_map(pid, "uid_map", i->base) && write_map(pid, "gid_map", i->base) && write(go, "", 1) == 1;
}

/* The end of what it says is kept; false: no more comes. */
static bool hear(int fd, struct buf *said) {
  char part[4096];
  ssize_t n = read(fd, part, sizeof part);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n > 0 && said->n + (size_t)n < said->limit) buf_put(said, part, (size_t)n);
  return n > 0;
}

/* NULL, or why it has to end. */
static const char *watch(const struct inside *i, int errors, struct buf *said) {
  struct pace pace;
  pace_begin(&pace);
  for (bool more = true; more;) {
    struct pollfd wait = {errors, POLLIN, 0};
    if (poll(&wait, 1, LOOK_MS) > 0) more = hear(errors, said);
    if (!pace_step(&pace) || agent_gone()) return "the agent has gone";
    if (i->to >= 0 && !has_room(i->to)) return "the file system is full";
  }
  return NULL;
}

int inside_run(const struct inside *i, struct buf *said, char why[WHY]) {
  int errors[2], ready[2], go[2], status = 0;
  char folder[400];
  snprintf(folder, sizeof folder, "%s/job", job.state);
  if (mkdir(folder, 0700) && errno != EEXIST) return snprintf(why, WHY, "a folder cannot be made below the state folder"), -1;
  if (pipe2(errors, O_CLOEXEC) || pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC)) return snprintf(why, WHY, "there are no pipes"), -1;
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);
    (void)dup2(errors[1], 1);
    (void)dup2(errors[1], 2);
    close(ready[0]);
    close(go[1]);
    _exit(child(i, ready[1], go[0]));
  }
  close(errors[1]);
  close(ready[1]);
  close(go[0]);
  (void)fcntl(errors[0], F_SETFL, O_NONBLOCK);
  const char *end = pid > 0 && map_ids(i, pid, ready[0], go[1]) ? watch(i, errors[0], said) : "its ids cannot be mapped";
  if (end && pid > 0) (void)kill(pid, SIGKILL);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  (void)hear(errors[0], said);
  close(errors[0]);
  close(ready[0]);
  close(go[1]);
  if (!end && !(WIFEXITED(status) && WEXITSTATUS(status) != COULD_NOT)) end = "it could not be begun, or was ended";
  char line[400];
  size_t n = 0;
  const char *last = said->n ? last_line((const char *)said->p, said->n, &n) : "";
  plain(line, sizeof line, last, n);
  if (end) snprintf(why, WHY, "%s%s%s", end, n ? ": " : "", line);
  return end ? -1 : WEXITSTATUS(status);
}
