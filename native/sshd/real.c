/* The real sshd: it answers on its ports, reads its configuration again, and answers there again. */
#include "check.h"
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
#include <unistd.h>

#define PENDING "/var/lib/reeve-privd/pending/key"
#define DEADMAN_UNIT "reeve-deadman.service"

enum { BANNER_MS = 3000, BACK_MS = 10000, NEW_MS = 3000, DEADMAN_MS = 5000, PAUSE_MS = 50 };

struct listen { struct sockaddr_storage address; socklen_t n; int port; bool answers; };

/* "0.0.0.0:22" or "[::]:22", as `sshd -T` shows it; wildcards are asked on loopback. */
static bool parse_listen(const char *text, struct listen *l)
{
    char host[80];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) return false;
    l->port = atoi(colon + 1);
    bool six = text[0] == '[';
    size_t n = (size_t)(colon - text) - (six ? 2 : 0);
    memcpy(host, text + (six ? 1 : 0), n);
    host[n] = '\0';
    memset(&l->address, 0, sizeof l->address);
    if (six) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)&l->address;
        *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)l->port)};
        l->n = sizeof *a;
        if (inet_pton(AF_INET6, host, &a->sin6_addr) != 1) return false;
        if (memcmp(&a->sin6_addr, &in6addr_any, sizeof in6addr_any) == 0) a->sin6_addr = in6addr_loopback;
        return true;
    }
    struct sockaddr_in *a = (struct sockaddr_in *)&l->address;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)l->port)};
    l->n = sizeof *a;
    if (inet_pton(AF_INET, host, &a->sin_addr) != 1) return false;
    if (a->sin_addr.s_addr == htonl(INADDR_ANY)) a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return true;
}

/* Whether "SSH-2.0-" comes from there. RFC 4253 4.2: other lines may come before it. */
static bool banner(const struct listen *l)
{
    char text[512] = "";
    size_t used = 0;
    long long deadline = now_ms() + BANNER_MS;
    int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = false;
    if (fd >= 0 && (connect(fd, (const struct sockaddr *)&l->address, l->n) == 0 || errno == EINPROGRESS)) {
        for (long long left; !good && used < sizeof text - 1 && (left = deadline - now_ms()) > 0;) {
            struct pollfd readable = {fd, POLLIN, 0};
            if (poll(&readable, 1, (int)left) <= 0) break;
            ssize_t got = read(fd, text + used, sizeof text - 1 - used);
            if (got <= 0) break;
            used += (size_t)got;
            text[used] = '\0';
            good = strstr(text, "SSH-2.0-") != NULL;
        }
    }
    if (fd >= 0) close(fd);
    return good;
}

/* A sum of the inodes of sockets that listen on this port (/proc/net/tcp, tcp6): another one after sshd has opened them anew. */
static unsigned long long sockets_of(int port)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6", NULL};
    unsigned long long sum = 0;
    for (const char *const *table = tables; *table != NULL; table++) {
        char line[512];
        FILE *file = fopen(*table, "re");
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            unsigned int local, state;
            unsigned long long inode;
            if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %llu", &local, &state, &inode) == 3 && (int)local == port && state == 0x0a) sum += inode;
        }
        if (file != NULL) fclose(file);
    }
    return sum;
}

/* Never without somebody who would take it back. */
static bool deadman_runs(void)
{
    char *const ask[] = {SYSTEMCTL, "--quiet", "is-active", DEADMAN_UNIT, NULL};
    long long deadline = now_ms() + DEADMAN_MS;
    if (access(PENDING, F_OK) != 0) return false;
    while (run(ask, 5000, NULL, 0) != 0) {
        if (now_ms() > deadline) return false;
        poll(NULL, 0, PAUSE_MS);
    }
    return true;
}

/* Whether all that answered before answers now. */
static bool all_answer(const struct listen *list, size_t n)
{
    for (size_t i = 0; i < n; i++) if (list[i].answers && !banner(&list[i])) return false;
    return true;
}

static bool port_answers(const struct listen *list, size_t n, int port)
{
    for (size_t i = 0; i < n; i++) if (list[i].port == port && list[i].answers) return true;
    return false;
}

static bool look_before(const struct request *r, struct listen *list, char why[WHY_MAX])
{
    for (size_t i = 0; i < r->nlistens; i++) {
        if (!parse_listen(r->listens[i], &list[i])) {
            snprintf(why, WHY_MAX, "its address \"%s\" is not understood", r->listens[i]);
            return false;
        }
        list[i].answers = banner(&list[i]);
    }
    for (size_t i = 0; i < r->nlistens; i++) {
        if (port_answers(list, r->nlistens, list[i].port)) continue;
        snprintf(why, WHY_MAX, "it does not answer on port %d, which its configuration names: it would not come back as it is after a reload", list[i].port);
        return false;
    }
    return true;
}

enum outcome reload_real(const struct request *r, char why[WHY_MAX])
{
    char *const active[] = {SYSTEMCTL, "--quiet", "is-active", SSH_UNIT, NULL}, *const socket_unit[] = {SYSTEMCTL, "--quiet", "is-active", "ssh.socket", NULL};
    static struct listen list[LISTS_MAX];
    char problem[WHY_MAX];
    if (!deadman_runs()) {
        snprintf(why, WHY_MAX, "%s does not run, so nobody would take the change back", DEADMAN_UNIT);
        return REFUSED;
    }
    if (run(active, 5000, NULL, 0) != 0) {
        fprintf(stderr, "reeve-sshd-check: %s does not run: there is nothing to reload\n", SSH_UNIT);
        return FINE;
    }
    if (!look_before(r, list, why)) return REFUSED;
    bool kept = run(socket_unit, 5000, NULL, 0) == 0; /* the listening socket is systemd's */
    int port = r->nlistens > 0 ? list[0].port : 0;
    unsigned long long before = sockets_of(port);
    if (tell_sshd(problem, sizeof problem) != 0) {
        snprintf(why, WHY_MAX, "the reload of %s failed: %.*s", SSH_UNIT, (int)strcspn(problem, "\n"), problem);
        return FAILED;
    }
    long long opened = now_ms() + NEW_MS, back = now_ms() + BACK_MS;
    while (!kept && sockets_of(port) == before && now_ms() < opened) poll(NULL, 0, PAUSE_MS);
    while (!all_answer(list, r->nlistens)) {
        if (now_ms() > back) {
            snprintf(why, WHY_MAX, "after the reload it did not answer any more where it had answered before");
            return FAILED;
        }
        poll(NULL, 0, PAUSE_MS);
    }
    return FINE;
}

enum outcome restore_real(char why[WHY_MAX])
{
    char problem[WHY_MAX];
    if (tell_sshd(problem, sizeof problem) >= 0) return FINE;
    snprintf(why, WHY_MAX, "%s could not be reloaded: %.*s", SSH_UNIT, (int)strcspn(problem, "\n"), problem);
    return FAILED;
}
