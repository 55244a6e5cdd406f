/* Starting programs: absolute path, fixed argv, plain environment, a group of its own, an end in time. Used by reeve-sshd-check and reeve-deadman. */
#ifndef REEVE_RUN_H
#define REEVE_RUN_H
#include <stddef.h>
#include <sys/types.h>

#define SYSTEMCTL "/usr/bin/systemctl"
#define SSH_UNIT "ssh.service"

long long now_ms(void);
pid_t start(char *const argv[], int in, int out, int err);
int wait_for(pid_t child, int timeout_ms);
void stop(pid_t child, int grace_ms);
int run(char *const argv[], int timeout_ms, char *output, size_t room);
int tell_sshd(char *problem, size_t room);
#endif
