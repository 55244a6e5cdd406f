/*
 * reeve-sshd-check: what the helper cannot do in its sandbox when it tells sshd of managed key files.
 *
 * usage: reeve-sshd-check         (reeve-sshd-check.path starts it when STATE/request is there)
 *
 * The request is lines of key=value: id, mode, and what the mode needs.
 *   login    user, paths, hostkey...: a second sshd with the real configuration must let a throw-away key in as this user.
 *   reload   listen...: the real sshd answers where it should, reads its configuration again, and answers there again.
 *   restore  the real sshd reads its configuration again; when it failed, it is started.
 *   prepare  nothing: the unit of this program has made /run/sshd, which sshd wants for every check of its configuration.
 * The answer, STATE/result, is three lines: id=, status= (ok, refused: the real sshd was not touched, failed), reason=. Only root reads and writes that folder.
 *
 * exit codes: 0 there is an answer, or nothing was asked; 1 the answer could not be written.
 */
#include "check.h"
#include "pending.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE "/var/lib/reeve-privd/sshd-check"
#define REQUEST_MAX (128u << 10)

static bool take(const char *line, const char *key, char *out, size_t room)
{
    size_t n = strlen(key);
    if (strncmp(line, key, n) != 0 || strlen(line + n) >= room) return false;
    strcpy(out, line + n);
    return true;
}

/* False when a line is none of ours, or too long. */
static bool parse(struct request *r, char *text)
{
    memset(r, 0, sizeof *r);
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        if (*line == '\0') continue;
        if (take(line, "id=", r->id, sizeof r->id) || take(line, "mode=", r->mode, sizeof r->mode)) continue;
        if (take(line, "user=", r->user, sizeof r->user) || take(line, "paths=", r->paths, sizeof r->paths)) continue;
        if (r->nhostkeys < LISTS_MAX && take(line, "hostkey=", r->hostkeys[r->nhostkeys], sizeof r->hostkeys[0])) { r->nhostkeys++; continue; }
        if (r->nlistens < LISTS_MAX && take(line, "listen=", r->listens[r->nlistens], sizeof r->listens[0])) { r->nlistens++; continue; }
        return false;
    }
    return r->id[0] != '\0';
}

static enum outcome perform(const struct request *r, char why[WHY_MAX])
{
    if (strcmp(r->mode, "login") == 0) return try_login(r, why);
    if (strcmp(r->mode, "reload") == 0) return reload_real(r, why);
    if (strcmp(r->mode, "restore") == 0) return restore_real(why);
    if (strcmp(r->mode, "prepare") == 0) return FINE;
    snprintf(why, WHY_MAX, "mode \"%s\" is not known", r->mode);
    return REFUSED;
}

int main(void)
{
    struct request request;
    char why[WHY_MAX] = "", answer[WHY_MAX + 100];
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    int dir = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return errno == ENOENT ? 0 : 1;
    char *text;
    if (!request_take(dir, REQUEST_MAX, &text)) return 1;
    if (text == NULL) return 0;
    static const char *const words[] = {[FINE] = "ok", [REFUSED] = "refused", [FAILED] = "failed"};
    enum outcome outcome = REFUSED;
    if (!parse(&request, text)) snprintf(why, sizeof why, "the request cannot be read");
    else outcome = perform(&request, why);
    for (char *at = why; *at != '\0'; at++) if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = ' ';
    if (outcome != FINE) fprintf(stderr, "reeve-sshd-check: %s: %s\n", request.mode, why);
    int n = snprintf(answer, sizeof answer, "id=%s\nstatus=%s\nreason=%s\n", request.id, words[outcome], why);
    free(text);
    return small_put(dir, "result", answer, (size_t)n, 0600) ? 0 : 1;
}
