#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Descriptors of -1 are /dev/null. The process id, or -1. */
pid_t start(char *const argv[], int in, int out, int err)
{
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t child = null < 0 ? -1 : fork();
    if (child == 0) {
        setpgid(0, 0);
        if (dup2(in < 0 ? null : in, 0) < 0 || dup2(out < 0 ? null : out, 1) < 0 || dup2(err < 0 ? null : err, 2) < 0) _exit(127);
        syscall(SYS_close_range, 3U, ~0U, 0U);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    if (null >= 0) close(null);
    return child;
}

/* Its exit code, 128 + signal, or -1 when it has not ended in time. */
int wait_for(pid_t child, int timeout_ms)
{
    int status = 0;
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd ended = {pidfd, POLLIN, 0};
    long long deadline = now_ms() + timeout_ms;
    for (;;) {
        pid_t got = waitpid(child, &status, WNOHANG);
        if (got == child) break;
        long long left = deadline - now_ms();
        if ((got < 0 && errno != EINTR) || left <= 0) {
            if (pidfd >= 0) close(pidfd);
            return -1;
        }
        poll(&ended, 1, (int)left);
    }
    if (pidfd >= 0) close(pidfd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Ends a process and its group: TERM, and KILL after the grace. */
void stop(pid_t child, int grace_ms)
{
    if (child <= 0) return;
    kill(-child, SIGTERM);
    if (wait_for(child, grace_ms) < 0) {
        kill(-child, SIGKILL);
        wait_for(child, 1000);
    }
    kill(-child, SIGKILL);
}

/* Runs a program to its end: its exit code, 128 + signal, 127 when it cannot be started, or -1 when it passed its time (it is killed then).
   What it prints goes into `output` (when given), always ended by a 0. The end of the pipe is not waited for: a grandchild may hold it. */
int run(char *const argv[], int timeout_ms, char *output, size_t room)
{
    int ends[2];
    size_t used = 0;
    if (output != NULL) output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return 127;
    pid_t child = start(argv, -1, ends[1], ends[1]);
    close(ends[1]);
    if (child < 0) { close(ends[0]); return 127; }
    long long deadline = now_ms() + timeout_ms;
    int code = -1, open = 1;
    while (now_ms() < deadline) {
        char scrap[1024];
        struct pollfd readable = {open ? ends[0] : -1, POLLIN, 0};
        poll(&readable, 1, 20);
        ssize_t got = open && readable.revents ? read(ends[0], scrap, sizeof scrap) : -1;
        if (got == 0) open = 0;
        if (got > 0 && output != NULL && used + (size_t)got < room) {
            memcpy(output + used, scrap, (size_t)got);
            used += (size_t)got;
            output[used] = '\0';
        }
        if (got <= 0 && (code = wait_for(child, open ? 0 : (int)(deadline - now_ms()))) >= 0) break;
    }
    if (code < 0) stop(child, 0);
    close(ends[0]);
    return code;
}

/* Has a running sshd read its configuration again, and starts one that failed. With a socket unit and no daemon there is nothing to do. 0: told, 1: not running, -1: failed. */
int tell_sshd(char *problem, size_t room)
{
    char *const reload[] = {SYSTEMCTL, "reload", SSH_UNIT, NULL}, *const begin[] = {SYSTEMCTL, "start", SSH_UNIT, NULL};
    char *const forget[] = {SYSTEMCTL, "reset-failed", SSH_UNIT, NULL}, *const state[] = {SYSTEMCTL, "is-active", SSH_UNIT, NULL};
    char word[256];
    problem[0] = '\0';
    run(state, 10000, word, sizeof word);
    word[strcspn(word, "\n")] = '\0';
    if (!strcmp(word, "inactive") || word[0] == '\0') return 1;
    if (!strcmp(word, "failed")) {
        run(forget, 10000, NULL, 0);
        return run(begin, 15000, problem, room) == 0 ? 0 : -1;
    }
    return run(reload, 15000, problem, room) == 0 ? 0 : -1;
}
