/* Making of real files what rsync's --fake-super would have stored. */
#ifndef REEVE_JOB_CONVERT_H
#define REEVE_JOB_CONVERT_H
#include "tree.h"

/* `stash`: a folder of root on the same file system, where what takes the place of links and devices is made. */
struct convert { int stash; struct pace pace; char problem[300]; uint64_t files, bytes; };

/* A file or folder below `dir` that crosses no mount and no link, O_PATH; -1. */
int convert_open(int dir, const char *path, int flags);
/* A whole tree and its root, repeatable after a crash at any point. False: `problem`, or (when it is empty) the agent has gone. */
bool convert_tree(struct convert *c, int root);
/* Counts it, and sees that nothing in it is left to be made. */
bool convert_count(struct convert *c, int root);
#endif
