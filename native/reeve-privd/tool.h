/* Starting one program: see tool.c. Shared by the helper and by reeve-nat. */
#ifndef REEVE_TOOL_H
#define REEVE_TOOL_H
#include "reeve.h"

struct tool {
  const char *path;
  const char *const *argv;
  int in;                /* its standard input; -1: /dev/null */
  size_t most;           /* bytes of output that are kept */
  bool apart;            /* errors into `err`, else into `out` as well */
  int within_ms;
  struct buf out, err;
  int status;            /* as of waitpid(2) */
};
enum tool_end { TOOL_ENDED, TOOL_LATE, TOOL_ABSENT };
enum tool_end tool_run(struct tool *t);
void tool_end_text(struct buf *b);
void tool_free(struct tool *t);
#endif
