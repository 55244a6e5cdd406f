/* Testing a set: nginx says what it does not take, the site that this is about is parked, and the rest is tested again. */
#include "vhost_set.h"

#define ROUNDS_MAX 2000u

/* What a test said. */
struct said { bool ok, broken; char file[320], message[320], sandbox[200]; struct vhost_list clashes; };

static bool take_line(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n)) return false;
  snprintf(out, room, "%s", line + n);
  return true;
}

/* status= (ok, refused: nginx does not take it, failed: there was no test), reason=, and perhaps file=, sandbox=, conflict=NAME ADDRESS... */
static bool ask(const char *set, const char *take, struct said *s) {
  char lines[1200], why[300];
  *s = (struct said){0};
  snprintf(lines, sizeof lines, "staged=" VHOST_DIR "/%s\ntake=%s\n", set, take);
  char *answer, *rest;
  if (!outside_ask("vhost-check", "test", lines, &answer, why)) {
    snprintf(s->message, sizeof s->message, "%s", why);
    s->broken = true;
    return false;
  }
  rest = answer;
  static const uint8_t none[32];
  char name[320];
  for (char *line; (line = strsep(&rest, "\n"));) {
    if (!strcmp(line, "status=ok")) s->ok = true;
    else if (!strcmp(line, "status=failed")) s->broken = true;
    else if (take_line(line, "reason=", s->message, sizeof s->message) || take_line(line, "file=", s->file, sizeof s->file) || take_line(line, "sandbox=", s->sandbox, sizeof s->sandbox)) continue;
    else if (take_line(line, "conflict=", name, sizeof name)) {
      name[strcspn(name, " ")] = 0;
      (void)vhost_list_add(&s->clashes, name, none);
    }
  }
  free(answer);
  return !s->broken;
}

/* The site whose file nginx named; false: it is of others, or none was named. */
static bool site_of(const char *file, char site[SITE_MAX_LEN + 1]) {
  const char *name = strncmp(file, VHOST_CURRENT "/", sizeof VHOST_CURRENT) ? NULL : file + sizeof VHOST_CURRENT;
  return name && vhost_kind(name, site) != VHOST_NONE;
}

/* Sites of a list that are not in place just so, in the order of their names. */
static size_t changed_sites(const struct vhost_list *list, const struct vhost_parks *parks, char *(**sites)) {
  char placed[SET_NAME], site[SITE_MAX_LEN + 1];
  AUTO_LIST had = {0};
  size_t n = 0;
  if (vhost_placed(placed)) (void)vhost_list_read(placed, &had);
  *sites = calloc(list->n + 1, sizeof **sites);
  for (size_t i = 0; *sites && i < list->n; i++) {
    const struct vhost_entry *was = vhost_list_find(&had, list->entries[i].name);
    if (was && !memcmp(was->sha256, list->entries[i].sha256, 32)) continue;
    if (vhost_kind(list->entries[i].name, site) == VHOST_NONE || vhost_parked(parks, site) || (n > 0 && !strcmp((*sites)[n - 1], site))) continue;
    (*sites)[n++] = strdup(site);
  }
  return n;
}

/* The files of some sites go aside while the rest is tested. They are in the folder, so a rename within it does. */
static void aside(int dir, const struct vhost_list *list, char *const *sites, size_t from, size_t to, bool away) {
  char name[SITE_MAX_LEN + 32], site[SITE_MAX_LEN + 1];
  for (size_t i = 0; i < list->n; i++) {
    if (vhost_kind(list->entries[i].name, site) != VHOST_CONF) continue;
    for (size_t k = from; k < to; k++) {
      if (strcmp(sites[k], site)) continue;
      snprintf(name, sizeof name, "%s.aside", list->entries[i].name);
      (void)renameat(dir, away ? list->entries[i].name : name, dir, away ? name : list->entries[i].name);
    }
  }
}

/* nginx named none of our sites: the changed ones are halved until one is left without which it is another matter. Gives its place, or -1. */
static long search(const char *set, const char *take, const struct vhost_list *list, char *const *sites, size_t n, struct said *last) {
  AUTO_FD dir = vhost_open_set(set);
  size_t low = 0, high = n;
  if (dir < 0 || n == 0) return -1;
  aside(dir, list, sites, 0, n, true);
  struct said without;
  bool innocent = ask(set, take, &without) && !without.ok;
  vhost_list_free(&without.clashes);
  aside(dir, list, sites, 0, n, false);
  if (innocent) return -1;
  while (high - low > 1) {
    size_t mid = (low + high) / 2;
    struct said half;
    aside(dir, list, sites, mid, n, true);
    bool asked = ask(set, take, &half);
    aside(dir, list, sites, mid, n, false);
    vhost_list_free(&half.clashes);
    if (!asked) return -1;
    if (half.ok) {
      low = mid;
    } else {
      high = mid;
      *last = half;
      last->clashes = (struct vhost_list){0};
    }
  }
  return (long)low;
}

