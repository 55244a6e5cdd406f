/* Frames: bytes to a checked request, and answers to bytes. Every length is compared with what is left before it is used. */
#define REEVE_TABLE_DATA
#include "reeve.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t limit) { *b = (struct buf){.limit = limit}; }
void buf_free(struct buf *b) { free(b->p); *b = (struct buf){0}; }

void buf_put(struct buf *b, const void *p, size_t n) {
  if (b->full || n == 0) return;
  if (n > b->limit || b->n > b->limit - n) { b->full = true; return; }
  if (b->n + n > b->room) {
    size_t room = b->room ? b->room : 256;
    while (room < b->n + n) room *= 2;
    uint8_t *grown = realloc(b->p, room);
    if (!grown) { b->full = true; return; }
    b->p = grown;
    b->room = room;
  }
  memcpy(b->p + b->n, p, n);
  b->n += n;
}

void put_u16(struct buf *b, uint16_t v) { buf_put(b, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2); }
void put_u32(struct buf *b, uint32_t v) { buf_put(b, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4); }

void reply_bytes(struct buf *b, uint16_t tag, const void *p, size_t n) {
  put_u16(b, tag);
  put_u32(b, (uint32_t)n);
  buf_put(b, p, n);
}
void reply_string(struct buf *b, uint16_t tag, const char *s) { reply_bytes(b, tag, s, strlen(s)); }
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
  buf_init(&c->errors, 8192);
}

void call_free(struct call *c) {
  for (size_t i = 0; i < REEVE_MAX_FIELDS; i++) free(c->f[i].text);
  policy_free(&c->policy);
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

static uint32_t get(const uint8_t *p, size_t n) {
  uint32_t v = 0;
  for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
  return v;
}

const char *const *verb_oneof(const struct call *c, size_t field) { return c->verb->fields[field].oneof; }

static uint16_t take_value(struct call *c, const struct reeve_field *field, struct value *v, const uint8_t *p, uint32_t n) {
  if (v->set) return fail(c, REEVE_E_FIELD_INVALID, "field", field->name, "value", "", "rule", "it is given twice", NULL);
  v->set = true;
  v->n = n;
  switch (field->type) {
    case REEVE_T_STRING:
    case REEVE_T_BYTES:
      if (field->type == REEVE_T_STRING && memchr(p, 0, n)) return fail(c, REEVE_E_FIELD_INVALID, "field", field->name, "value", "", "rule", "NUL is not allowed", NULL);
      v->text = malloc((size_t)n + 1);
      if (!v->text) return fail(c, REEVE_E_IO_FAILED, "rule", "out of memory", NULL);
      memcpy(v->text, p, n);
      v->text[n] = 0;
      if (field->oneof && !is_listed(field->oneof, v->text))
        return fail(c, REEVE_E_FIELD_INVALID, "field", field->name, "value", v->text, "rule", "it is not one of the words of this field", NULL);
      return REEVE_OK;
    case REEVE_T_BOOL:
      if (n != 1 || p[0] > 1) break;
      v->number = p[0];
      return REEVE_OK;
    case REEVE_T_U32:
      if (n != 4) break;
      v->number = get(p, 4);
      return REEVE_OK;
    case REEVE_T_U64:
      if (n != 8) break;
      v->number = (uint64_t)get(p, 4) << 32 | get(p + 4, 4);
      return REEVE_OK;
    case REEVE_T_RECORD: break;
  }
  return fail(c, REEVE_E_FRAME_INVALID, "rule", "a value has a wrong length for its type", NULL);
}

/* The frame without its length: fills verb, op and f. */
uint16_t wire_parse(struct call *c, const uint8_t *p, size_t n) {
  if (n < REQUEST_HEAD) return fail(c, REEVE_E_FRAME_INVALID, "rule", "the frame is too short", NULL);
  memcpy(c->op, p + 4, OP_BYTES);
  if (get(p, 2) != REEVE_FRAME_VERSION) {
    char text[8];
    snprintf(text, sizeof text, "%u", get(p, 2));
    return fail(c, REEVE_E_VERSION_UNSUPPORTED, "value", text, "rule", "the helper speaks version 1", NULL);
  }
  uint32_t number = get(p + 2, 2);
  for (size_t i = 0; i < reeve_nverbs; i++) if (reeve_verbs[i].number == number) c->verb = &reeve_verbs[i];
  if (!c->verb) {
    char text[8];
    snprintf(text, sizeof text, "%u", number);
    return fail(c, REEVE_E_VERB_UNKNOWN, "value", text, NULL);
  }
  for (size_t at = REQUEST_HEAD; at < n;) {
    if (n - at < 6) return fail(c, REEVE_E_FRAME_INVALID, "rule", "a field is cut off", NULL);
    uint32_t tag = get(p + at, 2), length = get(p + at + 2, 4);
    at += 6;
    if (length > n - at) return fail(c, REEVE_E_FRAME_INVALID, "rule", "a field is longer than its frame", NULL);
    size_t i = 0;
    while (i < c->verb->nfields && c->verb->fields[i].tag != tag) i++;
    if (i == c->verb->nfields) {
      char text[24];
      snprintf(text, sizeof text, "tag %u", tag);
      return fail(c, REEVE_E_FIELD_UNKNOWN, "field", text, "rule", "the verb has no such field", NULL);
    }
    uint16_t status = take_value(c, &c->verb->fields[i], &c->f[i], p + at, length);
    if (status) return status;
    at += length;
  }
  for (size_t i = 0; i < c->verb->nfields; i++) {
    if (c->verb->fields[i].required && !c->f[i].set) return fail(c, REEVE_E_FIELD_MISSING, "field", c->verb->fields[i].name, "rule", "the verb needs it", NULL);
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
