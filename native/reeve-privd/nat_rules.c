/* The lines that say what noun nat should be (shared/model/nat.ts has the same grammar). Nothing is repaired: one form is taken, everything else refused. */
#include "nat.h"
#include <arpa/inet.h>
#include <stdarg.h>

#define FIELDS_MOST 10

bool nat_wrong(struct nat_problem *p, const char *where, const char *format, ...) {
  va_list list;
  snprintf(p->where, sizeof p->where, "%s", where);
  va_start(list, format);
  vsnprintf(p->says, sizeof p->says, format, list);
  va_end(list);
  return false;
}

/* An address in its shortest form. */
static bool address_parse(const char *s, size_t n, struct nat_net *net) {
  char text[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN];
  if (n == 0 || n >= sizeof text) return false;
  memcpy(text, s, n);
  text[n] = 0;
  *net = (struct nat_net){.v6 = memchr(s, ':', n) != NULL};
  net->prefix = net->v6 ? 128 : 32;
  int family = net->v6 ? AF_INET6 : AF_INET;
  return inet_pton(family, text, net->bytes) == 1 && inet_ntop(family, net->bytes, again, sizeof again) && !strcmp(text, again);
}

static bool host_bits_zero(const struct nat_net *net) {
  unsigned bits = net->v6 ? 128 : 32;
  for (unsigned bit = net->prefix; bit < bits; bit++) if (net->bytes[bit / 8] & (0x80 >> bit % 8)) return false;
  return true;
}

/* ADDRESS, or ADDRESS/PREFIX with a prefix that is neither 0 nor all there is, and zero host bits. */
bool nat_net_parse(const char *s, size_t n, struct nat_net *net) {
  static const uint8_t inside[12] = {[10] = 0xff, [11] = 0xff};
  const char *slash = memchr(s, '/', n);
  uint64_t prefix;
  if (!address_parse(s, slash ? (size_t)(slash - s) : n, net)) return false;
  if (net->v6 && !memcmp(net->bytes, inside, sizeof inside)) return false;
  if (!slash) return true;
  if (!parse_number(slash + 1, n - (size_t)(slash - s) - 1, net->prefix - 1, &prefix) || prefix == 0) return false;
  net->prefix = (unsigned)prefix;
  return host_bits_zero(net);
}