static char *conf_text(const char *set, const char *site, size_t *n) {
  char name[SITE_MAX_LEN + 8];
  AUTO_FD dir = vhost_open_set(set);
  snprintf(name, sizeof name, "%s.conf", site);
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, name, O_RDONLY, 0);
  return fd < 0 ? NULL : read_open(fd, VHOST_FILE_MAX, n);
}

/* What nginx's test cannot see in a network of its own: ports of other programs, addresses that the host does not have. */
static bool bad_place(const char *set, const char *site, const struct nginx_ports *ports, char says[200]) {
  size_t n;
  struct vhost_facts facts = {0};
  struct vhost_wrong wrong;
  bool bad = false;
  AUTO_TEXT text = conf_text(set, site, &n);
  if (text) (void)vhost_conf(site, text, n, &facts, &wrong);
  for (size_t i = 0; i < facts.n && !bad; i++) bad = facts.list[i].kind == VHOST_PORT && !nginx_can_listen(ports, facts.list[i].text, facts.list[i].port, says);
  vhost_facts_free(&facts);
  return bad;
}

static uint16_t no_test(struct call *c, const char *why) { return fail(c, REEVE_E_VHOST_ENGINE, "rule", why, "remedy", "See on the host: journalctl -u reeve-vhost-check, nginx -t", NULL); }

static bool park(struct vhost_parks *parks, const char *set, const char *site, const struct said *s, struct vhost_list *list) {
  char problem[660];
  snprintf(problem, sizeof problem, "%s", s->message);
  return vhost_park(parks, set, site, problem, list);
}

/* One thing that nginx does not take, away. */
static uint16_t blame(struct call *c, const char *set, const char *take, struct vhost_list *list, struct vhost_parks *parks, struct said *s) {
  char site[SITE_MAX_LEN + 1], **sites, why[660];
  if (site_of(s->file, site)) return park(parks, set, site, s, list) ? REEVE_OK : io_failed(c, "a site cannot be parked");
  size_t n = changed_sites(list, parks, &sites);
  long at = sites ? search(set, take, list, sites, n, s) : -1;
  if (at >= 0) snprintf(site, sizeof site, "%s", sites[at]);
  for (size_t i = 0; sites && i < n; i++) free(sites[i]);
  free(sites);
  if (at >= 0) return park(parks, set, site, s, list) ? REEVE_OK : io_failed(c, "a site cannot be parked");
  snprintf(why, sizeof why, "it does not take its configuration, for a reason that no site of Reeve's is: %s", s->message);
  return no_test(c, why);
}

/* Names that others have as well: nginx only warns, and one of the two is not served. */
static bool blame_clashes(const char *set, struct vhost_list *list, struct vhost_parks *parks, const struct said *s, bool *any) {
  char **sites, problem[300];
  size_t n = changed_sites(list, parks, &sites);
  bool ok = sites != NULL;
  *any = false;
  for (size_t i = 0; ok && i < n; i++) {
    struct vhost_facts facts = {0};
    struct vhost_wrong wrong;
    size_t bytes;
    AUTO_TEXT text = conf_text(set, sites[i], &bytes);
    if (text) (void)vhost_conf(sites[i], text, bytes, &facts, &wrong);
    for (size_t k = 0; k < facts.n; k++) {
      if (facts.list[k].kind != VHOST_NAME || !vhost_list_find(&s->clashes, facts.list[k].text) || vhost_parked(parks, sites[i])) continue;
      snprintf(problem, sizeof problem, "another site has the name %.200s where it listens", facts.list[k].text);
      ok = vhost_park(parks, set, sites[i], problem, list);
      *any = true;
    }
    vhost_facts_free(&facts);
  }
  for (size_t i = 0; sites && i < n; i++) free(sites[i]);
  free(sites);
  return ok;
}

static uint16_t park_places(struct call *c, const char *set, struct vhost_list *list, struct vhost_parks *parks) {
  char **sites, says[200];
  static struct nginx_ports ports;
  size_t n = changed_sites(list, parks, &sites);
  bool ok = sites != NULL;
  nginx_listens(&ports);
  for (size_t i = 0; ok && i < n; i++) if (bad_place(set, sites[i], &ports, says)) ok = vhost_park(parks, set, sites[i], says, list);
  for (size_t i = 0; sites && i < n; i++) free(sites[i]);
  free(sites);
  return ok ? REEVE_OK : io_failed(c, "a site cannot be parked");
}

/* Until nginx takes what is left. */
uint16_t vhost_test(struct call *c, const char *set, const char *take, struct vhost_list *list, struct vhost_parks *parks, char sandbox[200]) {
  uint16_t status = park_places(c, set, list, parks);
  for (unsigned round = 0; !status && round < ROUNDS_MAX; round++) {
    struct said s;
    bool again = false;
    if (!ask(set, take, &s)) status = no_test(c, s.message);
    else if (!s.ok) status = blame(c, set, take, list, parks, &s), again = true;
    else if (s.clashes.n > 0 && !blame_clashes(set, list, parks, &s, &again)) status = io_failed(c, "a site cannot be parked");
    snprintf(sandbox, 200, "%s", s.sandbox);
    vhost_list_free(&s.clashes);
    if (!again) break;
  }
  return status;
}
