/* What a container is to be: the canonical text of native/container/README.md, read into a struct. No policy, no look at the machine. Shared with native/container. */
#ifndef REEVE_CONTAINER_SPEC_H
#define REEVE_CONTAINER_SPEC_H
#include "reeve.h"

#define SPEC_BYTES (64u << 10)
#define SPEC_HEAD "container 1\n"

enum spec_engine { SPEC_PODMAN, SPEC_LXC, SPEC_PCT };
enum spec_restart { SPEC_RESTART_ALWAYS, SPEC_RESTART_FAILURE, SPEC_RESTART_NO };
enum spec_health { SPEC_HEALTH_NONE, SPEC_HEALTH_COMMAND, SPEC_HEALTH_TCP, SPEC_HEALTH_HTTP };

/* All texts lie in a copy that belongs to the spec. */
struct spec_list { char **items; size_t n; };
struct spec_port { bool udp; const char *address; uint32_t port, inside; };  /* address: 192.0.2.1, 0.0.0.0, ::1, :: */
struct spec_volume { const char *folder, *target; bool readonly; };
struct spec_secret { const char *name, *version; };
struct spec_env { const char *name, *value; };
struct spec_key { const char *type, *blob; };

struct spec {
  enum spec_engine engine;
  uint32_t id;                            /* pct; 0: none */
  bool running, has_boot, boot, adopted;
  const char *image;                      /* podman: NAME@sha256:... */
  const char *archive;                    /* lxc: 64 hex digits; NULL when it was adopted */
  const char *template, *storage;         /* pct; NULL when it was adopted */
  struct spec_list args, devices, health_args;
  struct { struct spec_env *items; size_t n; } env;
  struct { struct spec_secret *items; size_t n; } secrets;
  struct { struct spec_port *items; size_t n; } ports;
  struct { struct spec_volume *items; size_t n; } volumes;
  struct { struct spec_key *items; size_t n; } keys;
  bool host_network, host_ids;
  const char *bridge, *address, *gateway;  /* NULL: none; by DHCP; no default route */
  enum spec_restart restart;
  uint64_t memory, swap;                  /* bytes; swap: beside memory */
  bool has_memory, has_swap;
  uint32_t cpu, tasks, disk;              /* percent of one core; processes and threads; GiB. 0: no limit */
  enum spec_health health;
  uint32_t health_port;
  const char *health_path;
  uint32_t health_start, stop, idle;      /* seconds; idle 0: it runs all the time */
  char *text;                             /* behind all of it */
  size_t part;                            /* while it is read: the row of its table that was read last */
};

/* Why a text is no spec. */
struct spec_problem { bool missing; const char *field; char value[256]; const char *rule; };

/* True: `s` is filled, and spec_free() afterwards. False: `why` says why, and there is nothing to free. */
bool spec_parse(struct spec *s, const char *text, size_t n, struct spec_problem *why);
void spec_free(struct spec *s);
const char *spec_engine_name(enum spec_engine engine);

/* The slot of a container: ids from IDS_FIRST + slot * IDS_EACH, which nobody else has. */
#define SLOTS 4096u
#define IDS_FIRST 0x70000000u
#define IDS_EACH 65536u

/* Its units. */
#define CONTAINER_UNIT_ROOM 128
void container_unit_name(char out[CONTAINER_UNIT_ROOM], const char *name);
void container_port_unit(char out[CONTAINER_UNIT_ROOM], const char *name, uint32_t port, const char *suffix);

/* The grammar of single values. */
bool container_name(const char *s);
bool container_image_name(const char *s, size_t n);      /* registry/name, no tag */
size_t container_image_length(const char *s);            /* of NAME in NAME:TAG, NAME@DIGEST or NAME, whatever it is */
bool container_image(const char *s);                     /* NAME@sha256:DIGEST */
bool container_image_wanted(const char *s);              /* NAME:TAG or NAME@sha256:DIGEST */
bool container_local_tag(const char *s);                 /* localhost/name:tag */
bool container_secret(const char *s);
bool container_snapshot(const char *s);                  /* [a-z0-9][a-z0-9-]{0,31} */
bool container_env_name(const char *s);
bool container_path(const char *s);                      /* absolute, components of [A-Za-z0-9._@+-]+ */
bool container_sum(const char *s);                       /* 64 hex digits */
bool container_address(const char *s, int *family);      /* canonical */
bool container_interface(const char *s);
#endif
