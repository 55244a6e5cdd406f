import type { ObservedUserInput } from '../../shared/gen/proto/reeve/type/v1/ObservedUser.js';
import type { FieldChange } from '../../shared/model/change.js';
import type { Account, ObservedUser } from '../../shared/model/user.js';

/** An observed account as the wire has it. */
export function formatObservedUser(user: ObservedUser): ObservedUserInput {
  return { ...user, groups: [...user.groups] };
}

/** What an account has before it exists. */
const nothing = { shell: '', comment: '', groups: [] as readonly string[] };

/** The fields in which an account differs from what is wanted, in the order of UserSpec. */
export function renderFields(
  before: { presence: string; kind: string; uid: number | undefined; shell: string; comment: string; groups: readonly string[] } | undefined,
  after: { presence: string; account: Account },
): readonly FieldChange[] {
  const { account } = after;
  const was = before ?? { ...nothing, presence: '', kind: '', uid: undefined };
  const rows: FieldChange[] = [
    { field: 'presence', from: was.presence, to: after.presence },
    { field: 'kind', from: was.kind, to: account.kind },
  ];
  if (account.kind !== 'adopted') {
    rows.push(
      { field: 'uid', from: before === undefined ? '' : String(was.uid ?? ''), to: account.uid === undefined ? String(was.uid ?? '') : String(account.uid) },
      { field: 'shell', from: was.shell, to: account.shell },
      { field: 'comment', from: was.comment, to: account.comment },
      { field: 'groups', from: was.groups.join(','), to: account.groups.join(',') },
    );
  }
  return rows.filter((row) => row.from !== row.to);
}
