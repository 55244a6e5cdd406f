/*
 * reeve-upgrade: puts a new agent in the place of the old one, watches it, and goes back when it does not serve.
 *
 * usage: reeve-upgrade            (reeve-agent-upgrade.service runs it; the package's postinst starts that, and so does the next boot)
 *
 * The package's preinst kept the old program in PROGRAM/previous and pointed PROGRAM/current there; postinst wrote "OLD NEW" into STATE/pending.
 * Here, the running agent ends its operations and stops, `current` is switched to the new program, and the agent is started. It serves when systemd
 * has heard READY from it, and its own check ("reeve-agent serving": helper and TLS) finds nothing, twice in one process's life. If that is not so
 * within the time, `current` is switched back, the old agent is started, and STATE/note says why in one line of JSON.
 *
 * It is C, not JavaScript, so that a broken runtime is a thing it can go back from.
 *
 * exit codes: 0 the new program serves, or there was nothing to do; 1 reverted, or could not be reverted (standard error says which).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "/usr/lib/reeve-agent"
#define CURRENT PROGRAM "/current"
#define STATE "/var/lib/reeve-agent-upgrade"
#define SYSTEMCTL "/usr/bin/systemctl"
#define AGENT "reeve-agent.service"
#define HELPER "reeve-privd.service"
#define HELPER_SOCKET "reeve-privd.socket"

enum {
    VERSION_MAX = 64, OUTPUT_MAX = 4096, REASON_MAX = 400,
    TOTAL_MS = 45000,       /* from the stop of the old agent to the verdict; the old one is back within 60 s */
    LEAST_MS = 20000,       /* that a new agent has at least, when the old one took long to end its operations */
    LOOK_MS = 300, STOP_MS = 40000, START_MS = 20000, CHECK_MS = 10000, SETTLED_MS = 3000,
    FAILING_MS = 20000,     /* of an agent that is ready, but whose check finds something */
    RESTARTS = 4            /* a new agent that ended this often has shown enough */
};

struct agent { char state[32], pid[16], status[16]; int restarts; };

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Runs a program with a plain environment to its end; gives its exit code, 128 + signal, or -1 when it passed its time (it is killed then).
   What it prints goes into `output` (when given), always ended by a 0. */
static int run(char *const argv[], int timeout_ms, char *output)
{
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "MALLOC_ARENA_MAX=1", NULL};
    int ends[2];
    size_t used = 0;
    if (output != NULL) output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) return 127;
    pid_t child = fork();
    if (child < 0) { close(ends[0]); close(ends[1]); return 127; }
    if (child == 0) {
        setpgid(0, 0);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    close(ends[1]);
    long long deadline = now_ms() + timeout_ms;
    int code = -1, status = 0;
    /* The end of the pipe is not waited for: a grandchild may hold it. */
    for (;;) {
        struct pollfd wait = {.fd = ends[0], .events = POLLIN};
        if (poll(&wait, 1, 50) == 1) {
            char chunk[512];
            ssize_t got = read(ends[0], chunk, sizeof chunk);
            if (got > 0 && output != NULL) {
                size_t room = OUTPUT_MAX - 1 - used, take = (size_t)got < room ? (size_t)got : room;
                memcpy(output + used, chunk, take);
                used += take;
                output[used] = '\0';
            }
            if (got > 0) continue;
            pause_ms(20);
        }
        if (waitpid(child, &status, WNOHANG) == child) {
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
        if (now_ms() < deadline) continue;
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        break;
    }
    close(ends[0]);
    return code;
}

static int systemctl(const char *verb, const char *option, const char *unit, int timeout_ms)
{
    char *const argv[] = {SYSTEMCTL, (char *)verb, (char *)(option != NULL ? option : "--quiet"), (char *)unit, NULL};
    return run(argv, timeout_ms, NULL);
}

/* Copies the value of KEY= in systemctl's output. */
static void value_of(const char *output, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    value[0] = '\0';
    for (const char *line = output; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, length) != 0 || line[length] != '=') continue;
        snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
        return;
    }
}

