/* Folders that a restore makes only to be proved. */
#ifndef REEVE_JOB_MADE_H
#define REEVE_JOB_MADE_H
#include "job.h"

/* Notes that this folder was made by a run. */
bool made_note(const char *run, const char *folder, int dir);
/* Becomes root of that folder only, with these capabilities. For a child. */
bool folder_become(int dir, uint64_t caps);
/* Runs it in a child; answers what that answered, or -1. */
int in_child(int (*work)(int dir), int dir);
#endif
