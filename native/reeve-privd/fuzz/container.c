/* Fuzz target: specs of containers, and the units and config that they become. */
#include "../tests/globals.h"
#include "../container.h"

/* One word of a command line as systemd reads it (systemd.syntax(7)): what the program gets; false: it is not one in double quotes. */
static bool unquote(const char **at, char *out, size_t room) {
  size_t n = 0;
  if (*(*at)++ != '"') return false;
  for (; **at != '"'; (*at)++) {
    char c = **at;
    if (!c || c == '\n' || n + 1 >= room) return false;
    if (c == '\\' && *++*at != '"' && **at != '\\') return false;
    if (c == '\\') c = **at;
    else if ((c == '%' || c == '$') && *++*at != c) return false;
    out[n++] = c;
  }
  (*at)++;
  out[n] = 0;
  return true;
}

/* Each word that is quoted is read back as it was, and the image stands behind "--" with nothing but the arguments after it. */
static void check_run(const struct spec *s, const char *unit) {
  static char word[65536];
  const char *at = strstr(unit, "\nExecStart=/usr/bin/podman ");
  size_t behind = 0, env = 0;
  bool ends = false;
  if (!at || !(at = strstr(at, " \\\n  \""))) abort();
  while (!strncmp(at, " \\\n  ", 5)) {
    at += 5;
    if (!unquote(&at, word, sizeof word)) abort();
    if (ends && (behind == 0 ? strcmp(word, s->image) : strcmp(word, s->args.items[behind - 1]))) abort();
    behind += ends;
    if (!ends && !strcmp(word, "--")) ends = true;
    else if (!ends && strncmp(word, "--", 2)) abort();
    if (!ends && !strncmp(word, "--env=", 6)) {
      size_t n = strlen(s->env.items[env].name);
      if (strncmp(word + 6, s->env.items[env].name, n) || word[6 + n] != '=' || strcmp(word + 7 + n, s->env.items[env].value)) abort();
      env++;
    }
    if (!strncmp(word, "--privileged", 12) && !ends) abort();
  }
  if (*at != '\n' || behind != s->args.n + 1 || env != s->env.n) abort();
}

/* No value begins a line of its own. */
static void check_lines(const char *text) {
  for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
    size_t n = strcspn(at, "\n");
    if (n == 0 || at[0] == '[' || !strncmp(at, "  \"", 3) || !strncmp(at, "lxc.", 4)) continue;
    if (at[0] < 'A' || at[0] > 'Z' || !memchr(at, '=', n)) abort();
  }
}

static void check_spec(struct spec *s) {
  if (s->boot && !s->running) abort();
  for (size_t i = 0; i < s->volumes.n; i++) if (strstr(s->volumes.items[i].folder, "/../") || strchr(s->volumes.items[i].folder, ':') || s->volumes.items[i].folder[0] != '/') abort();
  for (size_t i = 0; i < s->ports.n; i++) if (s->ports.items[i].port < 1 || s->ports.items[i].port > 65535) abort();
  for (size_t i = 0; i < s->devices.n; i++) if (strncmp(s->devices.items[i], "/dev/", 5)) abort();
  if (s->engine == SPEC_PODMAN && (!s->image || s->image[0] == '-' || !strstr(s->image, "@sha256:"))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct container k = {.name = "web", .there = true, .slot = 7, .has_slot = true};
  struct spec_problem why = {0};
  struct container_files f;
  if (!spec_parse(&k.spec, (const char *)data, size, &why)) {
    if (!why.field || !why.rule) abort();
    return 0;
  }
  check_spec(&k.spec);
  for (int left = 0; left < 2; left++) {
    container_render(&k, left, &f);
    for (size_t i = 0; i < f.n; i++) {
      buf_put(&f.items[i].text, "", 1);
      if (f.items[i].text.full) continue;
      const char *text = (const char *)f.items[i].text.p;
      check_lines(text);
      if (k.spec.engine == SPEC_PODMAN && !strcmp(f.items[i].name, "reeve-container-web.service")) check_run(&k.spec, text);
    }
    container_files_free(&f);
  }
  spec_free(&k.spec);
  return 0;
}
