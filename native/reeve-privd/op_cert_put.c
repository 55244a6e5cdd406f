/* cert.put: a certificate and its key in place, both in one step; then what uses it is reloaded. */
#include "cert.h"

#define F(c, field) (&(c)->f[REEVE_F_CERT_PUT_##field])

uint16_t check_cert_put(struct call *c) {
  const char *name = F(c, CERT)->text;
  if (!cert_name(name)) return cert_bad(c, "cert", name, "1 to 64 of a-z, 0-9, ., _ and -, beginning with a letter or digit, are wanted");
  if (!cert_chain(F(c, PEM)->text, F(c, PEM)->n)) return cert_bad(c, "pem", "", "1 to 16 blocks CERTIFICATE of PEM and nothing around them, at most 64 KiB, are wanted");
  if (F(c, SPKI)->n != 32) return cert_bad(c, "spki", "", "32 bytes are wanted");
  if (F(c, NOTE)->set && !cert_note(F(c, NOTE)->text)) return cert_bad(c, "note", "", "at most 1024 characters of printable ASCII are wanted");
  if (F(c, UNITS)->set && !cert_units(F(c, UNITS)->text)) return cert_bad(c, "units", F(c, UNITS)->text, "at most 8 of the form NAME.service, none of Reeve's, sorted, with a comma between, are wanted");
  c->args[REEVE_K_CERT_WRITE_NAME] = name;
  return REEVE_OK;
}

/* Each unit is asked for. */
uint16_t allow_cert_put(struct call *c) {
  char unit[CERT_UNIT_MAX + 1];
  const char *args[REEVE_MAX_KEYS] = {0};
  for (const char *at = F(c, UNITS)->set ? F(c, UNITS)->text : ""; *at;) {
    args[REEVE_K_CERT_UNIT_UNIT] = cert_unit_next(&at, unit);
    struct verdict v = policy_evaluate(&c->policy, REEVE_P_CERT_UNIT, args);
    if (!v.allowed) return policy_refused(c, REEVE_P_CERT_UNIT, args, v);
  }
  return REEVE_OK;
}

/* The key that goes with it: the one in place, or one that is kept. */
struct key { char *text; size_t n; };
static void end_key(struct key *key) {
  if (key->text) explicit_bzero(key->text, key->n);
  free(key->text);
}
#define AUTO_KEY __attribute__((cleanup(end_key))) struct key

static uint16_t find_key(struct call *c, int dir, const struct cert_place *p, struct key *key) {
  const uint8_t *spki = (const uint8_t *)F(c, SPKI)->text;
  bool there = p->known && !memcmp(p->record.spki, spki, 32);
  if (there) key->text = cert_key_read(dir, p, &key->n);
  if (!key->text) key->text = cert_kept(spki, &key->n);
  if (key->text) return REEVE_OK;
  return fail(c, REEVE_E_CERT_KEY, "value", F(c, CERT)->text, "rule", "it is not on this host, or not any more", NULL);
}

static uint16_t fill_record(struct call *c, const struct key *key, struct cert_record *r) {
  const char *group = F(c, GROUP)->set ? F(c, GROUP)->text : "";
  sha256_of(F(c, PEM)->text, F(c, PEM)->n, r->cert);
  sha256_of(key->text, key->n, r->key);
  memcpy(r->spki, F(c, SPKI)->text, sizeof r->spki);
  snprintf(r->note, sizeof r->note, "%s", F(c, NOTE)->set ? F(c, NOTE)->text : "");
  snprintf(r->units, sizeof r->units, "%s", F(c, UNITS)->set ? F(c, UNITS)->text : "");
  snprintf(r->group, sizeof r->group, "%s", group);
  uint16_t status = *group ? accounts_load(c) : REEVE_OK;
  const struct group *g = status || !*group ? NULL : group_by_name(&c->accounts, group);
  if (!status && *group && !g) return fail(c, REEVE_E_GROUP_ABSENT, "value", group, NULL);
  if (g && g->gid == 0) return cert_bad(c, "group", group, "root reads the key anyway: no group is wanted then");
  r->gid = g ? g->gid : 0;
  return status;
}

static bool is_same(const struct cert_place *p, const struct cert_record *r) {
  return p->state == CERT_OK && !memcmp(p->record.cert, r->cert, 32) && !memcmp(p->record.key, r->key, 32) && !memcmp(p->record.spki, r->spki, 32) &&
    p->record.gid == r->gid && !strcmp(p->record.group, r->group) && !strcmp(p->record.units, r->units) && !strcmp(p->record.note, r->note);
}

/* The key that it had is kept for a day, for who wants to go back. */
static uint16_t keep_old(struct call *c, int dir, const struct cert_place *p, const struct cert_record *r) {
  AUTO_KEY old = {0};
  if (!p->known || !memcmp(p->record.spki, r->spki, 32)) return REEVE_OK;
  old.text = cert_key_read(dir, p, &old.n);
  return old.text ? cert_keep(c, p->record.spki, old.text, old.n) : REEVE_OK;
}

static uint16_t replace(struct call *c, int dir, const struct cert_place *p, const struct cert_record *r, const struct key *key, char *folder) {
  const char *name = F(c, CERT)->text;
  struct cert_files files = {F(c, PEM)->text, F(c, PEM)->n, key->text, key->n, r};
  uint16_t status = cert_mark(c, name, true);
  FAILPOINT("cert.marked");
  if (!status) status = keep_old(c, dir, p, r);
  if (!status) status = cert_write(c, dir, name, &files, folder);
  return status ? status : cert_swap(c, dir, name, folder);
}

/* Sites and units read it. A web server that does not take it gets back what it had. */
static uint16_t reload(struct call *c, int dir, const struct cert_record *r, const char *before, const char *folder) {
  const char *name = F(c, CERT)->text;
  uint16_t status = cert_reload_sites(c, name);
  if (status && *before && strcmp(before, folder)) {
    if (cert_point(dir, name, before) && cert_mark_set(name, false)) cert_sweep(dir, name, before);
    else log_line("certificate %s could not be put back", name);
    return status;
  }
  FAILPOINT("cert.sites");
  if (!status) status = cert_reload_units(c, r->units);
  FAILPOINT("cert.unitsdone");
  if (!status) status = cert_mark(c, name, false);
  if (!status) cert_sweep(dir, name, folder);
  return status;
}

uint16_t op_cert_put(struct call *c) {
  AUTO_FD dir = -1;
  AUTO_PLACE place = {0};
  AUTO_KEY key = {0};
  struct cert_record record = {0};
  char folder[CERT_FOLDER_ROOM];
  cert_kept_forget(false);
  uint16_t status = cert_folder(c, true, &dir);
  if (!status) status = cert_place_read(c, dir, F(c, CERT)->text, &place);
  if (!status) status = cert_in_the_way(c, F(c, CERT)->text, &place);
  if (!status) status = find_key(c, dir, &place, &key);
  if (!status) status = fill_record(c, &key, &record);
  if (status) return status;
  bool same = is_same(&place, &record);
  strcpy(folder, place.folder);
  if (same && !place.owed) return REEVE_OK;
  if (!same) status = replace(c, dir, &place, &record, &key, folder);
  return status ? status : reload(c, dir, &record, place.folder, folder);
}
