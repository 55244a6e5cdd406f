/* inspect of what podman(1) runs: podman tells a line for each property, its texts as JSON, so that none of them is more than one line. */
#include "inspect.h"

#define WORD "{{json .}}\n{{end}}"
#define ABOUT_IMAGE "entrypoint{{range .Config.Entrypoint}} {{.}}{{end}}\nuser {{json .Config.User}}\nfolder {{json .Config.WorkingDir}}\n{{range .Config.Cmd}}arg " WORD "{{range .Config.Env}}env " WORD
#define ABOUT "entrypoint{{if .Config.Entrypoint}} {{.Config.Entrypoint}}{{end}}\nuser {{json .Config.User}}\nfolder {{json .Config.WorkingDir}}\n{{range .Config.Cmd}}arg " WORD "{{range .Config.Env}}env " WORD \
  "{{range .Mounts}}mount {{json .Type}} {{json .Source}} {{json .Destination}} {{json .RW}}\n{{end}}" \
  "{{range $p, $b := .HostConfig.PortBindings}}{{range $b}}port {{json $p}} {{json .HostIP}} {{json .HostPort}}\n{{end}}{{end}}" \
  "{{range .HostConfig.Devices}}device {{json .PathOnHost}} {{json .PathInContainer}}\n{{end}}{{range .HostConfig.CapAdd}}capability " WORD "{{range .HostConfig.SecurityOpt}}security " WORD \
  "image {{json .ImageName}} {{json .ImageDigest}}\nrunning {{json .State.Running}}\nprivileged {{json .HostConfig.Privileged}}\nnetwork {{json .HostConfig.NetworkMode}}\npid {{json .HostConfig.PidMode}}\n" \
  "ids {{json .HostConfig.UsernsMode}}\nrestart {{json .HostConfig.RestartPolicy.Name}}\nmemory {{json .HostConfig.Memory}}\ncpu {{json .HostConfig.NanoCpus}}\ntasks {{json .HostConfig.PidsLimit}}\n" \
  "stop {{json .Config.StopTimeout}}\npod {{json .Pod}}\nid {{json .Image}}\n"
#define WORDS_MOST 5
#define USUAL_TASKS 2048                   /* podman's own */

static unsigned hex_digits(const char *s) {
  unsigned v = 0;
  for (int i = 0; i < 4; i++) {
    const char *all = "0123456789abcdef", *at = s[i] ? strchr(all, s[i] | 0x20) : NULL;
    if (!at) return 0;
    v = v * 16 + (unsigned)(at - all);
  }
  return v;
}

/* One text or number of JSON, decoded in place; NULL: there is no more. What is written as \u comes only for what is no plain text, or for <, > and &. */
static char *next_word(char **rest) {
  char *at = *rest + strspn(*rest, " "), *out = at;
  if (!*at) return NULL;
  if (*at != '"') {
    char *end = at + strcspn(at, " ");
    *rest = *end ? end + 1 : end;
    *end = 0;
    return at;
  }
  char *from = at + 1;
  out = at;
  while (*from && *from != '"') {
    if (*from != '\\') {
      *out++ = *from++;
      continue;
    }
    unsigned code = from[1] == 'u' ? hex_digits(from + 2) : 0;
    char c = from[1] == 'u' ? (code > 0 && code < 0x80 ? (char)code : '\x7f') : from[1] == 'n' ? '\n' : from[1] == 't' ? '\t' : from[1];
    if (!from[1]) break;
    *out++ = c;
    from += from[1] == 'u' && strlen(from) >= 6 ? 6 : 2;
  }
  *rest = *from ? from + 1 : from;
  *out = 0;
  return at;
}

struct lines { char *text; size_t n; };

static void cut(struct buf *b, struct lines *l) {
  *l = (struct lines){(char *)b->p, b->n};
  for (size_t i = 0; i < l->n; i++) if (l->text[i] == '\n') l->text[i] = 0;
}

/* The next line of a key behind `before` (NULL: the first); what follows the key. */
static char *line_after(const struct lines *l, const char *key, const char *before) {
  size_t n = strlen(key);
  char *at = before ? (char *)before + strlen(before) + 1 : l->text;
  for (; at < l->text + l->n; at += strlen(at) + 1) if (!strncmp(at, key, n) && (at[n] == ' ' || !at[n])) return at + n;
  return NULL;
}

