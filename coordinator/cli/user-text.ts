import type { ManagedUser } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedUser.js';
import type { ObservedUser } from '../../shared/gen/proto/reeve/type/v1/ObservedUser.js';
import type { UserSpec } from '../../shared/gen/proto/reeve/type/v1/UserSpec.js';
import { renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';

/** Managed accounts as a table. */
export function renderManagedUsers(terminal: Pick<Terminal, 'color'>, users: readonly ManagedUser[]): string {
  const rows = users.map(({ user, ...row }): Cell[] => [
    user?.name ?? '',
    row.hostName,
    stateOf(user),
    (user?.kind ?? '').slice('USER_KIND_'.length).toLowerCase(),
    row.observedUid === 0 ? '' : String(row.observedUid),
    user?.shell ?? '',
    user?.groups.join(',') ?? '',
    row.pending ? { text: row.pendingReason === '' ? 'pending' : `pending: ${row.pendingReason}`, tone: 'yellow' } : '',
  ]);
  return renderTable(terminal, ['user', 'host', 'wanted', 'kind', 'uid', 'shell', 'groups', 'open'], rows, 'No managed users.');
}

function stateOf(user: UserSpec | null): Cell {
  const text = (user?.presence ?? '').slice('USER_PRESENCE_'.length).toLowerCase();
  return text === 'locked' ? { text, tone: 'yellow' } : text;
}

/** Accounts of a host as they are, as a table. */
export function renderObservedUsers(terminal: Pick<Terminal, 'color'>, users: readonly ObservedUser[]): string {
  const rows = users.map((user): Cell[] => [
    user.name,
    String(user.uid),
    String(user.gid),
    user.present ? (user.locked ? { text: 'locked', tone: 'yellow' } : 'open') : 'gone',
    user.marker === '' ? 'not ours' : user.marker,
    user.shell,
    user.home,
    user.groups.join(','),
    user.comment,
  ]);
  return renderTable(terminal, ['user', 'uid', 'gid', 'state', 'managed', 'shell', 'home', 'groups', 'comment'], rows, 'No accounts.');
}
