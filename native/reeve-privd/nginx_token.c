/* Words of nginx's configuration, read as ngx_conf_read_token() of nginx 1.22 (src/core/ngx_conf_file.c) reads them. */
#include "vhost.h"

void nginx_reader_init(struct nginx_reader *r, const char *text, size_t n) {
  *r = (struct nginx_reader){.text = text, .n = n, .line = 1};
}

static enum nginx_kind bad(struct nginx_reader *r, const char *why) {
  snprintf(r->why, sizeof r->why, "%s", why);
  return NGINX_BAD;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Copies a word without its quotes; of what stands behind a backslash only quotes, backslashes and t, r, n mean something else. */
static bool keep(struct nginx_reader *r, size_t *used, size_t from, size_t to) {
  if (r->nwords == NGINX_WORDS || to - from >= NGINX_WORD_MAX || sizeof r->room - *used < to - from + 1) return false;
  char *out = r->room + *used;
  r->words[r->nwords++] = out;
  for (size_t at = from; at < to; at++) {
    char c = r->text[at], next = at + 1 < to ? r->text[at + 1] : 0;
    if (c == '\\' && (next == '"' || next == '\'' || next == '\\')) *out++ = next, at++;
    else if (c == '\\' && next == 't') *out++ = '\t', at++;
    else if (c == '\\' && next == 'r') *out++ = '\r', at++;
    else if (c == '\\' && next == 'n') *out++ = '\n', at++;
    else *out++ = c;
  }
  *out++ = 0;
  *used = (size_t)(out - r->room);
  return true;
}

static void skip_space(struct nginx_reader *r) {
  for (bool comment = false; r->at < r->n; r->at++) {
    char c = r->text[r->at];
    if (c == '\n') r->line++, comment = false;
    else if (c == '#') comment = true;
    else if (!comment && !is_space(c)) return;
  }
}

/* The end of the word that begins at `at`: behind it for a quoted one, else at what ends it. False: the text ends first. */
static bool word_end(struct nginx_reader *r, size_t *from, size_t *to, char quote) {
  bool variable = !quote && r->text[r->at] == '$';
  size_t at = r->at;
  *from = quote ? at + 1 : at;
  if (!quote && r->text[at] == '\\' && ++at < r->n && r->text[at] == '\n') r->line++;
  for (at++; at < r->n; at++) {
    char c = r->text[at];
    if (c == '\n') r->line++;
    if (c == '{' && variable) continue;
    variable = false;
    if (c == '\\') {
      at++;
      if (at < r->n && r->text[at] == '\n') r->line++;
    } else if (c == '$') {
      variable = true;
    } else if (quote ? c == quote : is_space(c) || c == ';' || c == '{') {
      *to = at;
      r->at = quote ? at + 1 : at;
      if (!quote && c == '\n') r->line--;  /* it is seen again */
      return true;
    }
  }
  return false;
}

/* How long the beginning of a long string of Lua is, "[[" or "[==["; 0: it is none. */
static size_t long_bracket(const struct nginx_reader *r) {
  size_t at = r->at + 1;
  if (r->text[r->at] != '[') return 0;
  while (at < r->n && r->text[at] == '=') at++;
  return at < r->n && r->text[at] == '[' ? at + 1 - r->at : 0;
}

/* Behind the next `n` bytes `end`, or to the end of the text. */
static void skip_to(struct nginx_reader *r, const char *end, size_t n) {
  while (r->at < r->n && (r->n - r->at < n || memcmp(r->text + r->at, end, n))) {
    if (r->text[r->at] == '\\' && strchr("\"'", *end)) r->at++;
    if (r->at < r->n && r->text[r->at++] == '\n') r->line++;
  }
  if (r->at < r->n && *end != '\n') r->at += n;
}

static bool skip_long(struct nginx_reader *r) {
  char end[66] = "]";
  size_t n = long_bracket(r);
  if (n == 0 || n > 64) return false;
  memset(end + 1, '=', n - 2);
  end[n - 1] = ']';
  r->at += n;
  skip_to(r, end, n);
  return true;
}

/* A block of Lua is not nginx's own words: it ends with the brace that fits, those in strings and comments aside. */
static bool skip_lua(struct nginx_reader *r) {
  for (unsigned deep = 1; r->at < r->n;) {
    char c = r->text[r->at];
    if (c == '-' && r->at + 1 < r->n && r->text[r->at + 1] == '-') {
      r->at += 2;
      if (r->at < r->n && !skip_long(r)) skip_to(r, "\n", 1);
    } else if (c == '"' || c == '\'') {
      r->at++;
      skip_to(r, &c, 1);
    } else if (!skip_long(r)) {
      r->at++;
      if (c == '\n') r->line++;
      deep += c == '{';
      if (c == '}' && --deep == 0) return true;
    }
  }
  return false;
}

static bool is_lua(const char *name) {
  static const char end[] = "_by_lua_block";
  size_t n = strlen(name);
  return n >= sizeof end && !strcmp(name + n - (sizeof end - 1), end);
}

/* One directive. Its words are good until the next call. */
enum nginx_kind nginx_next(struct nginx_reader *r) {
  size_t used = 0;
  r->nwords = 0;
  r->words[0] = "";
  for (bool spaced = true;;) {
    size_t from, to;
    spaced = spaced || (r->at < r->n && is_space(r->text[r->at]));
    if (spaced) skip_space(r);
    if (r->nwords == 0) r->from = r->line;
    if (r->at >= r->n) return r->nwords == 0 ? NGINX_END : bad(r, "it ends in the middle of a directive");
    char c = r->text[r->at];
    if (c == ';' || c == '{') {
      r->at++;
      if (r->nwords == 0) return bad(r, c == ';' ? "unexpected \";\"" : "unexpected \"{\"");
      if (c == '{' && is_lua(r->words[0])) return skip_lua(r) ? NGINX_SIMPLE : bad(r, "it ends in the middle of a block of Lua");
      return c == ';' ? NGINX_SIMPLE : NGINX_OPEN;
    }
    if (c == '}' && spaced) {
      r->at++;
      return r->nwords == 0 ? NGINX_CLOSE : bad(r, "unexpected \"}\"");
    }
    if (c == 0) return bad(r, "it has a zero byte");
    if (!spaced && c != ')') return bad(r, "something stands right behind a quoted word");
    char quote = c == '"' || c == '\'' ? c : 0;
    if (!word_end(r, &from, &to, quote)) return bad(r, "it ends in the middle of a word");
    if (!keep(r, &used, from, to)) return bad(r, "a word is too long, or there are too many");
    spaced = !quote;
  }
}
