/* Noun unit: units of systemd. The helper only says whether; native/unit does the work. */
#ifndef REEVE_UNIT_H
#define REEVE_UNIT_H
#include "ticket.h"
#include "unit_word.h"

#define UNIT_TICKETS "unit-job"                  /* below the state folder */
#define UNIT_RULE "at most 255 of A-Z, a-z, 0-9 and :_.@-, ending in .service, .timer or .socket, no template, are wanted"

verb_fn check_unit_status, check_unit_restart, check_unit_log, allow_unit_log;
verb_fn op_unit_status, op_unit_restart, op_unit_log;
#endif
