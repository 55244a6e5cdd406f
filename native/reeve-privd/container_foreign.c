/* Containers that others made, out of the files of podman, lxc and Proxmox VE. */
#include "container_look.h"
#include "nat.h"

#define STORAGE_MOST (8u << 20)
#define CONFIG_MOST (256u << 10)
/* Units of a template are in a slice of their own. */
#define FOREIGN_LXC_UNIT "system.slice/system-lxc.slice/lxc@%s.service"

/* A text of JSON without its quotes. Those with escapes are cut before the first one: names and images have none. */
static void text_of(struct span value, char *out, size_t room) {
  size_t n = value.n >= 2 && value.p[0] == '"' ? value.n - 2 : 0;
  const char *escape = n ? memchr(value.p + 1, '\\', n) : NULL;
  if (escape) n = (size_t)(escape - value.p - 1);
  snprintf(out, room, "%.*s", (int)(n < room ? n : room - 1), n ? value.p + 1 : "");
}

/* In "metadata", which is JSON in a text of JSON: \"image-name\":\"NAME\". */
static void image_of(struct span metadata, char *out, size_t room) {
  static const char key[] = "\\\"image-name\\\":\\\"";
  const char *at = memmem(metadata.p, metadata.n, key, sizeof key - 1);
  out[0] = 0;
  if (!at) return;
  at += sizeof key - 1;
  const char *end = memchr(at, '\\', metadata.n - (size_t)(at - metadata.p));
  size_t n = end ? (size_t)(end - at) : 0;
  snprintf(out, room, "%.*s", (int)(n < room ? n : room - 1), at);
}

/* The process that was noted, and the group of version 2 that it is in; false: it is not the one that was noted then. */
static bool process_of(const char *pidfile, uint32_t *found_pid, char out[512]) {
  char path[64];
  struct stat st, proc;
  uint32_t pid;
  AUTO_TEXT text = read_whole(pidfile, 32, NULL);
  if (!text) return false;
  text[strcspn(text, "\n")] = 0;
  if (!parse_u32(text, &pid) || pid == 0) return false;
  snprintf(path, sizeof path, "/proc/%u", pid);
  /* Another process has the number by now when it is younger than the note. */
  if (stat(pidfile, &st) || stat(path, &proc) || proc.st_ctim.tv_sec > st.st_mtim.tv_sec + 5) return false;
  snprintf(path, sizeof path, "/proc/%u/cgroup", pid);
  FILE *file = fopen(path, "re");
  char line[600];
  bool found = false;
  while (file && !found && fgets(line, sizeof line, file)) {
    if (strncmp(line, "0::/", 4)) continue;
    snprintf(out, 512, "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
    found = true;
  }
  if (file) fclose(file);
  *found_pid = pid;
  return found;
}

static bool each_of_storage(const char *driver, foreign_fn *each, void *data) {
  char path[512], id[80];
  size_t n = 0;
  snprintf(path, sizeof path, "/var/lib/containers/storage/%s-containers/containers.json", driver);
  AUTO_TEXT text = read_whole(path, STORAGE_MOST, &n);
  struct span list = {text, n}, item, value, name;
  for (size_t at = 0; text && json_item(list, &at, &item);) {
    struct foreign found = {.engine = SPEC_PODMAN};
    size_t inner = 0;
    if (json_get(item, "names", &value) && json_item(value, &inner, &name)) text_of(name, found.name, sizeof found.name);
    if (json_get(item, "metadata", &value)) image_of(value, found.image, sizeof found.image);
    if (!json_get(item, "id", &value)) continue;
    text_of(value, id, sizeof id);
    if (!found.name[0]) snprintf(found.name, sizeof found.name, "%.12s", id);
    if (!container_sum(id)) continue;
    snprintf(path, sizeof path, "/run/containers/storage/%s-containers/%s/userdata/pidfile", driver, id);
    found.stopped = !process_of(path, &found.pid, found.group);
    /* Without a group of its own (--cgroups=disabled) it is in one with others, which are nothing of it. */
    if (!strstr(found.group, id)) found.group[0] = 0;
    if (!each(&found, data)) return false;
  }
  return true;
}

void foreign_podman(foreign_fn *each, void *data) {
  if (each_of_storage("overlay", each, data)) (void)each_of_storage("vfs", each, data);
}

/* The value of `key` on a line of a config, "key = value" or "key: value"; false: it is another one. */
static bool setting(const char *line, const char *key, char separator, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n)) return false;
  line += n;
  while (*line == ' ' || *line == '\t') line++;
  if (*line++ != separator) return false;
  while (*line == ' ' || *line == '\t') line++;
  snprintf(out, room, "%.*s", (int)strcspn(line, " \t\r"), line);
  return true;
}

