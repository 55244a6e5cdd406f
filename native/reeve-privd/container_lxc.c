/* The config of a container of lxc (lxc.container.conf(5)). */
#include "container.h"

static bool is_on(const char *path) {
  char first = 0;
  AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, &first, 1) == 1 && first == 'Y';
}

/* The same after every start, and another one on every host: by it a DHCP server knows the container again. */
static void hardware(char out[24], const struct container *k) {
  char text[160];
  uint8_t sum[32];
  AUTO_TEXT machine = read_whole("/etc/machine-id", 64, NULL);
  int n = snprintf(text, sizeof text, "reeve container %s %.32s", k->name, machine ? machine : "");
  sha256_of(text, (size_t)n, sum);
  snprintf(out, 24, "00:16:3e:%02x:%02x:%02x", sum[0], sum[1], sum[2]);
}

static void network(struct buf *b, const struct container *k) {
  const struct spec *s = &k->spec;
  char address[24];
  if (!s->bridge) {
    buf_say(b, "lxc.net.0.type = empty\n");
    return;
  }
  hardware(address, k);
  buf_say(b, "lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\nlxc.net.0.name = eth0\nlxc.net.0.hwaddr = %s\n", s->bridge, address);
  const char *family = s->address && strchr(s->address, ':') ? "ipv6" : "ipv4";
  if (s->address) buf_say(b, "lxc.net.0.%s.address = %s\n", family, s->address);
  if (s->gateway) buf_say(b, "lxc.net.0.%s.gateway = %s\n", family, s->gateway);
}

void container_render_lxc(const struct container *k, struct buf *b) {
  buf_say(b, "lxc.uts.name = %s\nlxc.rootfs.path = dir:" CONTAINER_LXC "/%s/rootfs\n", k->name, k->name);
  if (!k->spec.host_ids) buf_say(b, "lxc.idmap = u 0 %u %u\nlxc.idmap = g 0 %u %u\n", container_root(k), IDS_EACH, container_root(k), IDS_EACH);
  network(b, k);
  /* Limits are those of the unit: its groups lie below that of the unit. */
  buf_say(b, "lxc.cgroup.relative = 1\nlxc.mount.auto = proc:mixed sys:mixed cgroup:mixed\nlxc.tty.max = 0\nlxc.pty.max = 1024\n");
  buf_say(b, "lxc.cap.drop = mac_admin mac_override sys_module sys_rawio sys_time syslog\n");
  if (!access("/usr/share/lxc/config/common.seccomp", R_OK)) buf_say(b, "lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp\n");
  if (is_on("/sys/module/apparmor/parameters/enabled")) buf_say(b, "lxc.apparmor.profile = generated\n");
}
