#ifndef REEVE_SSHD_CHECK_H
#define REEVE_SSHD_CHECK_H
#include <stdbool.h>
#include <stddef.h>

enum { LISTS_MAX = 32, VALUE_MAX = 1100, WHY_MAX = 300 };

/* What the helper asks for. */
struct request {
    char id[32], mode[16], user[40], paths[VALUE_MAX];
    char hostkeys[LISTS_MAX][256], listens[LISTS_MAX][96];
    size_t nhostkeys, nlistens;
};

/* Each is true when it went well; else `why` says in one line what did not. */
bool try_login(const struct request *r, char why[WHY_MAX]);
bool reload_real(const struct request *r, char why[WHY_MAX]);
bool restore_real(char why[WHY_MAX]);
#endif
