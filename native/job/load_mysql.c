/* A dump of mariadb-dump or mysqldump. */
#include "load.h"
#include <signal.h>

#define SOCKET "--socket=" SCRATCH "/sock"
#define DATA "--datadir=" SCRATCH "/data"

/* What makes the data, the server, and the client: MariaDB's, or else MySQL's. */
struct kind { const char *make, *serve, *client; bool mariadb; };
static const struct kind kinds[] = {
  {"/usr/bin/mariadb-install-db", "/usr/sbin/mariadbd", "/usr/bin/mariadb", true},
  {"/usr/bin/mysql_install_db", "/usr/sbin/mysqld", "/usr/bin/mysql", true},
  {"/usr/sbin/mysqld", "/usr/sbin/mysqld", "/usr/bin/mysql", false},
};

static const struct kind *kind_here(void) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!access(kinds[i].make, X_OK) && !access(kinds[i].serve, X_OK) && !access(kinds[i].client, X_OK)) return &kinds[i];
  }
  return NULL;
}

const char *mysql_missing(void) { return kind_here() ? NULL : "a dump of MySQL is proved by a server of it, and neither mariadb-server nor mysql-server is installed here"; }

/* One statement for each table, which the client runs and whose answers are lines of numbers. */
static int count(struct load *l, const char *client) {
  static const char query[] = "SELECT CONCAT('SELECT COUNT(*) FROM `" PROOF "`.`', REPLACE(table_name, '`', '``'), '`;') FROM information_schema.tables "
    "WHERE table_schema = '" PROOF "' AND table_type = 'BASE TABLE'";
  const char *list[] = {client, "--no-defaults", SOCKET, "-u", "root", "-N", "-B", "-r", "-e", query, NULL};
  const char *ask[] = {client, "--no-defaults", SOCKET, "-u", "root", "-N", "-B", "--binary-mode", PROOF, NULL};
  struct buf statements, numbers;
  buf_init(&statements, 8u << 20);
  buf_init(&numbers, 8u << 20);
  int code = load_step(l, list, -1, &statements);
  if (!code && statements.n > 1) {
    AUTO_FD in = load_input((char *)statements.p, statements.n - 1);
    code = load_step(l, ask, in, &numbers);
    if (!code) load_count(l, (char *)numbers.p);
  }
  buf_free(&statements);
  buf_free(&numbers);
  return code;
}

/* Without --binary-mode the client would run commands that a dump may have in it. */
static int fill(struct load *l, struct program *server, const char *client) {
  const char *ask[] = {client, "--no-defaults", SOCKET, "-u", "root", "-e", "SELECT 1", NULL};
  const char *create[] = {client, "--no-defaults", SOCKET, "-u", "root", "-e", "CREATE DATABASE " PROOF, NULL};
  const char *load[] = {client, "--no-defaults", SOCKET, "-u", "root", "--binary-mode", PROOF, NULL};
  int code = load_wait(l, server, ask);
  if (!code) code = load_step(l, create, -1, NULL);
  if (!code) code = load_step(l, load, l->dump, NULL);
  return code ? code : count(l, client);
}

int load_mysql(struct load *l) {
  const struct kind *k = kind_here();
  if (!k) return job_failed("mysql is not installed here");
  const char *mariadb[] = {k->make, "--no-defaults", DATA, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force", NULL};
  const char *mysql[] = {k->make, "--no-defaults", DATA, "--initialize-insecure", NULL};
  const char *serve[] = {k->serve, "--no-defaults", DATA, SOCKET, "--pid-file=" SCRATCH "/pid", "--skip-networking", "--tmpdir=" SCRATCH, "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0", "--local-infile=0", k->mariadb ? NULL : "--mysqlx=OFF", NULL};
  struct program server = {.argv = serve, .in = -1, .out = -1, .uid = SAME_ACCOUNT, .deadline_ms = l->deadline_ms, .pace = &l->pace, .grows = -1};
  int code = load_step(l, k->mariadb ? mariadb : mysql, -1, NULL);
  if (code) return code;
  if (!program_start(&server)) return job_failed("the server cannot be started (%s)", error_word());
  code = fill(l, &server, k->client);
  (void)program_stop(&server, SIGTERM);
  return code;
}
