/* Testing a set: nginx says what it does not take, the site that this is about is parked, and the rest is tested again. */
#include "vhost_set.h"

#define ALL_MS 60000  /* no test is begun after that: the caller waits for 120 s, and others for their turn */

/* What a test said. */
struct said { bool ok, broken; char file[640], reason[500], sandbox[320]; char *conflicts; };
struct trial { struct call *c; struct vhost_work *w; int64_t deadline; };

static bool take_line(const char *line, const char *key, char *out, size_t room) {
  size_t n = strlen(key);
  if (strncmp(line, key, n)) return false;
  snprintf(out, room, "%s", line + n);
  return true;
}

/* status= (ok, refused: nginx does not take it, failed: there was no test), reason=, sandbox=, and perhaps file=, conflict=NAME ADDRESS... */
static bool ask(const char *lines, struct said *s) {
  char why[300], *answer;
  *s = (struct said){.broken = true};
  if (!outside_ask("vhost-check", "test", lines, &answer, why)) {
    snprintf(s->reason, sizeof s->reason, "%s", why);
    return false;
  }
  char *rest = answer;
  for (char *line; (line = strsep(&rest, "\n"));) {
    if (!strncmp(line, "conflict=", 9)) {
      if (rest) rest[-1] = '\n';
      s->conflicts = strdup(line);
      break;
    }
    if (!strcmp(line, "status=ok")) s->ok = true, s->broken = false;
    else if (!strcmp(line, "status=refused")) s->broken = false;
    else (void)(take_line(line, "reason=", s->reason, sizeof s->reason) || take_line(line, "file=", s->file, sizeof s->file) || take_line(line, "sandbox=", s->sandbox, sizeof s->sandbox));
  }
  free(answer);
  return !s->broken;
}

static uint16_t no_test(struct call *c, const char *why) { return fail(c, REEVE_E_VHOST_ENGINE, "rule", why, "remedy", "See on the host: journalctl -u reeve-vhost-check, nginx -t", NULL); }

/* Of what is laid out now. */
static uint16_t try(const struct trial *t, struct said *s) {
  char lines[TAKE_MAX + 100] = "staged=" VHOST_DIR "/" VHOST_STAGED "\n";
  size_t n = strlen(lines);
  bool folder = t->w->take && !strncmp(t->w->take, VHOST_DIR "/", sizeof VHOST_DIR);  /* it is not in the new one */
  if (t->w->take && !folder) snprintf(lines + n, sizeof lines - n, "take=%s\n", t->w->take);
  if (now_ms() > t->deadline) return fail(t->c, REEVE_E_TOOL_TIMEOUT, "value", "reeve-vhost-check", NULL);
  return ask(lines, s) ? REEVE_OK : no_test(t->c, s->reason);
}

/* The site whose file nginx named. */
static struct vhost_site *site_named(const struct vhost_work *w, const struct said *s) {
  char site[SITE_MAX_LEN + 1];
  const char *name = strncmp(s->file, VHOST_CURRENT "/", sizeof VHOST_CURRENT) ? NULL : s->file + sizeof VHOST_CURRENT;
  struct vhost_site *found = name && vhost_kind(name, site) != VHOST_NONE ? vhost_site_find(w, site) : NULL;
  return found && found->how != VHOST_OUT ? found : NULL;
}

static uint16_t not_set(struct call *c) { return io_failed(c, "the files of a site cannot be laid out"); }

static uint16_t park(const struct trial *t, struct vhost_site *s, const char *problem) { return vhost_park(t->w, s, problem) ? REEVE_OK : not_set(t->c); }

/* Sites that one may be to blame of, as they are and as they are without it. */
struct suspects { struct vhost_site **list; enum vhost_how *as; size_t n; bool changed; };

static enum vhost_how without(const struct suspects *s, size_t i) { return s->changed && s->list[i]->before ? VHOST_BEFORE : VHOST_OUT; }

static uint16_t lay_from(const struct trial *t, const struct suspects *s, size_t first) {
  for (size_t i = 0; i < s->n; i++) {
    enum vhost_how how = i < first ? s->as[i] : without(s, i);
    if (s->list[i]->how != how && !vhost_site_set(t->w, s->list[i], how)) return not_set(t->c);
  }
  return REEVE_OK;
}