static struct agent look(void)
{
    char output[OUTPUT_MAX], restarts[16];
    struct agent agent;
    char *const argv[] = {SYSTEMCTL, "show", "--property=ActiveState,MainPID,NRestarts,ExecMainStatus", AGENT, NULL};
    run(argv, CHECK_MS, output);
    value_of(output, "ActiveState", agent.state, sizeof agent.state);
    value_of(output, "MainPID", agent.pid, sizeof agent.pid);
    value_of(output, "ExecMainStatus", agent.status, sizeof agent.status);
    value_of(output, "NRestarts", restarts, sizeof restarts);
    agent.restarts = atoi(restarts);
    return agent;
}

/* Points `current` somewhere else in one step that is on disk when this returns. */
static int point(const char *target)
{
    int folder = open(PROGRAM, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = folder < 0 || (unlink(CURRENT ".new") != 0 && errno != ENOENT) || symlink(target, CURRENT ".new") != 0
        || rename(CURRENT ".new", CURRENT) != 0 || fsync(folder) != 0;
    if (failed) fprintf(stderr, "reeve-upgrade: %s cannot be pointed to %s: %s\n", CURRENT, target, strerror(errno));
    if (folder >= 0) close(folder);
    return failed ? -1 : 0;
}

/* Whether the agent's own check of itself finds nothing; what it finds goes into `reason`. It runs the program that is watched. */
static int serves(char *reason)
{
    char output[OUTPUT_MAX];
    char *const argv[] = {CURRENT "/node", "--jitless", "--max-semi-space-size=1", "--v8-pool-size=0", CURRENT "/agent.js", "serving", NULL};
    int code = run(argv, CHECK_MS, output);
    if (code == 0) return 1;
    const char *prefix = "Error: The agent does not serve: ", *text = output;
    if (strncmp(text, prefix, strlen(prefix)) == 0) text += strlen(prefix);
    if (code < 0) snprintf(reason, REASON_MAX, "its check of itself did not end within %d s", CHECK_MS / 1000);
    else if (code == 1) snprintf(reason, REASON_MAX, "%.*s", (int)strcspn(text, "\n"), text);
    else snprintf(reason, REASON_MAX, "its check of itself ended with code %d", code);
    return 0;
}

/* Waits until the agent serves; gives 0, or -1 with the reason when it does not by the deadline. */
static int watch(long long begun, long long deadline, char *reason)
{
    char settled[16] = "", found[REASON_MAX] = "", code[16] = "0";
    long long since = 0, failing = 0;
    for (;;) {
        struct agent agent = look();
        if (strcmp(agent.status, "0") != 0 && agent.status[0] != '\0') strcpy(code, agent.status);
        if (agent.restarts >= RESTARTS) {
            snprintf(reason, REASON_MAX, "it ended %d times at once, last with code %s", agent.restarts, code);
            return -1;
        }
        if (strcmp(agent.state, "active") == 0) {
            if (strcmp(agent.pid, settled) != 0) {
                if (serves(found)) {
                    strcpy(settled, agent.pid);
                    since = now_ms();
                    failing = 0;
                } else if (failing == 0) {
                    failing = now_ms();
                }
            } else if (now_ms() - since >= SETTLED_MS) {
                if (serves(found)) return 0;
                settled[0] = '\0';
            }
        }
        if (now_ms() >= deadline || (failing != 0 && now_ms() - failing >= FAILING_MS)) {
            if (found[0] != '\0' && strcmp(agent.state, "active") == 0) snprintf(reason, REASON_MAX, "%s", found);
            else snprintf(reason, REASON_MAX, "it was not ready after %lld s (state %s)", (now_ms() - begun) / 1000, agent.state);
            return -1;
        }
        pause_ms(LOOK_MS);
    }
}

/* Writes a file whole, or not at all. */
static int write_whole(const char *path, const char *text)
{
    char fresh[256];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int failed = file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text) || fsync(file) != 0;
    if (file >= 0) close(file);
    if (failed || rename(fresh, path) != 0) {
        fprintf(stderr, "reeve-upgrade: %s cannot be written: %s\n", path, strerror(errno));
        return -1;
    }
    return 0;
}

