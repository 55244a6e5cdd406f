/*
 * reeve-notify: tells the service manager about its parent's state, as sd_notify(3) does.
 *
 * usage: reeve-notify KEY=VALUE...        for example: reeve-notify READY=1
 *
 * Node has no datagram Unix sockets, so a service written for it starts this program once, when it is ready. The unit needs
 * NotifyAccess=all, because the message comes from a child; the main process stays the main process.
 *
 * It waits until the service manager has read the message (BARRIER=1): a sender that is gone by then cannot be matched to a unit.
 *
 * exit codes: 0 told; 1 no NOTIFY_SOCKET, or it cannot be reached (a line on standard error says which); 2 bad arguments.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 2048, BARRIER_TIMEOUT_MS = 5000 };

static int fail(const char *what)
{
    fprintf(stderr, "reeve-notify: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Fills in the address named by NOTIFY_SOCKET: an absolute path, or "@name" in the abstract namespace. Gives its length, 0 if unusable. */
static socklen_t notify_address(const char *name, struct sockaddr_un *address)
{
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address->sun_path) return 0;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, length);
    if (name[0] == '@') address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Joins the arguments, one per line. Gives the length, 0 when one is not KEY=VALUE in one line or all are too long. */
static size_t join(int argc, char **argv, char *message)
{
    size_t used = 0;
    for (int i = 1; i < argc; i++) {
        size_t length = strlen(argv[i]);
        const char *equals = strchr(argv[i], '=');
        if (equals == NULL || equals == argv[i] || strchr(argv[i], '\n') != NULL || length + 1 > MESSAGE_MAX - used) return 0;
        memcpy(message + used, argv[i], length);
        used += length;
        message[used++] = '\n';
    }
    return used;
}

/* Sends BARRIER=1 with the write end of a pipe, and waits for the service manager to close it. */
static int barrier(int socket_fd, struct sockaddr_un *address, socklen_t address_length)
{
    char text[] = "BARRIER=1";
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec part = {.iov_base = text, .iov_len = sizeof text - 1};
    struct msghdr message = {.msg_name = address, .msg_namelen = address_length, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    int ends[2];
    if (pipe(ends) != 0) return fail("pipe");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0) return fail("cannot send the barrier");
    close(ends[1]);
    struct pollfd wait = {.fd = ends[0]};
    int closed = poll(&wait, 1, BARRIER_TIMEOUT_MS);
    if (closed == 0) errno = ETIMEDOUT;
    return closed == 1 ? 0 : fail("waiting for the service manager");
}

int main(int argc, char **argv)
{
    char message[MESSAGE_MAX];
    struct sockaddr_un address;
    size_t length = join(argc, argv, message);
    if (length == 0) {
        fprintf(stderr, "usage: reeve-notify KEY=VALUE...\n");
        return 2;
    }
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL) {
        fprintf(stderr, "reeve-notify: NOTIFY_SOCKET is not set: not started by a service manager that wants to be told\n");
        return 1;
    }
    socklen_t address_length = notify_address(name, &address);
    if (address_length == 0) {
        fprintf(stderr, "reeve-notify: NOTIFY_SOCKET \"%s\" is neither an absolute path nor an abstract name\n", name);
        return 1;
    }
    int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) return fail("socket");
    if (sendto(socket_fd, message, length, MSG_NOSIGNAL, (struct sockaddr *)&address, address_length) < 0) return fail(name);
    return barrier(socket_fd, &address, address_length);
}
