/* What units have written to the journal, in the Journal Export Format (systemd's documentation has it): a binary form, so that no text of a line can be taken for another field. */
#include "unit_work.h"

#define LINES_MOST 100000u
#define FIELDS_WANTED "--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,OBJECT_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_PID"

/* As a match of journalctl(1). */
static bool own_machine(char out[64]) {
  size_t n;
  AUTO_TEXT text = read_whole("/etc/machine-id", 64, &n);
  if (!text || n < 32 || strspn(text, "0123456789abcdef") != 32) return false;
  snprintf(out, 64, "_MACHINE_ID=%.32s", text);
  return true;
}

int unit_log(const struct fields *t) {
  static char matches[UNITS_MOST][UNIT_NAME_MAX + 16];
  char lines[32];
  /* --merge: without it one that follows shows this boot only, and in a sandbox with a /proc of its own a guest does not see its boot id. With it, lines that other machines have sent are left out. */
  const char *argv[10 + UNITS_MOST] = {programs.journalctl, "--quiet", "--no-pager", "--merge", "--output=export", FIELDS_WANTED};
  size_t n = 6, count = 0;
  uint64_t wanted;
  if (!field_number(t, "lines", LINES_MOST, &wanted)) return job_failed("the ticket does not say how many lines");
  snprintf(lines, sizeof lines, "--lines=%llu", (unsigned long long)wanted);
  argv[n++] = lines;
  if (field_flag(t, "follow")) argv[n++] = "--follow";
  for (const char *unit = field(t, "unit"); unit; unit = field_after(t, "unit", unit)) {
    if (!unit_name(unit) || count == UNITS_MOST) return job_failed("the ticket names no unit, or too many");
    snprintf(matches[count], sizeof matches[count], "--unit=%s", unit);
    argv[n++] = matches[count++];
  }
  if (count == 0) return job_failed("the ticket names no unit");
  char machine[64];
  if (!own_machine(machine)) return job_failed("/etc/machine-id cannot be read");
  argv[n++] = machine;
  struct tool tool = {.argv = argv, .in = -1};
  return tool_pass(&tool) ? job_done(NULL) : tool_failed(&tool, "the journal cannot be read");
}