static uint16_t try_from(const struct trial *t, const struct suspects *s, size_t first, struct said *said) {
  uint16_t status = lay_from(t, s, first);
  if (!status) status = try(t, said);
  if (status) return status;
  free(said->conflicts);
  said->conflicts = NULL;
  return REEVE_OK;
}

/* The first one with which nginx does not take the set any more, or NULL: without all of them it does not, either; `said` is of that test then. */
static uint16_t search(const struct trial *t, const struct suspects *s, struct said *said, struct vhost_site **found) {
  struct said now;
  size_t low = 0, high = s->n;
  *found = NULL;
  uint16_t status = try_from(t, s, 0, &now);
  bool innocent = !status && !now.ok;
  if (innocent) *said = now;
  while (!status && !innocent && high - low > 1) {
    size_t mid = (low + high) / 2;
    status = try_from(t, s, mid, &now);
    if (!status && now.ok) low = mid;
    else if (!status) high = mid, *said = now;
  }
  if (!status) status = lay_from(t, s, s->n);
  if (!status && !innocent) *found = s->list[low];
  return status;
}

/* changed: those with new files that are laid out; else all that are. */
static bool take_suspects(const struct vhost_work *w, bool changed, struct suspects *s) {
  *s = (struct suspects){calloc(w->nsites + 1, sizeof *s->list), calloc(w->nsites + 1, sizeof *s->as), 0, changed};
  for (size_t i = 0; i < w->nsites && s->list && s->as; i++) {
    struct vhost_site *site = &w->sites[i];
    if (site->how == VHOST_OUT || (changed && (!site->changed || site->how != VHOST_WANTED))) continue;
    s->as[s->n] = site->how;
    s->list[s->n++] = site;
  }
  return s->list && s->as;
}

/* NULL: none of them is to blame. */
static uint16_t suspect(const struct trial *t, bool changed, struct said *said, struct vhost_site **found) {
  struct suspects s;
  *found = NULL;
  uint16_t status = take_suspects(t->w, changed, &s) ? REEVE_OK : io_failed(t->c, "out of memory");
  if (!status && s.n > 0) status = search(t, &s, said, found);
  free(s.list);
  free(s.as);
  return status;
}

char *vhost_read(int dir, const char *name, size_t *n) {
  AUTO_FD fd = dir < 0 ? -1 : open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  return fd < 0 ? NULL : read_open(fd, VHOST_FILE_MAX, n);
}

static void facts_of(const struct vhost_work *w, const struct vhost_site *s, struct vhost_facts *facts) {
  char name[SITE_MAX_LEN + 8];
  struct vhost_wrong wrong;
  size_t n;
  snprintf(name, sizeof name, "%s.conf", s->name);
  AUTO_TEXT text = vhost_read(w->dir, name, &n);
  if (text) (void)vhost_conf(s->name, text, n, facts, &wrong);
}

/* The certificate that nginx could not use; of every site that has it, nginx would say the same. */
static uint16_t park_users(const struct trial *t, const struct said *said, bool changed, bool *any) {
  const char *name = strncmp(said->file, CERT_DIR "/", sizeof CERT_DIR) ? NULL : said->file + sizeof CERT_DIR;
  size_t n = name ? strcspn(name, "/") : 0;
  uint16_t status = REEVE_OK;
  for (size_t i = 0; i < t->w->nsites && name && !status; i++) {
    struct vhost_site *s = &t->w->sites[i];
    AUTO_FACTS facts = {0};
    if (s->how == VHOST_OUT || (s->changed && s->how == VHOST_WANTED) != changed) continue;
    facts_of(t->w, s, &facts);
    for (size_t k = 0; k < facts.n; k++) {
      if (facts.list[k].kind != VHOST_CERT || strlen(facts.list[k].text) != n || memcmp(facts.list[k].text, name, n)) continue;
      status = park(t, s, said->reason);
      *any = true;
      break;
    }
  }
  return status;
}