/* The words of a line, decoded in a copy: lines are compared as they are. */
static size_t words(const char *line, char copy[8192], char *out[WORDS_MOST]) {
  snprintf(copy, 8192, "%s", line ? line : "");
  char *rest = copy;
  size_t n = 0;
  while (n < WORDS_MOST && (out[n] = next_word(&rest))) n++;
  for (size_t i = n; i < WORDS_MOST; i++) out[i] = copy + strlen(copy);
  return n;
}

static const char *only(const struct lines *l, const char *key, char copy[8192]) {
  char *w[WORDS_MOST];
  (void)words(line_after(l, key, NULL), copy, w);
  return w[0];
}

static bool same(const struct lines *a, const struct lines *b, const char *key) {
  const char *x = NULL, *y = NULL;
  do {
    x = line_after(a, key, x);
    y = line_after(b, key, y);
    if (!x || !y) return !x && !y;
  } while (!strcmp(x, y));
  return false;
}

static bool has(const struct lines *l, const char *key, const char *line) {
  for (const char *at = NULL; (at = line_after(l, key, at));) if (!strcmp(at, line)) return true;
  return false;
}

/* podman writes "/" where the image says nothing. */
static bool same_folder(const struct lines *c, const struct lines *image) {
  char copy[8192], other[8192];
  const char *here = only(c, "folder", copy), *there = only(image, "folder", other);
  return !strcmp(*here ? here : "/", *there ? there : "/");
}

static void take_words(struct found *f, const struct lines *c, const struct lines *image) {
  char copy[8192], *w[WORDS_MOST];
  if (!same(c, image, "arg")) {
    for (const char *at = NULL; (at = line_after(c, "arg", at));) {
      (void)words(at, copy, w);
      if (text_plain(w[0])) found_line(f, AT_WORDS, "arg=%s", w[0]);
      else found_problem(f, "a word of its command has control characters");
    }
  }
  for (const char *at = NULL; (at = line_after(c, "env", at));) {
    (void)words(at, copy, w);
    char *value = strchr(w[0], '=');
    if (has(image, "env", at) || !value) continue;
    *value++ = 0;
    /* podman's own. */
    static const char *const own[] = {"container", "HOSTNAME", "TERM", "HOME", "PATH", NULL};
    if (is_listed(own, w[0])) continue;
    if (container_env_name(w[0]) && text_plain(value)) found_line(f, AT_ENV, "env=%s=%s", w[0], value);
    else found_problem(f, "variable \"%.64s\" of its environment is none that a spec can have", text_plain(w[0]) ? w[0] : "?");
  }
  static const struct { const char *key, *what; } others[] = {{"entrypoint", "entry point"}, {"user", "user"}};
  if (!same_folder(c, image)) found_problem(f, "its working folder is another than that of its image");
  for (size_t i = 0; i < 2; i++) if (!same(c, image, others[i].key)) found_problem(f, "its %s is another than that of its image", others[i].what);
}

static void take_places(struct found *f, const struct lines *c) {
  char copy[8192], *w[WORDS_MOST];
  for (const char *at = NULL; (at = line_after(c, "mount", at));) {
    (void)words(at, copy, w);
    bool bind = !strcmp(w[0], "bind") && container_path(w[1]) && container_path(w[2]);
    if (bind) found_line(f, AT_VOLUME, "volume=%s %s %s", w[1], w[2], !strcmp(w[3], "true") ? "rw" : "ro");
    else found_problem(f, "its volume at %.200s is no folder of the host", text_plain(w[2]) ? w[2] : "?");
  }
  for (const char *at = NULL; (at = line_after(c, "port", at));) {
    (void)words(at, copy, w);
    char *slash = strchr(w[0], '/');
    if (slash) *slash = 0;
    if (slash && (!strcmp(slash + 1, "tcp") || !strcmp(slash + 1, "udp"))) found_line(f, AT_PORT, "port=%s %s %s %s", slash + 1, *w[1] ? w[1] : "0.0.0.0", w[2], w[0]);
    else found_problem(f, "one of its ports is neither of TCP nor of UDP");
  }
  for (const char *at = NULL; (at = line_after(c, "device", at));) {
    (void)words(at, copy, w);
    if (!strcmp(w[0], w[1]) && !strncmp(w[0], "/dev/", 5) && container_path(w[0])) found_line(f, AT_DEVICE, "device=%s", w[0]);
    else found_problem(f, "one of its devices has another name in the container");
  }
}

