/* Frames: bytes to a checked request, and answers to bytes. Every length is compared with what is left before it is used. */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <stdarg.h>

void put_u16(struct buf *b, uint16_t v) { buf_put(b, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2); }
void put_u32(struct buf *b, uint32_t v) { buf_put(b, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4); }

void reply_bytes(struct buf *b, uint16_t tag, const void *p, size_t n) {
  put_u16(b, tag);
  put_u32(b, (uint32_t)n);
  buf_put(b, p, n);
}
void reply_string(struct buf *b, uint16_t tag, const char *s) { reply_bytes(b, tag, s, strlen(s)); }

/* What the files of a host hold is data: control characters become "?", and no text is longer than 1 KiB. */
void reply_text(struct buf *b, uint16_t tag, const char *s, size_t n) {
  char clean[1024];
  if (n > sizeof clean) n = sizeof clean;
  for (size_t i = 0; i < n; i++) clean[i] = ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) ? '?' : s[i];
  reply_bytes(b, tag, clean, n);
}
void reply_u32(struct buf *b, uint16_t tag, uint32_t v) { put_u16(b, tag); put_u32(b, 4); put_u32(b, v); }
void reply_u64(struct buf *b, uint16_t tag, uint64_t v) { put_u16(b, tag); put_u32(b, 8); put_u32(b, (uint32_t)(v >> 32)); put_u32(b, (uint32_t)v); }
void reply_bool(struct buf *b, uint16_t tag, bool v) { reply_bytes(b, tag, v ? "\1" : "\0", 1); }

size_t reply_begin(struct buf *b, uint16_t tag) {
  put_u16(b, tag);
  put_u32(b, 0);
  return b->n;
}

void reply_end(struct buf *b, size_t at) {
  if (b->full) return;
  size_t n = b->n - at;
  for (size_t i = 0; i < 4; i++) b->p[at - 4 + i] = (uint8_t)(n >> (24 - 8 * i));
}

void call_init(struct call *c) {
  memset(c, 0, sizeof *c);
  buf_init(&c->reply, REEVE_CONTENT_BYTES);
  buf_init(&c->errors, ERRORS_MAX);
}

void call_free(struct call *c) {
  for (size_t i = 0; i < REEVE_MAX_FIELDS; i++) free(c->f[i].text);
  policy_free(&c->policy);
  accounts_free(&c->accounts);
  buf_free(&c->reply);
  buf_free(&c->errors);
}

/* An error field holds what the caller sent or a sentence of ours: cut at 512 bytes, control characters and non-ASCII replaced. */
static void error_field(struct buf *b, const char *key, const char *value) {
  char clean[513];
  size_t n = 0;
  for (; value[n] && n < sizeof clean - 1; n++) clean[n] = (value[n] < 0x20 || value[n] == 0x7f) ? '?' : value[n];
  clean[n] = 0;
  size_t at = reply_begin(b, REEVE_TAG_ERROR_FIELD);
  reply_string(b, 1, key);
  reply_string(b, 2, clean);
  reply_end(b, at);
}

uint16_t fail(struct call *c, int status, ...) {
  va_list list;
  va_start(list, status);
  c->errors.n = 0;
  for (;;) {
    const char *key = va_arg(list, const char *);
    if (!key) break;
    error_field(&c->errors, key, va_arg(list, const char *));
  }
  va_end(list);
  return (uint16_t)status;
}

/* Big-endian, at most 8 bytes. */
uint64_t get_number(const uint8_t *p, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
  return v;
}

static uint16_t refuse_field(struct call *c, const struct reeve_field *field, const char *value, const char *rule) {
  return fail(c, REEVE_E_FIELD_INVALID, "field", field->name, "value", value, "rule", rule, NULL);
}

static uint16_t refuse_frame(struct call *c, const char *rule) { return fail(c, REEVE_E_FRAME_INVALID, "rule", rule, NULL); }

static uint16_t take_bytes(struct call *c, struct value *v, const uint8_t *p, uint32_t n) {
  v->text = malloc((size_t)n + 1);
  if (!v->text) return fail(c, REEVE_E_IO_FAILED, "rule", "out of memory", NULL);
  memcpy(v->text, p, n);
  v->text[n] = 0;
  v->n = n;
  return REEVE_OK;
}

