/* group.member: an account we made into a supplementary group or out of it. */
#include "reeve.h"
#include <string.h>

#define F(c, field) (&(c)->f[REEVE_F_GROUP_MEMBER_##field])

uint16_t check_group_member(struct call *c) {
  uint16_t status = check_name(c, REEVE_F_GROUP_MEMBER_NAME);
  if (!status) status = check_name(c, REEVE_F_GROUP_MEMBER_GROUP);
  c->args[REEVE_K_GROUP_MEMBER_NAME] = F(c, NAME)->text;
  c->args[REEVE_K_GROUP_MEMBER_GROUP] = F(c, GROUP)->text;
  return status;
}

static uint16_t member(struct call *c, const struct accounts *a) {
  struct marker m;
  const struct user *u;
  const char *name = F(c, NAME)->text, *group = F(c, GROUP)->text;
  bool adding = !strcmp(F(c, ACTION)->text, "add");
  int code;
  uint16_t status = owned_account(c, a, name, &m, &u);
  if (status) return status;
  if (m.state == MARKER_ADOPTED) return fail(c, REEVE_E_USER_PROTECTED, "value", name, "rule", "adopted: keys and lock only", NULL);
  if (m.state != MARKER_OWNED) return fail(c, REEVE_E_STATE_MOVED, "moved", "an earlier change of the user is not finished", NULL);
  if (!group_by_name(a, group)) return adding ? fail(c, REEVE_E_GROUP_ABSENT, "value", group, NULL) : REEVE_OK;
  if (is_member(a, name, group) == adding) return REEVE_OK;
  const char *const argv[] = {"gpasswd", adding ? "--add" : "--delete", name, "--", group, NULL};
  status = run_tool(c, &tool_gpasswd, argv, &code);
  if (!status && code) status = tool_failed(c, &tool_gpasswd, code);
  FAILPOINT("member.done");
  return status;
}

uint16_t op_group_member(struct call *c) {
  struct accounts a;
  uint16_t status = accounts_load(c, &a);
  if (!status) status = member(c, &a);
  accounts_free(&a);
  return status;
}
