/* What containers of a host do, without asking any program. */
#ifndef REEVE_CONTAINER_LOOK_H
#define REEVE_CONTAINER_LOOK_H
#include "container.h"

/* Of a control group and all below it. */
struct figures {
  bool counted;                            /* memory is what the kernel accounts for */
  uint32_t pid, tasks, processes;          /* pid: the first process of a container, else any */
  bool has_init;                           /* pid is its first process */
  uint64_t cpu_us, memory, memory_max, since_ms;
};
bool figures_of(const char *group, struct figures *f);  /* below the root of control groups; false: it is not there, or nothing runs in it */
size_t figures_controllers(char out[512]);              /* names of controllers, each with a NUL; the bytes of all */

/* The same of one process. */
void figures_of_process(uint32_t pid, struct figures *f);

/* Containers of others. Texts are of whoever made them. `looked`: f has its figures already. */
struct foreign { enum spec_engine engine; char name[128], image[256], address[64], bridge[32], group[512]; uint32_t id, pid; bool boot, stopped, looked; struct figures f; };
typedef bool foreign_fn(const struct foreign *found, void *data);  /* false: no more are wanted */
void foreign_podman(foreign_fn *each, void *data);
void foreign_lxc(foreign_fn *each, void *data);
void foreign_pct(foreign_fn *each, void *data);
/* The group that it runs in, with its figures. */
bool lxc_group(const char *name, char group[512], struct figures *f);

/* Ports of tcp on which something listens. */
struct listening { bool ports[65536]; };
void listening_read(struct listening *l);

/* What systemd says of units that should run and do not: one systemctl for all of them. */
struct unit_state { char unit[128], active[24], sub[24], result[24]; uint32_t code, status; };
size_t unit_states(struct call *c, struct unit_state *units, size_t n);
#endif
