/* What is known of database servers of this machine. */
#include "program.h"
#include <dirent.h>

bool newest_postgres(const char *program, char folder[64]) {
  DIR *all = opendir("/usr/lib/postgresql");
  uint64_t best = 0, version;
  for (const struct dirent *e; all && (e = readdir(all));) {
    char path[128];
    if (!parse_number(e->d_name, strlen(e->d_name), 9999, &version) || version <= best) continue;
    snprintf(path, sizeof path, "/usr/lib/postgresql/%llu/bin/%s", (unsigned long long)version, program);
    if (!access(path, X_OK)) best = version;
  }
  if (all) closedir(all);
  snprintf(folder, 64, "/usr/lib/postgresql/%llu/bin", (unsigned long long)best);
  return best > 0;
}

const char *dump_refused(const char *engine, const char *database) {
  if (!engine || (strcmp(engine, "postgresql") && strcmp(engine, "mysql"))) return "the engine has to be \"postgresql\" or \"mysql\"";
  return database && backup_database(database) ? NULL : "the name of the database has to be 1 to 63 of A-Z a-z 0-9 _ -, beginning with a letter or _";
}
