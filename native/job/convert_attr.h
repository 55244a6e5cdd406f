/* Attributes of files that are made what --fake-super would have stored. */
#ifndef REEVE_JOB_CONVERT_ATTR_H
#define REEVE_JOB_CONVERT_ATTR_H
#include "tree.h"

/* Access lists and capabilities into attributes that reeve-backup can read. Before the owner changes. False and errno. */
bool attributes_keep(int fd);
/* What the file really is. */
bool attribute_stat(int fd, const struct entry *e);
/* The time of a folder, kept in it while what is in it is exchanged, and given back. Repeatable. */
bool time_keep(int folder);
bool time_give_back(int folder);
#endif