bool nat_net_holds(const struct nat_net *outer, const struct nat_net *inner) {
  struct nat_net cut = *inner;
  if (outer->v6 != inner->v6 || outer->prefix > inner->prefix) return false;
  for (unsigned bit = outer->prefix; bit < 128; bit++) cut.bytes[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
  return !memcmp(cut.bytes, outer->bytes, sizeof cut.bytes);
}

/* Of a machine: not unspecified, loopback, multicast, link-local IPv6, or IPv4 inside IPv6. */
static bool machine_parse(const char *s, struct nat_net *net) {
  if (!address_parse(s, strlen(s), net)) return false;
  const uint8_t *b = net->bytes;
  if (!net->v6) return b[0] != 0 && b[0] != 127 && b[0] < 224;
  return b[0] != 0 && b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

/* [a-z][a-z0-9._-]{0,14}, not lo and not any. */
static bool interface_fits(const char *s) {
  static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
  size_t n = strlen(s);
  return n >= 1 && n <= 15 && strchr(lower, s[0]) && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n && strcmp(s, "lo") && strcmp(s, "any");
}

/* P, or P-Q with P below Q. */
static bool ports_parse(const char *s, struct nat_ports *ports) {
  const char *dash = strchr(s, '-');
  size_t n = dash ? (size_t)(dash - s) : strlen(s);
  uint64_t first, last;
  if (!parse_number(s, n, 65535, &first) || first == 0) return false;
  last = first;
  if (dash && (!parse_number(dash + 1, strlen(dash + 1), 65535, &last) || last <= first)) return false;
  *ports = (struct nat_ports){(uint16_t)first, (uint16_t)last};
  return true;
}

/* Networks of one family, sorted, each once. */
static bool sources_fit(const char *s, bool v6) {
  char last[64] = "", now[64];
  for (unsigned count = 1; ; count++, s++) {
    struct nat_net net;
    size_t n = strcspn(s, ",");
    if (count > NAT_SOURCES || n >= sizeof now || !nat_net_parse(s, n, &net) || net.v6 != v6) return false;
    snprintf(now, sizeof now, "%.*s", (int)n, s);
    if (strcmp(last, now) >= 0) return false;
    strcpy(last, now);
    s += n;
    if (!*s) return true;
  }
}

static const char *given(const char *s) { return strcmp(s, "-") ? s : NULL; }

bool nat_changes_ports(const struct nat_forward *f) { return f->to_ports.first != f->to_ports.last && f->to_ports.first != f->ports.first; }

/* ID PROTOCOL LISTEN-ADDRESS INTERFACE PORTS TO TO-PORTS SOURCES HAIRPIN-NETWORK; what does not fit, or NULL. */
static const char *forward_parse(struct nat_forward *f, char *const v[9]) {
  struct nat_net to, net;
  f->udp = !strcmp(v[1], "udp");
  if (!f->udp && strcmp(v[1], "tcp")) return "its protocol is neither tcp nor udp";
  if (!machine_parse(v[5], &to)) return "its destination is no address of a machine in its shortest form";
  f->v6 = to.v6;
  f->to = v[5];
  f->listen = given(v[2]);
  if (f->listen && (!machine_parse(f->listen, &net) || net.v6 != f->v6)) return "its listen address is no address of the destination's family in its shortest form";
  f->interface = given(v[3]);
  if (f->interface && (f->listen || !interface_fits(f->interface))) return "its listen interface is no name of one, or there is a listen address too";
  if (!ports_parse(v[4], &f->ports)) return "its ports are not P or P-Q";
  if (!ports_parse(v[6], &f->to_ports)) return "the ports of its destination are not P or P-Q";
  int many = f->ports.last - f->ports.first, to_many = f->to_ports.last - f->to_ports.first;
  if (to_many != 0 && to_many != many) return "its destination has neither one port nor as many as are forwarded";
  if (nat_changes_ports(f) && (unsigned)many >= NAT_RANGE) return "more than 1024 ports change their number";
  f->sources = given(v[7]);
  if (f->sources && !sources_fit(f->sources, f->v6)) return "its sources are not 1 to 64 networks of the destination's family, sorted and in their shortest form";
  f->hairpin = given(v[8]);
  if (f->hairpin && (!nat_net_parse(f->hairpin, strlen(f->hairpin), &net) || !nat_net_holds(&net, &to))) return "its hairpin network is no network that holds its destination";
  return NULL;
}

/* ID SOURCE INTERFACE ADDRESS */
static const char *masquerade_parse(struct nat_masquerade *m, char *const v[4]) {
  struct nat_net net, address;
  if (!nat_net_parse(v[1], strlen(v[1]), &net)) return "its source is no network in its shortest form";
  m->v6 = net.v6;
  m->source = v[1];
  m->interface = given(v[2]);
  if (m->interface && !interface_fits(m->interface)) return "its interface is no name of one";
  m->address = given(v[3]);
  if (m->address && (!machine_parse(m->address, &address) || address.v6 != m->v6)) return "its address is no address of the source's family in its shortest form";
  return NULL;
}

static bool id_parse(const char *s, uint32_t *id) {
  uint64_t number;
  if (!parse_number(s, strlen(s), INT32_MAX, &number) || number == 0) return false;
  *id = (uint32_t)number;
  return true;
}

static bool line_parse(struct nat_rules *r, char *line, const char *where, struct nat_problem *p) {
  char *v[FIELDS_MOST + 1];
  size_t count = 0;
  uint32_t id;
  for (char *word; count <= FIELDS_MOST && (word = strsep(&line, " "));) v[count++] = word;
  bool forward = count == 10 && !strcmp(v[0], "forward");
  if (!forward && (count != 5 || strcmp(v[0], "masquerade"))) return nat_wrong(p, where, "it is neither a forward with 9 fields nor a masquerade with 4");
  if (!id_parse(v[1], &id)) return nat_wrong(p, where, "its id is no number from 1 to 2147483647");
  size_t most = forward ? NAT_FORWARDS : NAT_MASQUERADES;
  if ((forward ? r->nforwards : r->nmasquerades) == most) return nat_wrong(p, where, "there are more than %zu of its kind", most);
  if (forward && r->nmasquerades > 0) return nat_wrong(p, v[1], "it stands behind a masquerade");
  uint32_t last = forward ? (r->nforwards ? r->forwards[r->nforwards - 1].id : 0) : (r->nmasquerades ? r->masquerades[r->nmasquerades - 1].id : 0);
  if (id <= last) return nat_wrong(p, v[1], "rules are sorted by id, and each id is there once");
  struct nat_forward *f = &r->forwards[r->nforwards];
  struct nat_masquerade *m = &r->masquerades[r->nmasquerades];
  if (forward) *f = (struct nat_forward){.id = id};
  else *m = (struct nat_masquerade){.id = id};
  const char *problem = forward ? forward_parse(f, v + 1) : masquerade_parse(m, v + 1);
  if (problem) return nat_wrong(p, v[1], "%s", problem);
  bool v6 = forward ? f->v6 : m->v6;
  r->v6 = r->v6 || v6;
  r->v4 = r->v4 || !v6;
  if (forward) r->nforwards++;
  else r->nmasquerades++;
  return true;
}

static bool mapped_fits(const struct nat_rules *r, struct nat_problem *p) {
  size_t mapped = 0;
  for (size_t i = 0; i < r->nforwards; i++) {
    const struct nat_forward *f = &r->forwards[i];
    if (nat_changes_ports(f)) mapped += (size_t)(f->ports.last - f->ports.first) + 1;
    char where[24];
    snprintf(where, sizeof where, "%u", f->id);
    if (mapped > NAT_MAPPED) return nat_wrong(p, where, "more than %u ports of this host change their number", NAT_MAPPED);
  }
  return true;
}

/* All lines, each ended by LF. */
bool nat_rules_parse(struct nat_rules *r, const char *text, size_t n, struct nat_problem *p) {
  *r = (struct nat_rules){.text = malloc(n + 1), .forwards = calloc(NAT_FORWARDS + 1, sizeof *r->forwards), .masquerades = calloc(NAT_MASQUERADES + 1, sizeof *r->masquerades)};
  if (!r->text || !r->forwards || !r->masquerades) return nat_wrong(p, "", "out of memory");
  if (n > NAT_RULES_MAX || memchr(text, 0, n)) return nat_wrong(p, "", "the rules are too long, or hold a NUL");
  memcpy(r->text, text, n);
  r->text[n] = 0;
  char *rest = r->text;
  for (unsigned number = 1; rest < r->text + n; number++) {
    char where[24], *end = strchr(rest, '\n'), *line = rest;
    snprintf(where, sizeof where, "line %u", number);
    if (!end) return nat_wrong(p, where, "its end is missing");
    *end = 0;
    rest = end + 1;
    if (!line_parse(r, line, where, p)) return false;
  }
  return mapped_fits(r, p);
}

void nat_rules_free(struct nat_rules *r) {
  free(r->text);
  free(r->forwards);
  free(r->masquerades);
  *r = (struct nat_rules){0};
}
