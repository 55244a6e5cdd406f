/* group.member: an account we made into a supplementary group or out of it. */
#include "reeve.h"

#define F(c, field) (&(c)->f[REEVE_F_GROUP_MEMBER_##field])

uint16_t op_group_member(struct call *c) {
  const char *name = F(c, NAME)->text, *group = F(c, GROUP)->text;
  bool adding = !strcmp(F(c, ACTION)->text, "add");
  uint16_t status = account_load_made(c, name);
  if (status) return status;
  if (!group_by_name(&c->accounts, group)) return adding ? fail(c, REEVE_E_GROUP_ABSENT, "value", group, NULL) : REEVE_OK;
  if (is_member(&c->accounts, name, group) == adding) return REEVE_OK;
  status = run_tool(c, (const char *const[]){"gpasswd", adding ? "--add" : "--delete", name, "--", group, NULL});
  FAILPOINT("member.done");
  return status;
}
