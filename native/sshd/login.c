/* A login with a key that exists for its length only: a listener on a loopback port that the kernel gives, sshd with the real configuration behind the one
 * connection it takes (as inetd would start it), and ssh in front. Keys and configuration are in a folder of root's own; the public half must be readable
 * to the user, in a folder that sshd trusts. */
#include "check.h"
#include "pending.h"
#include "run.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SSHD "/usr/sbin/sshd"
#define SSH "/usr/bin/ssh"
#define KEYGEN "/usr/bin/ssh-keygen"
#define MAIN_FILE "/etc/ssh/sshd_config"
#define AUTHORIZED_DIR "/run/reeve-sshd"
#define ALIAS "reeve-check"

enum { LOGIN_MS = 20000, ACCEPT_MS = 8000, TEXT_MAX = 16384, LOG_MAX = 32768 };

struct place { char dir[64], key[96], public[96], match[96], config[96], known[96]; int fd, authorized; };
struct trial { int listener, connection, log; pid_t client, server; };

static bool put(int dir, const char *name, const char *text, mode_t mode) { return small_put(dir, name, text, strlen(text), mode); }

static bool make_place(struct place *p)
{
    strcpy(p->dir, "/tmp/reeve-sshd-XXXXXX");
    if (mkdtemp(p->dir) == NULL) return false;
    snprintf(p->key, sizeof p->key, "%s/key", p->dir);
    snprintf(p->public, sizeof p->public, "%s/key.pub", p->dir);
    snprintf(p->match, sizeof p->match, "%s/match", p->dir);
    snprintf(p->config, sizeof p->config, "%s/sshd_config", p->dir);
    snprintf(p->known, sizeof p->known, "%s/known", p->dir);
    p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdir(AUTHORIZED_DIR, 0755) != 0 && errno != EEXIST) return false;
    p->authorized = open(AUTHORIZED_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return p->fd >= 0 && p->authorized >= 0 && fchmod(p->authorized, 0755) == 0;
}

static void drop_place(struct place *p)
{
    static const char *const names[] = {"key", "key.pub", "match", "sshd_config", "known", NULL};
    for (const char *const *name = names; p->fd >= 0 && *name != NULL; name++) unlinkat(p->fd, *name, 0);
    if (p->authorized >= 0) unlinkat(p->authorized, "authorized", 0);
    if (p->fd >= 0) close(p->fd);
    if (p->authorized >= 0) close(p->authorized);
    rmdir(p->dir);
}

/* The throw-away key, where sshd looks for it, and "SHA256:..." as sshd logs it. */
static bool make_key(const struct place *p, char *print, size_t room)
{
    char *const make[] = {KEYGEN, "-q", "-t", "ed25519", "-N", "", "-C", ALIAS, "-f", (char *)p->key, NULL};
    char *const show[] = {KEYGEN, "-l", "-f", (char *)p->public, NULL};
    char shown[512];
    if (run(make, 10000, NULL, 0) != 0) return false;
    char *public = small_get(p->fd, "key.pub", 4096, NULL);
    bool ok = public != NULL && put(p->authorized, "authorized", public, 0644) && run(show, 10000, shown, sizeof shown) == 0;
    free(public);
    const char *at = ok ? strstr(shown, "SHA256:") : NULL;
    if (at == NULL) return false;
    snprintf(print, room, "%.*s", (int)strcspn(at, " \n"), at);
    return true;
}

/* What the client must find: the host's own keys. Their public halves lie beside them, or are computed. */
static bool pin_host_keys(const struct request *r, const struct place *p)
{
    char text[TEXT_MAX] = "", line[4096];
    for (size_t i = 0; i < r->nhostkeys; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s.pub", r->hostkeys[i]);
        char *public = small_get(AT_FDCWD, path, sizeof line - 1, NULL);
        char *const compute[] = {KEYGEN, "-y", "-P", "", "-f", (char *)r->hostkeys[i], NULL};
        if (public == NULL && run(compute, 10000, line, sizeof line) != 0) continue;
        if (public != NULL) snprintf(line, sizeof line, "%s", public);
        free(public);
        line[strcspn(line, "\n")] = '\0';
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s %s\n", ALIAS, line);
    }
    return text[0] != '\0' && put(p->fd, "known", text, 0600);
}

/* The real configuration; before it, for this user, its own paths with the throw-away key's behind them. The first Match that applies is what counts. */
static bool make_config(const struct request *r, const struct place *p)
{
    char match[VALUE_MAX + 200], config[256];
    snprintf(match, sizeof match, "Match User %s\n    AuthorizedKeysFile %s %s/authorized\n", r->user, r->paths, AUTHORIZED_DIR);
    snprintf(config, sizeof config, "Include %s\nInclude %s\n", p->match, MAIN_FILE);
    return put(p->fd, "match", match, 0600) && put(p->fd, "sshd_config", config, 0600);
}

static int listen_loopback(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
        if (fd >= 0) close(fd);
        return -1;
    }
    snprintf(port, 8, "%u", ntohs(address.sin_port));
    return fd;
}

