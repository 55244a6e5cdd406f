/* Words of noun backup: the name of a snapshot (2026-01-31T090500Z), an id (a UUID in lower case), a database. */
#ifndef REEVE_BACKUP_WORD_H
#define REEVE_BACKUP_WORD_H
#include <stdbool.h>

bool backup_snapshot(const char *s);
bool backup_id(const char *s);
bool backup_database(const char *s);
#endif