static uint16_t take_text(struct call *c, const struct reeve_field *field, struct value *v, const uint8_t *p, uint32_t n) {
  if (memchr(p, 0, n)) return refuse_field(c, field, "", "NUL is not allowed");
  uint16_t status = take_bytes(c, v, p, n);
  if (status) return status;
  if (field->oneof && !is_listed(field->oneof, v->text)) return refuse_field(c, field, v->text, "it is not one of the words of this field");
  return REEVE_OK;
}

/* Requests hold single plain values; table.json has records for replies only. */
static uint16_t take_value(struct call *c, const struct reeve_field *field, struct value *v, const uint8_t *p, uint32_t n) {
  if (v->set) return refuse_field(c, field, "", "it is given twice");
  v->set = true;
  if (field->type == REEVE_T_STRING) return take_text(c, field, v, p, n);
  if (field->type == REEVE_T_BYTES) return take_bytes(c, v, p, n);
  uint32_t wanted = field->type == REEVE_T_BOOL ? 1 : field->type == REEVE_T_U32 ? 4 : 8;
  if (n != wanted || (field->type == REEVE_T_BOOL && p[0] > 1)) return refuse_frame(c, "a value has a wrong length for its type");
  v->number = get_number(p, n);
  if (asprintf(&v->text, "%llu", (unsigned long long)v->number) >= 0) return REEVE_OK;
  v->text = NULL;
  return fail(c, REEVE_E_IO_FAILED, "rule", "out of memory", NULL);
}

void op_text(char out[37], const uint8_t op[OP_BYTES]) {
  char digits[2 * OP_BYTES + 1];
  hex(digits, op, OP_BYTES);
  snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16, digits + 20);
}

/* How many bytes a request of this verb may have. */
uint32_t request_limit(uint16_t number) {
  for (size_t i = 0; i < reeve_nverbs; i++) if (reeve_verbs[i].number == number) return reeve_verbs[i].most;
  return REEVE_HEADER_BYTES;
}

/* The frame without its length: fills verb, op and f. */
uint16_t wire_parse(struct call *c, const uint8_t *p, size_t n) {
  if (n < REQUEST_HEAD) return refuse_frame(c, "the frame is too short");
  memcpy(c->op, p + 4, OP_BYTES);
  char text[24];
  uint32_t version = (uint32_t)get_number(p, 2), number = (uint32_t)get_number(p + 2, 2);
  snprintf(text, sizeof text, "%u", version);
  if (version != REEVE_FRAME_VERSION) return fail(c, REEVE_E_VERSION_UNSUPPORTED, "value", text, "rule", "the helper speaks version 1", NULL);
  for (size_t i = 0; i < reeve_nverbs; i++) if (reeve_verbs[i].number == number) c->verb = &reeve_verbs[i];
  snprintf(text, sizeof text, "%u", number);
  if (!c->verb) return fail(c, REEVE_E_VERB_UNKNOWN, "value", text, NULL);
  for (size_t at = REQUEST_HEAD; at < n;) {
    if (n - at < 6) return refuse_frame(c, "a field is cut off");
    uint32_t tag = (uint32_t)get_number(p + at, 2), length = (uint32_t)get_number(p + at + 2, 4);
    at += 6;
    if (length > n - at) return refuse_frame(c, "a field is longer than its frame");
    size_t i = 0;
    while (i < c->verb->nfields && c->verb->fields[i].tag != tag) i++;
    snprintf(text, sizeof text, "tag %u", tag);
    if (i == c->verb->nfields) return fail(c, REEVE_E_FIELD_UNKNOWN, "field", text, "rule", "the verb has no such field", NULL);
    uint16_t status = take_value(c, &c->verb->fields[i], &c->f[i], p + at, length);
    if (status) return status;
    at += length;
  }
  for (size_t i = 0; i < c->verb->nfields; i++) {
    const struct reeve_field *field = &c->verb->fields[i];
    if (field->required && !c->f[i].set) return fail(c, REEVE_E_FIELD_MISSING, "field", field->name, "rule", "the verb needs it", NULL);
  }
  return REEVE_OK;
}

/* A whole reply frame. */
void frame_reply(struct buf *out, uint16_t verb, const uint8_t *op, uint16_t status, const struct buf *body) {
  put_u32(out, (uint32_t)(22 + body->n));
  put_u16(out, REEVE_FRAME_VERSION);
  put_u16(out, verb);
  buf_put(out, op, OP_BYTES);
  put_u16(out, status);
  buf_put(out, body->p, body->n);
}
