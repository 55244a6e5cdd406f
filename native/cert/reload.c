/*
 * reeve-cert-reload: tells a service that one of its certificates is another one, which the helper cannot do in its sandbox.
 *
 * usage: reeve-cert-reload        (reeve-cert-reload.path starts it when STATE/request is there)
 *
 * The request is three lines: id=, mode=reload, unit=NAME.service. The answer, STATE/result, is three lines: id=, status= (ok, failed), reason=. A unit that does
 * not run is not started. Only root reads and writes that folder.
 *
 * exit codes: 0 there is an answer, or nothing was asked; 1 the request could not be taken, or the answer not be written.
 */
#include "pending.h"
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE "/var/lib/reeve-privd/cert-reload"

enum { REQUEST_MAX = 4096, UNIT_MAX = 127, WHY_MAX = 300, WITHIN_MS = 35000 };

struct request { char id[32], mode[16], unit[UNIT_MAX + 1]; };

static bool take(char **at, const char *key, char *out, size_t room)
{
    size_t n = strlen(key);
    char *line = strsep(at, "\n");
    if (line == NULL || strncmp(line, key, n) != 0 || strlen(line + n) >= room) return false;
    strcpy(out, line + n);
    return true;
}

/* NAME.service: no option, no path, no pattern. */
static bool is_unit(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", end[] = ".service";
    size_t n = strlen(s);
    if (n < sizeof end || strchr(letters, s[0]) == NULL || strcmp(s + n - (sizeof end - 1), end) != 0) return false;
    for (const char *at = s; *at != '\0'; at++) if (strchr(letters, *at) == NULL && strchr("._@-", *at) == NULL) return false;
    return true;
}

/* "reload-or-try-restart" of systemctl(1): without an effect on a unit that does not run. */
static bool reload(const char *unit, char why[WHY_MAX])
{
    char name[UNIT_MAX + 1];
    strcpy(name, unit);
    char *const argv[] = {SYSTEMCTL, "--quiet", "--no-ask-password", "reload-or-try-restart", "--", name, NULL};
    int code = run(argv, WITHIN_MS, why, WHY_MAX);
    if (code == 0) return true;
    if (code < 0) snprintf(why, WHY_MAX, "that took longer than %d s", WITHIN_MS / 1000);
    else if (*why == '\0') snprintf(why, WHY_MAX, "systemctl ended with exit code %d", code);
    return false;
}

int main(void)
{
    struct request r = {"", "", ""};
    char why[WHY_MAX] = "", answer[WHY_MAX + 100];
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    int dir = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return errno == ENOENT ? 0 : 1;
    char *text, *rest;
    if (!request_take(dir, REQUEST_MAX, &text)) return 1;
    if (text == NULL) return 0;
    rest = text;
    bool good = take(&rest, "id=", r.id, sizeof r.id) && take(&rest, "mode=", r.mode, sizeof r.mode) && take(&rest, "unit=", r.unit, sizeof r.unit);
    good = good && rest != NULL && *rest == '\0' && strcmp(r.mode, "reload") == 0 && is_unit(r.unit);
    if (!good) snprintf(why, sizeof why, "the request cannot be read");
    else good = reload(r.unit, why);
    for (char *at = why; *at != '\0'; at++) if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = ' ';
    if (!good) fprintf(stderr, "reeve-cert-reload: %s: %s\n", r.unit, why);
    int n = snprintf(answer, sizeof answer, "id=%s\nstatus=%s\nreason=%s\n", r.id, good ? "ok" : "failed", why);
    free(text);
    return small_put(dir, "result", answer, (size_t)n, 0600) ? 0 : 1;
}
