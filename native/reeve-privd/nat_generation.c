/* What the kernel tells of its ruleset without a program being started: the number that changes with every change of any table, and whose tables there are. */
#include "nat.h"
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#define KIND(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

union answer { struct nlmsghdr head; uint8_t bytes[32 << 10]; };

/* Asks; -1: the kernel has no nftables, or cannot be asked. */
static int ask(uint16_t message, uint16_t flags) {
  struct { struct nlmsghdr head; struct nfgenmsg body; } request = {
    .head = {.nlmsg_len = sizeof request, .nlmsg_type = KIND(message), .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = 1},
    .body = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
  };
  struct timeval patience = {.tv_sec = 2};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) || send(fd, &request, sizeof request, 0) < 0)) {
    close(fd);
    fd = -1;
  }
  return fd;
}

/* What an attribute of a message holds, and how long that is; NULL: it is not there, or the message is cut off. */
static const uint8_t *attribute(const struct nlmsghdr *head, uint16_t wanted, size_t *n) {
  const uint8_t *message = (const uint8_t *)head;
  for (size_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at + NLA_HDRLEN <= head->nlmsg_len;) {
    struct nlattr one;
    memcpy(&one, message + at, sizeof one);
    if (one.nla_len < NLA_HDRLEN || at + one.nla_len > head->nlmsg_len) return NULL;
    *n = one.nla_len - (size_t)NLA_HDRLEN;
    if ((one.nla_type & NLA_TYPE_MASK) == wanted) return message + at + NLA_HDRLEN;
    at += NLA_ALIGN(one.nla_len);
  }
  return NULL;
}

/* 0: the kernel has no nftables, or does not tell. */
uint32_t nat_generation(void) {
  union answer answer;
  uint32_t id;
  size_t n = 0;
  AUTO_FD fd = ask(NFT_MSG_GETGEN, 0);
  ssize_t got = fd < 0 ? -1 : recv(fd, &answer, sizeof answer, 0);
  if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nfgenmsg)) || (size_t)got < answer.head.nlmsg_len || answer.head.nlmsg_type != KIND(NFT_MSG_NEWGEN)) return 0;
  const uint8_t *value = attribute(&answer.head, NFTA_GEN_ID, &n);
  if (!value || n != sizeof id) return 0;
  memcpy(&id, value, sizeof id);
  return ntohl(id);
}

/* Whether it is a table of somebody else. */
static bool is_other(const struct nlmsghdr *head) {
  static const char ours[] = "reeve";
  struct nfgenmsg body;
  size_t n = 0;
  memcpy(&body, (const uint8_t *)head + NLMSG_HDRLEN, sizeof body);
  const uint8_t *name = attribute(head, NFTA_TABLE_NAME, &n);
  return !name || body.nfgen_family != NFPROTO_INET || n != sizeof ours || memcmp(name, ours, n);
}

/* Whether there is any table but inet reeve, or that cannot be known. */
bool nat_others(void) {
  union answer answer;
  AUTO_FD fd = ask(NFT_MSG_GETTABLE, NLM_F_DUMP);
  for (;;) {
    ssize_t got = fd < 0 ? -1 : recv(fd, &answer, sizeof answer, 0);
    if (got < (ssize_t)NLMSG_HDRLEN) return true;
    for (size_t at = 0, left = (size_t)got; left >= NLMSG_HDRLEN;) {
      const struct nlmsghdr *head = (const struct nlmsghdr *)(answer.bytes + at);
      if (head->nlmsg_len < NLMSG_HDRLEN || head->nlmsg_len > left) return true;
      if (head->nlmsg_type == NLMSG_DONE && !(head->nlmsg_flags & NLM_F_DUMP_INTR)) return false;
      if (head->nlmsg_type != KIND(NFT_MSG_NEWTABLE) || head->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) || is_other(head)) return true;
      size_t whole = NLMSG_ALIGN(head->nlmsg_len);
      at += whole;
      left -= whole < left ? whole : left;
    }
  }
}
