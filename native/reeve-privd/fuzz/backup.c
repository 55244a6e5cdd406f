/* Fuzz target: fields of noun backup, and the ticket that lists become. */
#include "../tests/globals.h"
#include "../backup.h"

/* What is taken leads nowhere else and is one rule of rsync on one line. */
static void one_line(const char *s) {
  if (backup_folder(s) && (s[0] != '/' || strstr(s, "/../") || strpbrk(s, "\n\r*?[\\") || strlen(s) > 1024)) abort();
  if (backup_exclude(s) && (strpbrk(s, "\n\r") || !*s || strchr("!;#", s[0]) || (strchr("+-.:", s[0]) && s[1] == ' '))) abort();
  if (backup_snapshot(s) && strlen(s) != 18) abort();
  if (backup_id(s) && strlen(s) != 36) abort();
  if (backup_database(s) && (s[0] == '-' || strlen(s) > 63 || strpbrk(s, " ;'\"$/"))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  struct call c;
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = 0;
  one_line(text);
  call_init(&c);
  struct value v = {.set = true, .text = text, .n = size};
  struct ticket t;
  ticket_begin(&t, &c, "send");
  if (!backup_check_list(&c, "excludes", &v, backup_exclude, 200)) {
    size_t before = t.text.n;
    ticket_lines(&t, "exclude", &v);
    for (size_t at = before; at < t.text.n && !t.text.full;) {
      const char *field = (const char *)t.text.p + at;
      if (strncmp(field, "exclude=", 8) || !backup_exclude(field + 8)) abort();
      at += strlen(field) + 1;
    }
  }
  (void)backup_check_path(&c, &v);
  (void)backup_check_target(&c, &v);
  buf_free(&t.text);
  call_free(&c);
  free(text);
  return 0;
}
