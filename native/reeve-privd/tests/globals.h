/* What main.c defines, for the programs that test the parts without it. */
#include "reeve.h"
#include <stdarg.h>
#include <time.h>

pid_t main_pid;
struct config config = {.state = "/nonexistent", .policy = "/nonexistent"};
struct shared *shared;

static int64_t clock_now(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
int64_t now_ms(void) { return clock_now(CLOCK_BOOTTIME); }
int64_t wall_ms(void) { return clock_now(CLOCK_REALTIME); }
void boot_id(char out[37]) { snprintf(out, 37, "00000000-0000-4000-8000-000000000000"); }
void log_line(const char *format, ...) { (void)format; }
