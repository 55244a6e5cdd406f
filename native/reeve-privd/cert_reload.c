/* Telling who uses a certificate that it is another one. */
#include "cert.h"
#include "vhost_set.h"

#define FOLDER "cert-reload"

/* The web server, when a site of the set in place has it. */
uint16_t cert_reload_sites(struct call *c, const char *name) {
  char site[256];
  uint16_t status = cert_site(c, name, site, sizeof site);
  return status || !*site ? status : vhost_reload(c);
}

static uint16_t reload_unit(struct call *c, const char *unit) {
  char lines[CERT_UNIT_MAX + 16], why[300], rule[480];
  AUTO_TEXT answer = NULL;
  snprintf(lines, sizeof lines, "unit=%s\n", unit);
  if (outside_ask(FOLDER, "reload", lines, &answer, why)) {
    char *rest = answer, *status = strsep(&rest, "\n"), *reason = strsep(&rest, "\n");
    if (status && !strcmp(status, "status=ok")) return REEVE_OK;
    snprintf(why, sizeof why, "%s", reason && !strncmp(reason, "reason=", 7) ? reason + 7 : "it gave no reason");
  }
  snprintf(rule, sizeof rule, "the reload of %s: %s", unit, why);
  return fail(c, REEVE_E_TOOL_FAILED, "value", "systemctl", "rule", rule, NULL);
}

/* All of them, also when one fails; the first failure is told. */
uint16_t cert_reload_units(struct call *c, const char *units) {
  char unit[CERT_UNIT_MAX + 1];
  uint16_t first = REEVE_OK;
  for (const char *at = units; *at && cert_unit_next(&at, unit);) {
    struct buf told = c->errors;
    if (first) buf_init(&c->errors, ERRORS_MAX);
    uint16_t status = reload_unit(c, unit);
    if (!first) first = status;
    else {
      buf_free(&c->errors);
      c->errors = told;
    }
  }
  return first;
}