static void take_image(struct found *f, const struct lines *c) {
  char copy[8192], image[700], *w[WORDS_MOST];
  (void)words(line_after(c, "image", NULL), copy, w);
  snprintf(image, sizeof image, "%.*s@%s", (int)container_image_length(w[0]), w[0], w[1]);
  if (container_image(image)) found_line(f, AT_IMAGE, "image=%s", image);
  else found_problem(f, "its image has no name of a registry with a digest");
}

static void take_rest(struct found *f, const struct lines *c) {
  char copy[8192];
  uint64_t n;
  const char *text = only(c, "network", copy);
  if (!strcmp(text, "host")) found_line(f, AT_NET, "network=host");
  else if (strcmp(text, "bridge") && strcmp(text, "default") && *text) found_problem(f, "its network is neither podman's own nor the host's");
  text = only(c, "ids", copy);
  if (!*text || !strcmp(text, "host")) found_line(f, AT_NET, "ids=host");
  text = only(c, "restart", copy);
  if (!*text || !strcmp(text, "no")) found_line(f, AT_LIMIT, "restart=no");
  else if (!strcmp(text, "on-failure")) found_line(f, AT_LIMIT, "restart=on-failure");
  text = only(c, "memory", copy);
  if (parse_number(text, strlen(text), INT64_MAX, &n) && n > 0) found_line(f, AT_LIMIT, "memory=%llu", (unsigned long long)n);
  text = only(c, "cpu", copy);
  if (parse_number(text, strlen(text), INT64_MAX, &n) && n >= 10000000) found_line(f, AT_LIMIT, "cpu=%llu", (unsigned long long)(n / 10000000));
  text = only(c, "tasks", copy);
  if (parse_number(text, strlen(text), 4194304, &n) && n > 0 && n != USUAL_TASKS) found_line(f, AT_LIMIT, "tasks=%llu", (unsigned long long)n);
  text = only(c, "stop", copy);
  if (parse_number(text, strlen(text), 600, &n) && n != 10) found_line(f, AT_LIMIT, "stop=%llu", (unsigned long long)n);
  if (!strcmp(only(c, "privileged", copy), "true")) found_problem(f, "it is privileged");
  if (!strcmp(only(c, "pid", copy), "host")) found_problem(f, "it sees all processes of the host");
  if (line_after(c, "capability", NULL)) found_problem(f, "it has capabilities beyond podman's usual ones");
  if (line_after(c, "security", NULL)) found_problem(f, "it has security options of its own");
  if (*only(c, "pod", copy)) found_problem(f, "it is part of a pod");
}

static int ask(const char *kind, const char *format, const char *name, struct buf *out, struct lines *l) {
  const char *argv[] = {PODMAN, "--events-backend=none", kind, "inspect", "--format", format, "--", name, NULL};
  struct tool t = {.argv = argv, .in = -1, .seconds = SHORT_S, .out = out};
  buf_init(out, OUTPUT_MOST);
  if (!tool_run(&t)) return tool_failed(&t, "podman does not tell about it");
  cut(out, l);
  return 0;
}

int inspect_podman(const char *name) {
  struct buf text, other = {0};
  struct lines c, image;
  struct found f;
  char copy[8192], id[72];
  if (access(PODMAN, X_OK)) return job_failed("podman is not installed here");
  int code = ask("container", ABOUT, name, &text, &c);
  snprintf(id, sizeof id, "%s", code ? "" : only(&c, "id", copy));
  if (!code) code = ask("image", ABOUT_IMAGE, id, &other, &image);
  if (!code) {
    bool running = !strcmp(only(&c, "running", copy), "true");
    found_begin(&f);
    found_line(&f, AT_ENGINE, "engine=podman");
    found_line(&f, AT_STATE, "state=%s", running ? "running" : "stopped");
    found_line(&f, AT_BOOT, "boot=%s", running && !strcmp(only(&c, "restart", copy), "always") ? "yes" : "no");
    take_image(&f, &c);
    take_words(&f, &c, &image);
    take_places(&f, &c);
    take_rest(&f, &c);
    code = found_tell(&f);
  }
  buf_free(&text);
  buf_free(&other);
  return code;
}
