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

/* REFUSED: the real sshd was not touched. */
enum outcome { FINE, REFUSED, FAILED };

/* Unless it is FINE, `why` says in one line what was wrong. */
enum outcome try_login(const struct request *r, char why[WHY_MAX]);
enum outcome reload_real(const struct request *r, char why[WHY_MAX]);
enum outcome restore_real(char why[WHY_MAX]);
#endif