bool lxc_group(const char *name, char group[512], struct figures *f) {
  static const char *const forms[] = {"lxc.payload.%s", "lxc.payload/%s", "lxc/%s", FOREIGN_LXC_UNIT, NULL};
  for (const char *const *form = forms; *form; form++) {
    snprintf(group, 512, *form, name);
    if (figures_of(group, f)) return true;
  }
  return false;
}

void foreign_lxc(foreign_fn *each, void *data) {
  struct dirent **names = NULL;
  AUTO_FD dir = open(CONTAINER_LXC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int n = dir < 0 ? -1 : scandirat(dir, ".", &names, NULL, alphasort);
  bool more = true;
  for (int i = 0; more && i < n; i++) {
    char word[16], path[300];
    struct foreign found = {.engine = SPEC_LXC};
    if (names[i]->d_name[0] == '.') continue;
    snprintf(path, sizeof path, CONTAINER_LXC "/%s/config", names[i]->d_name);
    AUTO_TEXT text = read_whole(path, CONFIG_MOST, NULL);
    if (!text) continue;
    snprintf(found.name, sizeof found.name, "%.127s", names[i]->d_name);
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
      (void)(setting(line, "lxc.net.0.ipv4.address", '=', found.address, sizeof found.address) || setting(line, "lxc.net.0.link", '=', found.bridge, sizeof found.bridge));
      if (setting(line, "lxc.start.auto", '=', word, sizeof word)) found.boot = !strcmp(word, "1");
    }
    found.looked = lxc_group(found.name, found.group, &found.f);
    found.stopped = !found.looked;
    more = each(&found, data);
  }
  end_names(names, n);
}

/* net0: name=eth0,bridge=vmbr0,ip=10.0.0.5/24,... */
static void take_net(struct foreign *found, char *line) {
  for (char *rest = line, *word; rest && (word = strsep(&rest, ","));) {
    if (!strncmp(word, "bridge=", 7)) snprintf(found->bridge, sizeof found->bridge, "%s", word + 7);
    if (!strncmp(word, "ip=", 3) && strchr(word, '/')) snprintf(found->address, sizeof found->address, "%s", word + 3);
  }
}

void foreign_pct(foreign_fn *each, void *data) {
  struct dirent **names = NULL;
  AUTO_FD dir = open("/etc/pve/lxc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int n = dir < 0 ? -1 : scandirat(dir, ".", &names, NULL, alphasort);
  bool more = true;
  for (int i = 0; more && i < n; i++) {
    char word[512];
    uint64_t id;
    struct foreign found = {.engine = SPEC_PCT};
    const char *dot = strrchr(names[i]->d_name, '.');
    if (!dot || strcmp(dot, ".conf") || !parse_number(names[i]->d_name, (size_t)(dot - names[i]->d_name), 999999999, &id)) continue;
    AUTO_FD fd = open_beneath(dir, names[i]->d_name, O_RDONLY, 0);
    AUTO_TEXT text = fd < 0 ? NULL : read_open(fd, CONFIG_MOST, NULL);
    if (!text) continue;
    found.id = (uint32_t)id;
    snprintf(found.name, sizeof found.name, "%llu", (unsigned long long)id);
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n")) && line[0] != '[';) {
      (void)setting(line, "hostname", ':', found.name, sizeof found.name);
      if (setting(line, "net0", ':', word, sizeof word)) take_net(&found, word);
      if (setting(line, "onboot", ':', word, sizeof word)) found.boot = !strcmp(word, "1");
    }
    snprintf(found.group, sizeof found.group, "lxc/%u", found.id);
    found.looked = figures_of(found.group, &found.f);
    found.stopped = !found.looked;
    more = each(&found, data);
  }
  end_names(names, n);
}

struct wanted { const char *name; bool found; };

static bool is_wanted(const struct foreign *found, void *data) {
  struct wanted *w = data;
  w->found = w->found || !strcmp(found->name, w->name);
  return !w->found;
}

static bool unmarked(const char *path) {
  size_t n = 0;
  AUTO_TEXT text = read_whole(path, 1u << 20, &n);
  return text ? container_marked(text, n) == MARKED_NOT : errno != ENOENT;
}

/* Is there one of that name that we did not make? */
bool container_foreign(const char *name, enum spec_engine engine, char where[256]) {
  struct wanted w = {.name = name};
  char unit[128];
  container_unit_name(unit, name);
  snprintf(where, 256, CONTAINER_UNITS "/%s", unit);
  if (unmarked(where)) return true;
  if (engine == SPEC_LXC) {
    snprintf(where, 256, CONTAINER_LXC "/%s/config", name);
    return unmarked(where);
  }
  if (engine == SPEC_PODMAN) foreign_podman(is_wanted, &w);
  else foreign_pct(is_wanted, &w);
  snprintf(where, 256, "%s has one of that name", engine == SPEC_PODMAN ? "podman" : "pct");
  return w.found;
}
