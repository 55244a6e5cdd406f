/* What all four sides of a copy share. */
#include "side.h"

bool side_ready(void) {
  struct buf b;
  buf_init(&b, 1024);
  say(&b, "sandbox", view_sandbox());
  bool ok = put_fields(F_READY, &b);
  buf_free(&b);
  return ok;
}

bool side_has_rsync(char why[300]) {
  char version[32] = "";
  if (!rsync_version(version)) snprintf(why, 300, "rsync is not installed here: install the package rsync, 3.5.0 or later");
  else if (!rsync_new_enough(version)) snprintf(why, 300, "rsync %s is installed here, and 3.5.0 or later is wanted: earlier ones trust the other side too much", version);
  else return true;
  return false;
}

int side_result(const struct outcome *o, bool published, const char *more) {
  struct buf b;
  bool fine = (o->exit == 0 || o->exit == 24) && !o->gone && !o->late;
  buf_init(&b, 8192);
  say(&b, "ok", fine ? "1" : "0");
  say(&b, "reason", more ? more : o->late ? "it took longer than it may" : o->gone ? "the agent has gone" : fine ? "" : rsync_exit(o->exit));
  say_number(&b, "exit", (uint64_t)o->exit);
  say_number(&b, "published", published);
  say_number(&b, "files", o->files);
  say_number(&b, "bytes", o->bytes);
  say_number(&b, "sent-files", o->sent_files);
  say_number(&b, "sent-bytes", o->sent_bytes);
  say_number(&b, "cpu-ms", o->cpu_ms);
  say_number(&b, "memory", o->memory);
  bool told = put_fields(F_RESULT, &b);
  buf_free(&b);
  return told && fine ? 0 : 1;
}
