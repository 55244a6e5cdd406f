/* Rules to the batch that nft(8) loads: the whole table inet reeve, and nothing of any other. It stands by itself: the same text is loaded when the host starts. */
#include "nat.h"

#define TABLE "inet reeve"

static const char head[] =
  "add table " TABLE "\n"
  /* One before dstnat and srcnat: what is ours comes first. */
  "add chain " TABLE " prerouting { type nat hook prerouting priority -101; policy accept; }\n"
  "add chain " TABLE " output { type nat hook output priority -101; policy accept; }\n"
  "add chain " TABLE " postrouting { type nat hook postrouting priority 99; policy accept; }\n"
  "add chain " TABLE " forward { type filter hook forward priority -1; policy accept; }\n"
  "flush table " TABLE "\n";

static const char *family(bool v6) { return v6 ? "ip6" : "ip"; }
static const char *protocol(const struct nat_forward *f) { return f->udp ? "udp" : "tcp"; }

static void put_ports(struct buf *b, struct nat_ports ports) {
  buf_say(b, ports.first == ports.last ? "%u" : "%u-%u", ports.first, ports.last);
}

/* Without those that another one holds: nft refuses a set whose parts overlap. */
static void put_sources(struct buf *b, const struct nat_forward *f) {
  struct nat_net nets[NAT_SOURCES];
  const char *texts[NAT_SOURCES];
  size_t n = 0;
  for (const char *at = f->sources; at && *at && n < NAT_SOURCES; n++) {
    size_t length = strcspn(at, ",");
    if (!nat_net_parse(at, length, &nets[n])) return;
    texts[n] = at;
    at += length + (at[length] == ',');
  }
  if (n > 0) buf_say(b, "%s saddr { ", family(f->v6));
  bool first = true;
  for (size_t i = 0; i < n; i++) {
    bool held = false;
    for (size_t j = 0; j < n; j++) held = held || (j != i && nat_net_holds(&nets[j], &nets[i]));
    if (held) continue;
    buf_say(b, "%s%.*s", first ? "" : ", ", (int)strcspn(texts[i], ","), texts[i]);
    first = false;
  }
  if (n > 0) buf_say(b, " } ");
}

static void put_destination(struct buf *b, const struct nat_forward *f) {
  const char *ip = family(f->v6);
  if (nat_changes_ports(f)) {
    buf_say(b, "dnat %s addr . port to %s dport map { ", ip, protocol(f));
    for (unsigned port = f->ports.first; port <= f->ports.last; port++)
      buf_say(b, "%s%u : %s . %u", port == f->ports.first ? "" : ", ", port, f->to, port - f->ports.first + f->to_ports.first);
    buf_say(b, " }");
    return;
  }
  bool same = f->ports.first != f->ports.last && f->to_ports.first != f->to_ports.last;
  buf_say(b, f->v6 && !same ? "dnat %s to [%s]" : "dnat %s to %s", ip, f->to);
  if (!same) buf_say(b, ":%u", f->to_ports.first);
}

/* One rule of a chain; `before` stands in front of what says which packets are meant. */
static void put_forward(struct buf *b, const struct nat_forward *f, const char *chain, const char *before, const char *value) {
  buf_say(b, "add rule " TABLE " %s ", chain);
  if (before) buf_say(b, before, value);
  if (f->listen) buf_say(b, "%s daddr %s ", family(f->v6), f->listen);
  else if (f->v6) buf_say(b, "meta nfproto ipv6 fib daddr type local ip6 daddr != ::1 ");
  else buf_say(b, "meta nfproto ipv4 fib daddr type local ip daddr != 127.0.0.0/8 ");
  put_sources(b, f);
  buf_say(b, "%s dport ", protocol(f));
  put_ports(b, f->ports);
  buf_say(b, " counter name f%u ", f->id);
  put_destination(b, f);
  buf_say(b, " comment \"f%u\"\n", f->id);
}

static void put_forwards(struct buf *b, const struct nat_forward *f) {
  const char *ip = family(f->v6);
  if (f->interface) {
    put_forward(b, f, "prerouting", "iifname \"%s\" ", f->interface);
    if (f->hairpin) put_forward(b, f, "prerouting", f->v6 ? "ip6 saddr %s " : "ip saddr %s ", f->hairpin);
  } else {
    put_forward(b, f, "prerouting", NULL, NULL);
    put_forward(b, f, "output", NULL, NULL);
  }
  if (!f->hairpin) return;
  buf_say(b, "add rule " TABLE " postrouting %s saddr %s %s daddr %s %s dport ", ip, f->hairpin, ip, f->to, protocol(f));
  put_ports(b, f->to_ports);
  buf_say(b, " ct status dnat masquerade comment \"f%u\"\n", f->id);
}

static void put_masquerade(struct buf *b, const struct nat_masquerade *m, const char *chain) {
  const char *ip = family(m->v6);
  bool forward = !strcmp(chain, "forward");
  buf_say(b, "add rule " TABLE " %s %s saddr %s ", chain, ip, m->source);
  if (!forward) buf_say(b, "%s daddr != %s ", ip, m->source);
  if (m->interface) buf_say(b, "oifname \"%s\" ", m->interface);
  if (forward) buf_say(b, "accept");
  else buf_say(b, m->address ? "counter name m%u snat %s to %s" : "counter name m%u masquerade", m->id, ip, m->address);
  buf_say(b, " comment \"m%u\"\n", m->id);
}

/* The first line tells the loader which forwarding is needed. No rules: the table goes. */
void nat_batch(struct buf *b, const struct nat_rules *r) {
  buf_say(b, "# forwarding=%s%s\n", r->v4 ? "4" : "", r->v6 ? "6" : "");
  if (r->nforwards + r->nmasquerades == 0) {
    buf_say(b, "add table " TABLE "\ndelete table " TABLE "\n");
    return;
  }
  buf_put(b, head, strlen(head));
  for (size_t i = 0; i < r->nforwards; i++) buf_say(b, "add counter " TABLE " f%u\n", r->forwards[i].id);
  for (size_t i = 0; i < r->nmasquerades; i++) buf_say(b, "add counter " TABLE " m%u\n", r->masquerades[i].id);
  for (size_t i = 0; i < r->nforwards; i++) put_forwards(b, &r->forwards[i]);
  for (size_t i = 0; i < r->nmasquerades; i++) put_masquerade(b, &r->masquerades[i], "postrouting");
  buf_say(b, "add rule " TABLE " forward ct state established,related accept\nadd rule " TABLE " forward ct status dnat accept\n");
  for (size_t i = 0; i < r->nmasquerades; i++) put_masquerade(b, &r->masquerades[i], "forward");
}