/* The note that the agent, its status command and the coordinator show. */
static void write_note(const char *from, const char *to, char *reason)
{
    char text[1024];
    for (char *at = reason; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~' || *at == '\\') *at = '?';
        if (*at == '"') *at = '\'';
    }
    snprintf(text, sizeof text, "{\"from\":\"%s\",\"to\":\"%s\",\"at\":%lld,\"reason\":\"%s\"}\n", from, to, (long long)time(NULL) * 1000, reason);
    write_whole(STATE "/note", text);
}

/* Stops agent and helper, switches, starts. A helper's running child ends first; so do the agent's operations, unless `hard`. */
static int change_to(const char *target, int hard)
{
    if (hard) systemctl("kill", "--signal=SIGKILL", AGENT, STOP_MS);
    systemctl("stop", NULL, AGENT, STOP_MS);
    systemctl("stop", NULL, HELPER, STOP_MS);
    int pointed = point(target);
    systemctl("reset-failed", NULL, HELPER, START_MS);
    systemctl("reset-failed", NULL, HELPER_SOCKET, START_MS);
    systemctl("reset-failed", NULL, AGENT, START_MS);
    systemctl("start", NULL, HELPER_SOCKET, START_MS);
    systemctl("start", "--no-block", AGENT, START_MS);
    return pointed;
}

/* A version may hold what Debian allows in one (deb-version(7)); anything else is not written into the note. */
static int is_version(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~:-")] == '\0';
}

static int read_pending(char *from, char *to)
{
    FILE *file = fopen(STATE "/pending", "re");
    if (file == NULL) return -1;
    int got = fscanf(file, "%63s %63s", from, to);
    fclose(file);
    return got == 2 && is_version(from) && is_version(to) ? 0 : -1;
}

static int revert(const char *from, const char *to, char *reason)
{
    if (access(PROGRAM "/previous/agent.js", R_OK) != 0) {
        fprintf(stderr, "reeve-agent %s does not serve (%s), and there is no program before it to go back to\n", to, reason);
        return 1;
    }
    write_note(from, to, reason);
    change_to("previous", 1);
    long long deadline = now_ms() + START_MS;
    struct agent agent = look();
    while (strcmp(agent.state, "active") != 0 && now_ms() < deadline) {
        pause_ms(LOOK_MS);
        agent = look();
    }
    unlink(STATE "/pending");
    fprintf(stderr, "The upgrade of reeve-agent to %s was reverted because %s; %s runs again (%s)\n", to, reason, from, agent.state);
    return 1;
}

int main(void)
{
    char from[VERSION_MAX], to[VERSION_MAX], reason[REASON_MAX];
    if (read_pending(from, to) != 0) {
        fprintf(stderr, "reeve-upgrade: there is no upgrade to finish\n");
        unlink(STATE "/pending");
        return 0;
    }
    long long begun = now_ms();
    /* What an earlier try left to say is over: this one speaks for itself. */
    unlink(STATE "/note");
    if (change_to(".", 0) != 0) {
        snprintf(reason, sizeof reason, "%s cannot be switched", CURRENT);
        return revert(from, to, reason);
    }
    long long started = now_ms(), deadline = begun + TOTAL_MS;
    if (deadline < started + LEAST_MS) deadline = started + LEAST_MS;
    if (watch(started, deadline, reason) != 0) return revert(from, to, reason);
    unlink(STATE "/pending");
    char *const forget[] = {"/usr/bin/rm", "-rf", "--", PROGRAM "/previous", "/usr/lib/reeve/previous", NULL};
    run(forget, START_MS, NULL);
    fprintf(stderr, "reeve-agent %s serves\n", to);
    return 0;
}
