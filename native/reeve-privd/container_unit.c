/* The units of a container: what systemd is to start, with every argument quoted here. */
#include "container.h"

#include <stdarg.h>

#define UNIT_BYTES (512u << 10)

/* systemd.syntax(7) and "COMMAND LINES" of systemd.service(5): in double quotes \ escapes, % begins a specifier and $ a variable, which are doubled. */
void systemd_word(struct buf *b, const char *word) {
  buf_put(b, "\"", 1);
  for (; *word; word++) {
    if (*word == '"' || *word == '\\') buf_put(b, "\\", 1);
    if (*word == '%' || *word == '$') buf_put(b, word, 1);
    buf_put(b, word, 1);
  }
  buf_put(b, "\"", 1);
}

static void arg(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void arg(struct buf *b, const char *format, ...) {
  va_list list;
  char *text = NULL;
  va_start(list, format);
  if (vasprintf(&text, format, list) < 0) b->full = true;
  else {
    buf_say(b, " \\\n  ");
    systemd_word(b, text);
    free(text);
  }
  va_end(list);
}

void container_loopback(const struct container *k, char out[32]) { snprintf(out, 32, "127.82.%u.%u", k->slot / 256, k->slot % 256); }

uint32_t container_inner(const struct spec *s, uint32_t inside) {
  uint32_t n = 0;
  for (size_t i = 0; i < s->ports.n; i++) {
    bool before = false;
    for (size_t j = 0; j < i; j++) before = before || s->ports.items[j].inside == s->ports.items[i].inside;
    if (before) continue;
    if (s->ports.items[i].inside == inside) return INNER_PORT + n;
    n++;
  }
  return 0;
}

struct container_file *container_file_add(struct container_files *f, const char *dir, const char *name, mode_t mode) {
  if (f->n == sizeof f->items / sizeof *f->items) return NULL;
  struct container_file *file = &f->items[f->n++];
  *file = (struct container_file){.mode = mode};
  snprintf(file->dir, sizeof file->dir, "%s", dir);
  snprintf(file->name, sizeof file->name, "%s", name);
  buf_init(&file->text, UNIT_BYTES);
  return file;
}

void container_files_free(struct container_files *f) {
  for (size_t i = 0; i < f->n; i++) buf_free(&f->items[i].text);
  f->n = 0;
}

static void limits(struct buf *b, const struct spec *s) {
  if (s->has_memory) buf_say(b, "MemoryMax=%llu\n", (unsigned long long)s->memory);
  if (s->has_swap) buf_say(b, "MemorySwapMax=%llu\n", (unsigned long long)s->swap);
  if (s->cpu) buf_say(b, "CPUQuota=%u%%\n", s->cpu);
  if (s->tasks) buf_say(b, "TasksMax=%u\n", s->tasks);
}

static void published(struct buf *b, const struct container *k) {
  const struct spec *s = &k->spec;
  char loopback[32];
  container_loopback(k, loopback);
  for (size_t i = 0; i < s->ports.n; i++) {
    const struct spec_port *p = &s->ports.items[i];
    bool v6 = strchr(p->address, ':'), before = false;
    if (!s->idle) {
      arg(b, v6 ? "--publish=[%s]:%u:%u/%s" : "--publish=%s:%u:%u/%s", p->address, p->port, p->inside, p->udp ? "udp" : "tcp");
      continue;
    }
    /* The socket has the port of the host; podman would not get it on any address. */
    for (size_t j = 0; j < i; j++) before = before || s->ports.items[j].inside == p->inside;
    if (!before) arg(b, "--publish=%s:%u:%u/tcp", loopback, container_inner(s, p->inside), p->inside);
  }
}

/* What a program as root needs to become a service account and own its files, and nothing else. */
static const char capabilities[] = "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,NET_BIND_SERVICE,SETGID,SETPCAP,SETUID,SYS_CHROOT";

static void secrets(struct buf *b, const struct container *k, bool left) {
  for (size_t i = 0; i < k->spec.secrets.n; i++) {
    const struct spec_secret *secret = &k->spec.secrets.items[i];
    if (left) arg(b, "--volume=" CONTAINER_LEFT "/%s/%s:/run/secrets/%s:ro", k->name, secret->name, secret->name);
    else arg(b, "--volume=%s/" CONTAINER_DIR "/%s/secret/%s.%s:/run/secrets/%s:ro", config.state, k->name, secret->name, secret->version, secret->name);
  }
}

static void podman_run(struct buf *b, const struct container *k, bool left) {
  const struct spec *s = &k->spec;
  buf_say(b, "ExecStart=/usr/bin/podman --events-backend=none run --detach --rm --replace --pull=never --cgroups=disabled --sdnotify=conmon --log-driver=passthrough --no-healthcheck");
  arg(b, "--name=%s", k->name);
  arg(b, "--security-opt=no-new-privileges");
  arg(b, "--cap-drop=all");
  arg(b, "--cap-add=%s", capabilities);
  if (!s->host_ids) {
    arg(b, "--uidmap=0:%u:%u", container_root(k), IDS_EACH);
    arg(b, "--gidmap=0:%u:%u", container_root(k), IDS_EACH);
  }
  arg(b, "--network=%s", s->host_network ? "host" : "bridge");
  if (!s->host_network) arg(b, "--hostname=%s", k->name);
  published(b, k);
  for (size_t i = 0; i < s->volumes.n; i++) arg(b, "--volume=%s:%s:%s", s->volumes.items[i].folder, s->volumes.items[i].target, s->volumes.items[i].readonly ? "ro" : "rw");
  secrets(b, k, left);
  for (size_t i = 0; i < s->devices.n; i++) arg(b, "--device=%s", s->devices.items[i]);
  for (size_t i = 0; i < s->env.n; i++) arg(b, "--env=%s=%s", s->env.items[i].name, s->env.items[i].value);
  arg(b, "--stop-timeout=%u", s->stop);
  arg(b, "--");
  arg(b, "%s", s->image);
  for (size_t i = 0; i < s->args.n; i++) arg(b, "%s", s->args.items[i]);
  buf_say(b, "\n");
}

static void podman_service(struct buf *b, const struct container *k, bool left) {
  const struct spec *s = &k->spec;
  buf_say(b, "Type=notify\nNotifyAccess=all\n");
  podman_run(b, k, left);
  buf_say(b, "ExecStop=/usr/bin/podman --events-backend=none stop --ignore --time=%u -- %s\n", s->stop, k->name);
  buf_say(b, "ExecStopPost=-/usr/bin/podman --events-backend=none rm --force --ignore -- %s\n", k->name);
  /* 143: it ended at SIGTERM; 137: it did not, and was killed. One that sleeps is woken by the next connection whichever it was. */
  buf_say(b, "SuccessExitStatus=%s\nTimeoutStartSec=120\n", s->idle ? "137 143" : "143");
}

static void lxc_service(struct buf *b, const struct container *k) {
  buf_say(b, "Type=exec\nExecStart=/usr/bin/lxc-start -F --name=%s --lxcpath=" CONTAINER_LXC "%s\n", k->name, k->spec.adopted ? " -s lxc.cgroup.relative=1" : "");
  buf_say(b, "ExecStop=/usr/bin/lxc-stop --name=%s --lxcpath=" CONTAINER_LXC " --timeout=%u\n", k->name, k->spec.stop);
}

/* Only of one that sleeps: else pct itself starts it. */
static void pct_service(struct buf *b, const struct container *k) {
  buf_say(b, "Type=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/pct start %u\nExecStop=/usr/sbin/pct shutdown %u --timeout %u --forceStop 1\n", k->spec.id, k->spec.id, k->spec.stop);
}

static void service(struct buf *b, const struct container *k, bool left) {
  static const char *const restarts[] = {[SPEC_RESTART_ALWAYS] = "always", [SPEC_RESTART_FAILURE] = "on-failure", [SPEC_RESTART_NO] = "no"};
  const struct spec *s = &k->spec;
  buf_say(b, "[Unit]\nDescription=Container %s\n%sWants=network-online.target\nAfter=network-online.target%s\n", k->name, left ? "" : "Documentation=man:reeve-agent(8)\n", s->engine == SPEC_LXC ? " lxc-net.service" : "");
  for (size_t i = 0; i < s->volumes.n; i++) buf_say(b, "RequiresMountsFor=%s\n", s->volumes.items[i].folder);
  /* It is started again as long as it takes: a limit that is reached would leave it down for good. */
  buf_say(b, "StartLimitIntervalSec=0\n%s\n[Service]\n", s->idle ? "StopWhenUnneeded=yes\n" : "");
  if (s->engine == SPEC_PODMAN) podman_service(b, k, left);
  else if (s->engine == SPEC_LXC) lxc_service(b, k);
  else pct_service(b, k);
  buf_say(b, "TimeoutStopSec=%u\n", s->stop + 20);
  if (s->engine != SPEC_PCT) {
    buf_say(b, "KillMode=mixed\nDelegate=yes\nRestart=%s\nRestartSec=2\n", restarts[s->restart]);
    limits(b, s);
  }
  if (s->boot && !s->idle) buf_say(b, "\n[Install]\nWantedBy=multi-user.target\n");
}

static void socket_unit(struct buf *b, const struct container *k, const struct spec_port *first) {
  const struct spec *s = &k->spec;
  buf_say(b, "[Unit]\nDescription=Port %u of container %s\n\n[Socket]\n", first->port, k->name);
  for (size_t i = 0; i < s->ports.n; i++) {
    const struct spec_port *p = &s->ports.items[i];
    if (p->port == first->port) buf_say(b, strchr(p->address, ':') ? "ListenStream=[%s]:%u\n" : "ListenStream=%s:%u\n", p->address, p->port);
  }
  buf_say(b, "BindIPv6Only=ipv6-only\nFreeBind=yes\nBacklog=1024\n");
  if (s->boot) buf_say(b, "\n[Install]\nWantedBy=sockets.target\n");
}

/* Behind the socket: it wakes the container, waits until it takes connections, and passes bytes. */
static void proxy_unit(struct buf *b, const struct container *k, const struct spec_port *p, bool left) {
  const struct spec *s = &k->spec;
  char unit[128], address[64];
  uint32_t port = s->engine == SPEC_PODMAN ? container_inner(s, p->inside) : p->inside;
  container_unit_name(unit, k->name);
  if (s->engine == SPEC_PODMAN) container_loopback(k, address);
  else snprintf(address, sizeof address, "%.*s", (int)strcspn(s->address, "/"), s->address);
  bool v6 = strchr(address, ':');
  /* Wants, not Requires: of one that does not start the connections wait as long as they may, instead of starting it over and over. */
  buf_say(b, "[Unit]\nDescription=Port %u of container %s, when it is awake\nWants=%s\nAfter=%s\nPartOf=%s\nStartLimitIntervalSec=0\n\n[Service]\n", p->port, k->name, unit, unit, unit);
  /* The "-": of one that takes no connections in time the caller is told so; and it goes on when our program is gone. */
  buf_say(b, "ExecStartPre=-%s wait %s %u %u\n", left ? CONTAINER_LEFT "/reeve-container" : CONTAINER_PROGRAM, address, port, s->health_start);
  buf_say(b, v6 ? "ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=%us --connections-max=4096 [%s]:%u\n" : "ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=%us --connections-max=4096 %s:%u\n", s->idle, address, port);
  buf_say(b, "TimeoutStartSec=%u\nDynamicUser=yes\nNoNewPrivileges=yes\nCapabilityBoundingSet=\nPrivateDevices=yes\nProtectSystem=strict\nProtectHome=yes\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n", s->health_start + 30);
}

static bool first_of_port(const struct spec *s, size_t i) {
  for (size_t j = 0; j < i; j++) if (s->ports.items[j].port == s->ports.items[i].port) return false;
  return true;
}

void container_render(const struct container *k, bool left, struct container_files *f) {
  const struct spec *s = &k->spec;
  char name[128];
  *f = (struct container_files){.left = left};
  if (s->engine == SPEC_LXC && !s->adopted) {
    snprintf(name, sizeof name, "%s/config", k->name);
    container_render_lxc(k, &container_file_add(f, CONTAINER_LXC, name, 0644)->text);
  }
  if (s->engine != SPEC_PCT || s->idle) {
    container_unit_name(name, k->name);
    service(&container_file_add(f, CONTAINER_UNITS, name, 0644)->text, k, left);
  }
  for (size_t i = 0; s->idle && i < s->ports.n; i++) {
    if (!first_of_port(s, i)) continue;
    container_port_unit(name, k->name, s->ports.items[i].port, "service");
    proxy_unit(&container_file_add(f, CONTAINER_UNITS, name, 0644)->text, k, &s->ports.items[i], left);
    container_port_unit(name, k->name, s->ports.items[i].port, "socket");
    socket_unit(&container_file_add(f, CONTAINER_UNITS, name, 0644)->text, k, &s->ports.items[i]);
  }
}