/* One connection; sshd gets it as its standard input and output. */
static bool begin(struct trial *t, const struct request *r, const struct place *p)
{
    char port[8], identity[120], known[120];
    int logs[2];
    t->listener = listen_loopback(port);
    if (t->listener < 0) return false;
    snprintf(identity, sizeof identity, "IdentityFile=%s", p->key);
    snprintf(known, sizeof known, "UserKnownHostsFile=%s", p->known);
    char *const client[] = {SSH, "-F", "none", "-N", "-T", "-p", port, "-l", (char *)r->user, "-o", identity, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
        "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey", "-o", "StrictHostKeyChecking=yes", "-o", known, "-o", "GlobalKnownHostsFile=/dev/null",
        "-o", "HostKeyAlias=" ALIAS, "-o", "CheckHostIP=no", "-o", "UpdateHostKeys=no", "-o", "ConnectTimeout=10", "127.0.0.1", NULL};
    char *const server[] = {SSHD, "-i", "-e", "-f", (char *)p->config, "-o", "LogLevel=VERBOSE", "-o", "LoginGraceTime=15", "-o", "PidFile=none", NULL};
    t->client = start(client, -1, -1, -1);
    struct pollfd arrives = {t->listener, POLLIN, 0};
    if (t->client < 0 || poll(&arrives, 1, ACCEPT_MS) <= 0) return false;
    t->connection = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
    if (t->connection < 0 || pipe2(logs, O_CLOEXEC) != 0) return false;
    t->log = logs[0];
    t->server = start(server, t->connection, t->connection, logs[1]);
    close(logs[1]);
    close(t->connection);
    t->connection = -1;
    return t->server > 0;
}

static void end(struct trial *t)
{
    stop(t->client, 1000);
    stop(t->server, 3000);
    if (t->listener >= 0) close(t->listener);
    if (t->connection >= 0) close(t->connection);
    if (t->log >= 0) close(t->log);
}

/* "Accepted publickey for USER ...", or "Partial publickey for USER ..." where a second factor follows; with our key. */
static bool accepted(const char *log, const char *user, const char *print)
{
    char one[80], two[80];
    snprintf(one, sizeof one, "Accepted publickey for %s from ", user);
    snprintf(two, sizeof two, "Partial publickey for %s from ", user);
    for (const char *line = log; *line != '\0';) {
        const char *stop_at = strchrnul(line, '\n'), *found = strstr(line, one);
        if (found == NULL || found > stop_at) found = strstr(line, two);
        const char *key = strstr(line, print);
        if (found != NULL && found < stop_at && key != NULL && key < stop_at) return true;
        line = *stop_at != '\0' ? stop_at + 1 : stop_at;
    }
    return false;
}

/* The line of sshd's log that says most. */
static void explain(const char *log, const char *user, char why[WHY_MAX])
{
    static const char *const telling[] = {"not allowed because", "fatal:", "bad ownership", "Authentication refused", "Access denied", "error:", "Failed publickey",
        "authenticating user", "Connection closed", "Connection reset", NULL};
    for (const char *const *word = telling; *word != NULL; word++) {
        const char *at = strstr(log, *word), *from = at;
        if (at == NULL) continue;
        while (from > log && from[-1] != '\n') from--;
        snprintf(why, WHY_MAX, "it did not take a throw-away key for user \"%s\": %.*s", user, (int)strcspn(from, "\r\n"), from);
        return;
    }
    snprintf(why, WHY_MAX, "it did not take a throw-away key for user \"%s\", and does not say why", user);
}

static bool watch(const struct trial *t, const struct request *r, const char *print, char why[WHY_MAX])
{
    static char log[LOG_MAX];
    size_t used = 0;
    long long deadline = now_ms() + LOGIN_MS;
    while (used < sizeof log - 1) {
        struct pollfd readable = {t->log, POLLIN, 0};
        long long left = deadline - now_ms();
        if (left <= 0 || (poll(&readable, 1, (int)left) < 0 && errno != EINTR)) break;
        if (readable.revents == 0) continue;
        ssize_t got = read(t->log, log + used, sizeof log - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
        log[used] = '\0';
        if (accepted(log, r->user, print)) return true;
        if (strstr(log, "Failed publickey for") != NULL || strstr(log, "not allowed because") != NULL) break;
    }
    explain(log, r->user, why);
    return false;
}

enum outcome try_login(const struct request *r, char why[WHY_MAX])
{
    char print[80];
    struct place p = {.fd = -1, .authorized = -1};
    struct trial t = {.listener = -1, .connection = -1, .log = -1};
    bool good = false;
    if (!make_place(&p)) snprintf(why, WHY_MAX, "a place for a throw-away key cannot be made (%s)", strerror(errno));
    else if (!make_key(&p, print, sizeof print)) snprintf(why, WHY_MAX, "ssh-keygen did not make a throw-away key");
    else if (!pin_host_keys(r, &p)) snprintf(why, WHY_MAX, "it has no host key that can be read");
    else if (!make_config(r, &p)) snprintf(why, WHY_MAX, "the configuration of a second sshd cannot be written (%s)", strerror(errno));
    else if (!begin(&t, r, &p)) snprintf(why, WHY_MAX, "a second sshd could not be started, or ssh did not reach it");
    else good = watch(&t, r, print, why);
    end(&t);
    drop_place(&p);
    return good ? FINE : REFUSED;
}
