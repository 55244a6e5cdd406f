/*
 * reeve-deadman: takes back a change that could have cut the coordinator off, unless it was confirmed in time.
 *
 * usage: reeve-deadman            (reeve-deadman.path keeps it running while there is a file below STATE/pending)
 *        reeve-deadman --boot     (reeve-deadman-boot.service, before the network and before sshd: what is left of another boot is taken back)
 *        reeve-deadman --now      (the package's prerm: everything is taken back)
 *
 * It waits until the file is gone (confirmed), or for its deadline by CLOCK_BOOTTIME, which goes on while the machine sleeps. It needs neither the agent nor the
 * helper, and it may be killed: the next one finds the same file.
 *
 * exit codes: 0 nothing is pending any more; 1 something could not be taken back (systemd starts it again).
 */
#include "pending.h"
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define STATE "/var/lib/reeve-privd"

#define NAT_UNIT "reeve-nat.service"
#define NAT_MS 120000 /* longer than its own limits together */

/* It has its old configuration on disk; telling it is not what taking back depends on. */
static bool tell_running_sshd(void)
{
    char problem[300];
    if (tell_sshd(problem, sizeof problem) < 0) fprintf(stderr, "reeve-deadman: sshd has its old configuration on disk, but could not be told: %s\n", problem);
    return true;
}

/* The table is as it was only when the loader has run. */
static bool load_nat(void)
{
    char *const restart[] = {SYSTEMCTL, "restart", NAT_UNIT, NULL};
    char problem[300];
    if (run(restart, NAT_MS, problem, sizeof problem) == 0) return true;
    fprintf(stderr, "reeve-deadman: the rules confirmed last could not be loaded: %s\n", problem);
    return false;
}

/* How the running programs learn of a revert, in the order of pending_nouns. */
static bool (*const tell[])(void) = {tell_running_sshd, load_nat};

enum verdict { GONE, WAITS, TO_REVERT };
enum mode { STAY, BOOT, NOW };

/* Whether a change is to be taken back now, and why; else until when it waits. */
static enum verdict judge(int pending, const struct pending_noun *noun, enum mode mode, const char *mark, const char **reason, int64_t *deadline)
{
    struct pending change;
    bool begun = faccessat(pending, noun->reverting, F_OK, 0) == 0; /* and was interrupted */
    if (!begun && faccessat(pending, noun->name, F_OK, 0) != 0) return GONE;
    *reason = "its file could not be read";
    if (!pending_get(pending, begun ? noun->reverting : noun->name, &change)) return errno == ENOENT ? GONE : TO_REVERT;
    *reason = "the host was started again before it was confirmed";
    if (strcmp(change.mark, mark) != 0) return TO_REVERT;
    *reason = "the agent was taken off the host";
    if (mode == NOW) return TO_REVERT;
    *reason = change.armed ? "it was not confirmed in time" : "it was interrupted before it was complete";
    if (begun || change.deadline_boot_ms <= now_ms()) return TO_REVERT;
    if (*deadline == 0 || change.deadline_boot_ms < *deadline) *deadline = change.deadline_boot_ms;
    return WAITS;
}

/* True when it went well; nothing is done when it was confirmed at the last moment. */
static bool revert(int state, const struct pending_noun *noun, const char *reason, enum mode mode)
{
    if (pending_revert(state, noun, reason, mode == BOOT ? NULL : tell[noun - pending_nouns])) {
        fprintf(stderr, "reeve-deadman: the change of noun %s was taken back: %s\n", noun->name, reason);
        return true;
    }
    if (errno == ENOENT) return true;
    fprintf(stderr, "reeve-deadman: the change of noun %s cannot be taken back: %s\n", noun->name, strerror(errno));
    return false;
}

/* One look at all of them: false when something could not be taken back. `waiting`: something is still pending. */
static bool look(int state, int pending, const char *mark, enum mode mode, bool *waiting, int64_t *deadline)
{
    bool good = true;
    *waiting = false;
    *deadline = 0;
    for (const struct pending_noun *noun = pending_nouns; noun->name != NULL; noun++) {
        const char *reason;
        enum verdict verdict = judge(pending, noun, mode, mark, &reason, deadline);
        if (verdict == WAITS) *waiting = true;
        if (verdict == TO_REVERT) good = revert(state, noun, reason, mode) && good;
    }
    return good;
}

static void wait_until(int timer, int notify, int64_t deadline)
{
    char events[4096];
    struct itimerspec at = {.it_value = {.tv_sec = deadline / 1000, .tv_nsec = (deadline % 1000) * 1000000 + 1}};
    struct pollfd wait[2] = {{timer, POLLIN, 0}, {notify, POLLIN, 0}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) != 0) return;
    poll(wait, 2, -1);
    while (read(notify, events, sizeof events) > 0) continue;
}

int main(int argc, char **argv)
{
    enum mode mode = argc < 2 ? STAY : strcmp(argv[1], "--boot") == 0 ? BOOT : NOW;
    bool waiting = true;
    char mark[64];
    int64_t deadline;
    if (argc > 2 || (mode == NOW && strcmp(argv[1], "--now") != 0)) {
        fputs("usage: reeve-deadman [--boot|--now]\n", stderr);
        return 2;
    }
    umask(077);
    int state = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0 && errno == ENOENT) return 0;
    int pending = state < 0 ? -1 : openat(state, PENDING_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (pending < 0 && errno == ENOENT) return 0;
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (pending < 0 || timer < 0 || notify < 0 || inotify_add_watch(notify, STATE "/" PENDING_DIR, IN_CREATE | IN_MOVE | IN_DELETE) < 0 || !boot_mark(mark, false)) {
        fprintf(stderr, "reeve-deadman: cannot watch %s/%s: %s\n", STATE, PENDING_DIR, strerror(errno));
        return 1;
    }
    while (waiting) {
        if (!look(state, pending, mark, mode, &waiting, &deadline)) return 1;
        if (mode != STAY) return 0;
        if (waiting) wait_until(timer, notify, deadline);
    }
    return 0;
}