/* One thing that nginx does not take, away. A new site is to blame before one that was there. */
static uint16_t blame(const struct trial *t, struct said *said) {
  char why[700];
  bool any = false;
  struct vhost_site *site = site_named(t->w, said);
  if (site && site->changed && site->how == VHOST_WANTED) return park(t, site, said->reason);
  uint16_t status = park_users(t, said, true, &any);
  if (!status && !any) status = park_users(t, said, false, &any);
  if (status || any) return status;
  status = suspect(t, true, said, &site);
  if (status || site) return status ? status : park(t, site, said->reason);
  site = site_named(t->w, said);
  if (site && site->changed) {
    site->before = false;  /* what is in place of it is not taken, either */
    return site->how == VHOST_WANTED ? REEVE_OK : park(t, site, said->reason);
  }
  if (site) return park(t, site, said->reason);
  status = suspect(t, false, said, &site);
  if (status || site) return status ? status : park(t, site, said->reason);
  snprintf(why, sizeof why, "nginx does not take its configuration, and no site of Reeve's is to blame: %s", said->reason);
  return no_test(t->c, why);
}

/* Lines conflict=NAME ADDRESS. */
static bool in_conflict(const char *conflicts, const char *name) {
  size_t n = strlen(name);
  for (const char *at = conflicts; (at = strstr(at, "conflict=")); at++) if (!strncmp(at + 9, name, n) && at[9 + n] == ' ') return true;
  return false;
}

/* Names that others have as well: nginx only warns, and of the two one is not served. */
static uint16_t blame_conflicts(const struct trial *t, const char *conflicts, bool *any) {
  char problem[400];
  uint16_t status = REEVE_OK;
  for (size_t i = 0; i < t->w->nsites && !status; i++) {
    struct vhost_site *s = &t->w->sites[i];
    AUTO_FACTS facts = {0};
    if (!s->changed || s->how != VHOST_WANTED) continue;
    facts_of(t->w, s, &facts);
    for (size_t k = 0; k < facts.n; k++) {
      if (facts.list[k].kind != VHOST_NAME || !in_conflict(conflicts, facts.list[k].text)) continue;
      snprintf(problem, sizeof problem, "another site of the host has the name %.255s where it listens", facts.list[k].text);
      status = park(t, s, problem);
      *any = true;
      break;
    }
  }
  return status;
}

static uint16_t park_places(const struct trial *t) {
  char says[200];
  struct nginx_ports *ports = nginx_listens();
  uint16_t status = ports ? REEVE_OK : io_failed(t->c, "out of memory");
  for (size_t i = 0; i < t->w->nsites && !status; i++) {
    struct vhost_site *s = &t->w->sites[i];
    AUTO_FACTS facts = {0};
    if (!s->changed || s->how != VHOST_WANTED) continue;
    facts_of(t->w, s, &facts);
    for (size_t k = 0; k < facts.n; k++) {
      if (facts.list[k].kind != VHOST_PORT || nginx_can_listen(ports, facts.list[k].text, facts.list[k].port, says)) continue;
      status = park(t, s, says);
      break;
    }
  }
  nginx_ports_free(ports);
  return status;
}

/* Until nginx takes what is left. Each round parks one site at least. */
uint16_t vhost_test(struct call *c, struct vhost_work *w, char sandbox[320]) {
  struct trial t = {c, w, now_ms() + ALL_MS};
  uint16_t status = park_places(&t);
  for (bool again = !status; again && !status;) {
    struct said s;
    status = try(&t, &s);
    if (status) break;
    again = !s.ok;
    snprintf(sandbox, 320, "%s", s.sandbox);
    char *conflicts = s.conflicts;
    if (!s.ok) status = blame(&t, &s);
    else if (conflicts) status = blame_conflicts(&t, conflicts, &again);
    free(conflicts);
  }
  return status;
}

/* The configuration as it is. */
uint16_t vhost_test_now(struct call *c) {
  struct said s;
  if (!ask("", &s)) return no_test(c, s.reason);
  free(s.conflicts);
  return s.ok ? REEVE_OK : fail(c, REEVE_E_VHOST_RELOAD, "rule", s.reason, NULL);
}
