/*
 * Stands in for nginx in tests of the helper: reads its configuration (include, server, listen, server_name, return, proxy_pass, ssl_certificate, logs), says what is wrong with it
 * in nginx's words, and as master does on SIGHUP what nginx does. A text "says: emerg TEXT" in a configuration is told as such a mistake, "says: nowhere TEXT" without a place.
 *
 * usage: nginx -t -c FILE | nginx              (master, in the foreground)
 *
 * What it has loaded is in /run/serves: the text of each return, by the file. /run/refuse: a reload fails though a test does not.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 4000

const char version[] = "nginx version: nginx/1.22.1";
static char *names[MOST], *defaults[MOST];
static size_t nnames, ndefaults;
static FILE *serves;
static bool testing;

static bool wrong(const char *file, unsigned line, const char *says, const char *what) {
  char place[4200] = "";
  if (file) snprintf(place, sizeof place, " in %s:%u", file, line);
  fprintf(stderr, "nginx: [emerg] %s%s%s\n", says, what, place);
  return false;
}

static bool among(char *const *list, size_t n, const char *word) {
  for (size_t i = 0; i < n; i++) if (strcmp(list[i], word) == 0) return true;
  return false;
}

static bool resolves(const char *host) {
  static char text[1 << 16];
  int fd = open("/etc/hosts", O_RDONLY);
  ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = '\0';
  if (fd >= 0) close(fd);
  return isdigit((unsigned char)host[0]) || strstr(text, host) != NULL;
}

static bool writable(const char *path) {
  char says[4200];
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  snprintf(says, sizeof says, "open() \"%s\" failed (13: Permission denied)", path);
  if (fd < 0) return wrong(NULL, 0, says, "");
  close(fd);
  return true;
}

static bool read_file(const char *file);

static bool include(const char *pattern) {
  glob_t found;
  bool ok = true;
  if (glob(pattern, 0, NULL, &found) != 0) return true;
  for (size_t i = 0; i < found.gl_pathc && ok; i++) ok = read_file(found.gl_pathv[i]);
  globfree(&found);
  return ok;
}

/* One directive in a line, as the helper's files have them. */
static bool directive(const char *file, unsigned line, char *text) {
  char *rest = text + strspn(text, " \t"), *name = strsep(&rest, " ;\n");
  char *argument = rest ? rest + strspn(rest, " \"") : (char[]){""};
  if (strcmp(name, "return") == 0 && strchr(argument, '"')) argument = strchr(argument, '"') + 1;
  argument[strcspn(argument, "\";\n")] = '\0';
  if (strcmp(name, "include") == 0) return include(argument);
  if (strcmp(name, "frobnicate") == 0) return wrong(file, line, "unknown directive \"frobnicate\"", "");
  if (strcmp(name, "return") == 0) {
    if (strncmp(argument, "says: emerg ", 12) == 0) return wrong(file, line, argument + 12, "");
    if (strncmp(argument, "says: nowhere ", 14) == 0) return wrong(NULL, 0, argument + 14, "");
    if (serves) fprintf(serves, "%s %s\n", file, argument);
  } else if (strcmp(name, "listen") == 0 && strstr(rest, "default_server")) {
    if (among(defaults, ndefaults, argument)) return wrong(file, line, "a duplicate default server for ", argument);
    defaults[ndefaults++] = strdup(argument);
  } else if (strcmp(name, "server_name") == 0) {
    if (among(names, nnames, argument)) fprintf(stderr, "2026/01/01 00:00:00 [warn] 1#1: conflicting server name \"%s\" on 0.0.0.0:80, ignored\n", argument);
    names[nnames++] = strdup(argument);
  } else if (strcmp(name, "proxy_pass") == 0) {
    char *host = strstr(argument, "://");
    if (host) host[3 + strcspn(host + 3, ":/")] = '\0';
    if (host && !resolves(host + 3)) {
      char says[4200];
      snprintf(says, sizeof says, "host not found in upstream \"%s\"", host + 3);
      return wrong(file, line, says, "");
    }
  } else if (strcmp(name, "ssl_certificate") == 0 && access(argument, R_OK) != 0) {
    char says[4200];
    snprintf(says, sizeof says, "cannot load certificate \"%s\": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory)", argument);
    return wrong(NULL, 0, says, "");
  } else if (testing && (strcmp(name, "access_log") == 0 || strcmp(name, "error_log") == 0 || strcmp(name, "pid") == 0)) {
    return writable(argument);
  }
  return true;
}

static bool read_file(const char *file) {
  char text[4200];
  bool ok = true;
  FILE *in = fopen(file, "re");
  if (!in) return wrong(NULL, 0, "open() failed: ", file);
  for (unsigned line = 1; ok && fgets(text, sizeof text, in); line++) ok = directive(file, line, text);
  fclose(in);
  return ok;
}

static bool load(const char *conf) {
  nnames = ndefaults = 0;
  serves = testing ? NULL : fopen("/run/serves.new", "we");
  bool ok = read_file(conf) && (testing || access("/run/refuse", F_OK) != 0);
  if (serves) fclose(serves);
  serves = NULL;
  return ok;
}

static pid_t start_worker(void) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGHUP, SIG_IGN);
  for (;;) pause();
}

static void hang_up(int signal_number) { (void)signal_number; }

static int master(const char *conf) {
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGHUP);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  sigaction(SIGHUP, &(struct sigaction){.sa_handler = hang_up}, NULL);
  pid_t worker = 0;
  for (bool first = true;; first = false) {
    if (load(conf)) {
      pid_t old = worker;
      rename("/run/serves.new", "/run/serves");
      worker = start_worker();
      usleep(20000);
      if (old > 0 && kill(old, SIGKILL) == 0) waitpid(old, NULL, 0);
    } else if (worker == 0) {
      return 1;
    }
    FILE *pid = first ? fopen("/run/nginx.pid", "we") : NULL;
    if (pid) fprintf(pid, "%d\n", getpid()), fclose(pid);
    sigsuspend(&none);
  }
}

int main(int argc, char **argv) {
  static char title[] = "nginx: master process /usr/sbin/nginx";
  testing = argc > 1 && strcmp(argv[1], "-t") == 0;
  const char *conf = argc > 3 ? argv[3] : "/etc/nginx/nginx.conf";
  if (testing) return load(conf) ? 0 : 1;
  if (strncmp(argv[0], "nginx: master", 13) == 0) return master(conf);
  execv("/usr/sbin/nginx", (char *[]){title, NULL});
  return version[0] != 'n';
}
