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

/* Takes what a pipe holds now; false at its end. More than there is room for is dropped. */
static int drain(int fd, char *output, size_t room, size_t *used)
{
    char scrap[1024];
    for (;;) {
        ssize_t got = read(fd, scrap, sizeof scrap);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0;
        if (output == NULL || *used + (size_t)got >= room) continue;
        memcpy(output + *used, scrap, (size_t)got);
        *used += (size_t)got;
        output[*used] = '\0';
    }
}

/* Runs a program to its end: its exit code, 128 + signal, 127 when it cannot be started, or -1 when it passed its time (it is killed then).
   What it prints goes into `output` (when given), always ended by a 0. The end of the pipe is not waited for: a grandchild may hold it. */
int run(char *const argv[], int timeout_ms, char *output, size_t room)
{
    int ends[2];
    size_t used = 0;
    if (output != NULL) output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) return 127;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t child = start(argv, -1, ends[1], ends[1]);
    close(ends[1]);
    if (child < 0) { close(ends[0]); return 127; }
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0), code = -1, open = 1;
    long long deadline = now_ms() + timeout_ms;
    for (long long left; code < 0 && (left = deadline - now_ms()) > 0;) {
        struct pollfd wait[2] = {{pidfd, POLLIN, 0}, {open ? ends[0] : -1, POLLIN, 0}};
        poll(wait, 2, (int)left);
        if (wait[1].revents) open = drain(ends[0], output, room, &used);
        if (wait[0].revents) code = wait_for(child, 100);
    }
    if (code < 0) stop(child, 0);
    if (open) drain(ends[0], output, room, &used); /* what it wrote last */
    if (pidfd >= 0) close(pidfd);
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
