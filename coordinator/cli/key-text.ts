import type { ForeignKey } from '../../shared/gen/proto/reeve/coordinator/v1/ForeignKey.js';
import type { Key } from '../../shared/gen/proto/reeve/coordinator/v1/Key.js';
import type { ObserveForeignKeyResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveForeignKeyResponse.js';
import type { KeyOptions } from '../../shared/gen/proto/reeve/type/v1/KeyOptions.js';
import { formatKeyOptions, noKeyOptions } from '../../shared/model/key.js';
import { parseWireOptions } from '../../shared/model/manifest.js';
import { vis } from '../../shared/model/vis.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** Whose a key is. */
export function ownerText(key: Pick<Key, 'person' | 'host' | 'user'>): string {
  return key.person === '' ? `${key.user} on ${key.host}` : key.person;
}

/** The options of a key without its end. */
function optionsText(options: KeyOptions | null): string {
  return formatKeyOptions({ ...(options === null ? noKeyOptions : parseWireOptions(options)), expiresAtMs: undefined });
}

/** Keys as a table. */
export function renderKeys(terminal: Pick<Terminal, 'color'>, keys: readonly Key[]): string {
  const rows = keys.map((key): Cell[] => [ownerText(key), key.fingerprint, key.key?.type ?? '', optionsText(key.options), formatTime(key.options?.expiresAt ?? null), key.comment]);
  return renderTable(terminal, ['owner', 'fingerprint', 'type', 'options', 'until', 'comment'], rows, 'No keys. To add one: reeve key add PERSON FILE');
}

/** One key with all that is known of it. */
export function renderKey(terminal: Pick<Terminal, 'color'>, key: Key): string {
  return renderFields(terminal, [
    ['fingerprint', key.fingerprint],
    ['owner', ownerText(key)],
    ['type', key.key?.type],
    ['options', optionsText(key.options)],
    ['until', formatTime(key.options?.expiresAt ?? null)],
    ['comment', key.comment],
    ['added', formatTime(key.addedAt)],
    ['key', key.key === null ? '' : `${key.key.type} ${Buffer.from(key.key.blob).toString('base64')}`],
  ]);
}

/** Keys that Reeve does not manage on a host, the files that could not be read, and what else lets in there. */
export function renderForeignKeys(terminal: Pick<Terminal, 'color'>, found: ObserveForeignKeyResponse): string {
  const table = renderTable(terminal, ['user', 'key', 'owner', 'file', 'comment', 'trouble'], found.keys.map(foreignRow), 'No keys but those that Reeve manages.');
  const unread = found.unread.map(({ user, path, reason }) => `Not read: ${vis(path)} of ${vis(user)} (${vis(reason)})\n`);
  const others = (found.sshd?.others ?? []).map((other) => `Also lets in: ${vis(other)}\n`);
  return [table, ...unread, ...others, ...(found.truncated ? ['There are more; name a user with --user.\n'] : [])].join('');
}

function foreignRow({ observed, fingerprint, owner }: ForeignKey): Cell[] {
  if (observed === null) return [];
  const problem: Cell = observed.problem === '' ? '' : { text: observed.problem, tone: 'yellow' };
  return [observed.user, fingerprint === '' ? 'not a key' : fingerprint, owner, `${observed.origin}:${String(observed.line)}`, observed.comment, problem];
}
