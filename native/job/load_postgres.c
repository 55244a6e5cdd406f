/* A dump of pg_dump -Fc. */
#include "load.h"
#include <signal.h>

#define PATH_OF 96

static bool tool(const char *name, char path[PATH_OF]) {
  char folder[64];
  bool there = newest_postgres("initdb", folder);
  snprintf(path, PATH_OF, "%s/%s", folder, name);
  return there && !access(path, X_OK);
}

const char *postgres_missing(void) {
  static const char *const all[] = {"initdb", "postgres", "pg_restore", "psql", NULL};
  char path[PATH_OF];
  for (const char *const *name = all; *name; name++) if (!tool(*name, path)) return "a dump of PostgreSQL is proved by a server of it, and postgresql is not installed here";
  return NULL;
}

/* Rows that are in a table itself: those of partitions are counted there. */
static int count(struct load *l, const char *psql) {
  static const char script[] = "SELECT format('SELECT count(*) FROM ONLY %I.%I', schemaname, tablename) FROM pg_catalog.pg_tables "
    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \\gexec\n";
  const char *argv[] = {psql, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", SCRATCH, "-U", "postgres", "-d", PROOF, NULL};
  struct buf text;
  buf_init(&text, 8u << 20);
  AUTO_FD in = load_input(script, sizeof script - 1);
  int code = load_step(l, argv, in, &text);
  if (!code) load_count(l, (char *)text.p);
  buf_free(&text);
  return code;
}

static int fill(struct load *l, struct program *server, const char *psql, const char *restore) {
  const char *ask[] = {psql, "-X", "-q", "-h", SCRATCH, "-U", "postgres", "-d", "postgres", "-c", "SELECT 1", NULL};
  const char *create[] = {psql, "-X", "-q", "-h", SCRATCH, "-U", "postgres", "-d", "postgres", "-c", "CREATE DATABASE " PROOF " TEMPLATE template0", NULL};
  const char *load[] = {restore, "-h", SCRATCH, "-U", "postgres", "-d", PROOF, "--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-subscriptions", NULL};
  int code = load_wait(l, server, ask);
  if (!code) code = load_step(l, create, -1, NULL);
  if (!code) code = load_step(l, load, l->dump, NULL);
  return code ? code : count(l, psql);
}

int load_postgres(struct load *l) {
  char initdb[PATH_OF], postgres[PATH_OF], restore[PATH_OF], psql[PATH_OF];
  if (!tool("initdb", initdb) || !tool("postgres", postgres) || !tool("pg_restore", restore) || !tool("psql", psql)) return job_failed("postgresql is not installed here");
  const char *make[] = {initdb, "-D", SCRATCH "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL};
  const char *serve[] = {postgres, "-D", SCRATCH "/data", "-k", SCRATCH, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum=off",
    "-c", "dynamic_shared_memory_type=mmap", "-c", "max_connections=10", "-c", "huge_pages=off", NULL};
  struct program server = {.argv = serve, .in = -1, .out = -1, .uid = SAME_ACCOUNT, .deadline_ms = l->deadline_ms, .pace = &l->pace, .grows = -1};
  int code = load_step(l, make, -1, NULL);
  if (code) return code;
  if (!program_start(&server)) return job_failed("the server cannot be started (%s)", error_word());
  code = fill(l, &server, psql, restore);
  (void)program_stop(&server, SIGINT);
  return code;
}
