/* Words of noun backup. Shared with native/job, which reads them out of tickets and off the disk. */
#include "backup_word.h"
#include <string.h>

static bool has_form(const char *s, const char *form, const char *digits) {
  if (strlen(s) != strlen(form)) return false;
  for (; *s; s++, form++) if (*form == 'd' ? !strchr(digits, *s) : *s != *form) return false;
  return true;
}

bool backup_snapshot(const char *s) { return has_form(s, "dddd-dd-ddTddddddZ", "0123456789"); }
bool backup_id(const char *s) { return has_form(s, "dddddddd-dddd-dddd-dddd-dddddddddddd", "0123456789abcdef"); }

bool backup_database(const char *s) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-";
  size_t n = strlen(s);
  return n >= 1 && n <= 63 && strchr(letters, s[0]) && strspn(s, more) == n;
}
