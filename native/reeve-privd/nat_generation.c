/* The number that the kernel gives its ruleset: another one after every change of any table. Asked without starting a program. */
#include "nat.h"
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

/* 0: the kernel has no nftables, or does not tell. */
uint32_t nat_generation(void) {
  struct { struct nlmsghdr head; struct nfgenmsg body; } request = {
    .head = {.nlmsg_len = sizeof request, .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1},
    .body = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
  };
  union { struct nlmsghdr head; uint8_t bytes[4096]; } answer;
  struct timeval patience = {.tv_sec = 2};
  AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) || send(fd, &request, sizeof request, 0) < 0) return 0;
  ssize_t got = recv(fd, &answer, sizeof answer, 0);
  if (got < (ssize_t)NLMSG_LENGTH(sizeof request.body) || (size_t)got < answer.head.nlmsg_len || answer.head.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) return 0;
  for (size_t at = NLMSG_LENGTH(sizeof request.body); at + NLA_HDRLEN <= answer.head.nlmsg_len;) {
    struct nlattr attribute;
    uint32_t id;
    memcpy(&attribute, answer.bytes + at, sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > answer.head.nlmsg_len) return 0;
    if ((attribute.nla_type & NLA_TYPE_MASK) == NFTA_GEN_ID && attribute.nla_len == NLA_HDRLEN + sizeof id) {
      memcpy(&id, answer.bytes + at + NLA_HDRLEN, sizeof id);
      return ntohl(id);
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return 0;
}
