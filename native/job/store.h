/* The folder of a job, for those who make it. */
#ifndef REEVE_JOB_STORE_H
#define REEVE_JOB_STORE_H
#include "job.h"

enum store_kind { STORE_BROKEN, STORE_MISSING, STORE_EMPTY, STORE_OURS, STORE_FOREIGN, STORE_OTHERS };

/* What is at the ticket's folder; `dir` is open when something is (-1 otherwise), `why` says what is wrong with it. Changes nothing. */
enum store_kind store_look(const struct fields *t, int *dir, char why[300]);
/* The folder above one of a job, in which only root can make something, and the last part of its path. -1 and `why`. */
int store_above(const char *path, char name[256], char why[300]);
/* The folder above one that is restored to, the last part of its path, and how it is. False and `why`. */
bool target_look(const char *path, int *above, char name[256], enum store_kind *kind, char why[300]);
/* Writes a small file whole, and synced. For those who have become reeve-backup. */
bool store_put(int dir, const char *name, const char *text);
#endif
