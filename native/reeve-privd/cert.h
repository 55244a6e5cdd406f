/* Noun cert: certificates below /etc/ssl/reeve, and private keys that are kept for certificates to come. */
#ifndef REEVE_CERT_H
#define REEVE_CERT_H
#include "reeve.h"

#define CERT_FOLDER "/etc/ssl/reeve"
#define CERT_NAME_MAX 64u
#define CERT_PEM_MAX 65536u
#define CERT_KEY_MAX 16384u
#define CERT_NOTE_MAX 1024u
#define CERT_UNITS_MAX 8u
#define CERT_UNIT_MAX 127u
#define CERT_UNITS_ROOM (CERT_UNITS_MAX * (CERT_UNIT_MAX + 1))
#define CERT_GENERATION 16u                  /* hexadecimal digits */
#define CERT_FOLDER_ROOM (1 + CERT_NAME_MAX + 1 + CERT_GENERATION + 1)

/* Grammar. */
bool cert_name(const char *s);
bool cert_unit(const char *s, size_t n);
bool cert_units(const char *s);
const char *cert_unit_next(const char **at, char unit[CERT_UNIT_MAX + 1]);
bool cert_note(const char *s);
bool cert_chain(const char *text, size_t n);
bool cert_private_key(const char *text, size_t n);
bool cert_is_folder(const char *entry, const char *name);
uint16_t cert_bad(struct call *c, const char *field, const char *value, const char *rule);

/* What was written of a certificate; a file beside it, so that both come and go in one step. */
struct cert_record {
  uint8_t cert[32], key[32], spki[32];        /* sha256 of the files, and of the key's SubjectPublicKeyInfo */
  uint32_t gid;                               /* may read the key; 0: root only */
  char group[NAME_MAX_LEN + 1];               /* its name; empty: root only */
  char units[CERT_UNITS_ROOM];
  char note[CERT_NOTE_MAX + 1];
};
bool cert_record_parse(struct cert_record *r, char *text);
size_t cert_record_format(const struct cert_record *r, char *out, size_t room);

/* A certificate as it is. */
enum cert_state { CERT_OK, CERT_EDITED, CERT_MISSING };
enum cert_link { CERT_NO_LINK, CERT_OUR_LINK, CERT_OTHER_LINK, CERT_NO_LINK_AT_ALL };  /* the last: something else has its name */
struct cert_place {
  bool marked, owed;                          /* ours; what uses it was not reloaded yet */
  enum cert_link link;
  enum cert_state state;
  char folder[CERT_FOLDER_ROOM];              /* of CERT_OUR_LINK */
  bool known, key_whole;                      /* the record can be read; key.pem is as it says */
  struct cert_record record;
  char *pem; size_t npem;                     /* cert.pem, when it is no larger than it may be */
};
#define AUTO_PLACE __attribute__((cleanup(cert_place_free))) struct cert_place
uint16_t cert_folder(struct call *c, bool make, int *dir);
uint16_t cert_place_read(struct call *c, int dir, const char *name, struct cert_place *p);
void cert_place_free(struct cert_place *p);
uint16_t cert_in_the_way(struct call *c, const char *name, const struct cert_place *p);
bool cert_mark_set(const char *name, bool owed);
uint16_t cert_mark(struct call *c, const char *name, bool owed);
uint16_t cert_unmark(struct call *c, const char *name);
char *cert_key_read(int dir, const struct cert_place *p, size_t *n);

/* Putting one in place, and taking folders away. */
struct cert_files { const char *pem; size_t npem; const char *key; size_t nkey; const struct cert_record *record; };
uint16_t cert_write(struct call *c, int dir, const char *name, const struct cert_files *files, char folder[CERT_FOLDER_ROOM]);
bool cert_point(int dir, const char *name, const char *folder);
uint16_t cert_swap(struct call *c, int dir, const char *name, const char *folder);
void cert_sweep(int dir, const char *name, const char *keep);
uint16_t cert_unlink(struct call *c, int dir, const char *name);
bool cert_leave(int dir, const char *folder);

/* Keys that are kept for a day. */
uint16_t cert_keep(struct call *c, const uint8_t spki[32], const char *key, size_t n);
char *cert_kept(const uint8_t spki[32], size_t *n);
void cert_kept_list(struct buf *spkis);
void cert_kept_forget(bool all);

/* What uses it. */
uint16_t cert_site(struct call *c, const char *name, char *site, size_t room);
uint16_t cert_reload_sites(struct call *c, const char *name);
uint16_t cert_reload_units(struct call *c, const char *units);

verb_fn check_cert_key, check_cert_put, check_cert_remove, allow_cert_put;
verb_fn op_observe_cert, op_cert_key, op_cert_put, op_cert_remove, op_cert_release;
#endif
