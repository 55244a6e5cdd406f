/* reeve-unit: what its works share. README.md has the contract; frames, tickets and programs are those of native/job and native/container. */
#ifndef REEVE_UNIT_WORK_H
#define REEVE_UNIT_WORK_H
#include "container.h"
#include "unit_word.h"

/* systemctl(1) and journalctl(1); given by hand in tests. */
struct unit_programs { const char *systemctl, *journalctl; };
extern struct unit_programs programs;

/* What systemd knows of a unit; its texts are words of systemd (systemd.unit(5), org.freedesktop.systemd1(5)). */
struct unit_seen {
  char id[UNIT_NAME_MAX + 1], load[32], active[32], sub[32], result[32], invocation[40], type[16];
  char protected_name[UNIT_NAME_MAX + 1];  /* the first of its names that is never restarted; empty: none */
  uint64_t pid, restarts, memory;          /* 0: none, or not known */
  uint64_t since_ms;                       /* wall clock, in the state that it is in; 0: never */
  int code, status;                        /* of its main process, as waitid(2) has them: CLD_EXITED, CLD_KILLED, ...; 0: none has ended */
};
/* The unit of a ticket; NULL: it names none, which the agent was told. */
const char *unit_of(const struct fields *t);
/* False and `why`: systemd does not answer. */
bool unit_look(const char *unit, struct unit_seen *s, char why[WHY]);
/* The result of a work that only looked, or that went well. */
int unit_tell(const struct unit_seen *s);

int unit_status(const struct fields *t);
int unit_restart(const struct fields *t);
int unit_log(const struct fields *t);
#endif
