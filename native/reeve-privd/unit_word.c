/* Words of noun unit (shared/model/unit.ts is the twin of this file). Shared with native/unit. */
#include "unit_word.h"
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@-";

static bool ends(const char *s, size_t n, const char *end) {
  size_t length = strlen(end);
  return n > length && !strcmp(s + n - length, end);
}

static bool begins(const char *s, const char *head) { return !strncmp(s, head, strlen(head)); }

bool unit_name(const char *s) {
  size_t n = strlen(s);
  if (n > UNIT_NAME_MAX || strspn(s, letters) != n || s[0] == '-' || s[0] == '.' || s[0] == '@') return false;
  if (!ends(s, n, ".service") && !ends(s, n, ".timer") && !ends(s, n, ".socket")) return false;
  /* NAME@.service is a template: nothing that runs. */
  return strrchr(s, '.')[-1] != '@';
}

/* The word that a name begins with: what is before its first "@", or before its suffix. */
static bool is_word(const char *s, const char *word) {
  size_t n = strlen(word);
  if (!begins(s, word)) return false;
  return s[n] == '@' || !strcmp(s + n, ".service") || !strcmp(s + n, ".socket") || !strcmp(s + n, ".timer");
}

const char *unit_floor(const char *s) {
  if (begins(s, "reeve")) return "it is Reeve's own, or a container of it";
  if (begins(s, "systemd-")) return "it is part of systemd";
  if (begins(s, "dbus")) return "it is the bus that services of this host talk over";
  if (is_word(s, "ssh") || is_word(s, "sshd")) return "it lets people in when all else fails";
  return NULL;
}

bool unit_next(const char **at, char unit[UNIT_NAME_MAX + 1]) {
  size_t n = strcspn(*at, ",");
  if (n == 0 || n > UNIT_NAME_MAX) return false;
  memcpy(unit, *at, n);
  unit[n] = 0;
  *at += n + ((*at)[n] == ',');
  return true;
}
