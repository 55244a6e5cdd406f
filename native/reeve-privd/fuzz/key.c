/* Fuzz target: a key file, line by line and whole, and what is answered by a child that reads one as its account. */
#include "../tests/globals.h"
#include "../key_own.h"
#include <stdlib.h>
#include <string.h>

static void one_line(const char *s, size_t n) {
  struct key_line k;
  char again[8192];
  bool content = key_line_parse(&k, s, n);
  if (strlen(k.problem) >= sizeof k.problem || k.nblob > KEY_BLOB_MAX || (k.nblob > 0) != (k.type[0] != 0 && k.nblob > 0)) abort();
  if (!content && (k.nblob || k.problem[0])) abort();
  if (content && !k.nblob && !k.problem[0]) abort();
  if (!content || !key_line_canonical(&k, s, n)) return;
  /* What may be managed is printable, one line, and means the same when it is read again. */
  for (size_t i = 0; i < n; i++) if (s[i] < 0x20 || s[i] > 0x7e) abort();
  struct key_line second;
  memcpy(again, s, n);
  if (!key_line_parse(&second, again, n) || second.problem[0] || strcmp(second.options, k.options) || second.expires != k.expires) abort();
  if (strstr(k.options, "command") || strstr(k.options, "environment") || !strncmp(k.type, "ssh-dss", 7)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct call c;
  struct own_file f;
  size_t at = 0;
  char *text = malloc(size + 1);
  if (!text) abort();
  memcpy(text, data, size);
  text[size] = 0;
  for (size_t begin = 0; begin < size;) {
    const char *stop = memchr(text + begin, '\n', size - begin);
    size_t n = stop ? (size_t)(stop - (text + begin)) : size - begin;
    one_line(text + begin, n);
    begin += n + 1;
  }
  call_init(&c);
  struct key_set set = {0};
  struct value content = {.set = true, .text = text, .n = size};
  bool whole = !key_content(&c, &content, KEY_MANAGED, &set);
  key_set_free(&set);
  /* A file holds what it holds: it may be put back as it is, and let go. */
  if (whole && key_within(&c, &content, KEY_MANAGED, text, size, false)) abort();
  (void)key_within(&c, &content, KEY_LEFT, text, size, true);
  struct buf told = {.p = (uint8_t *)text, .n = size};
  while (own_next(&told, &at, &f)) if (f.n > size || strlen(f.path) >= OWN_PATH_MAX || f.text < text || f.text + f.n > text + size) abort();
  call_free(&c);
  free(text);
  return 0;
}
