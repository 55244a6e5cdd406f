import { describe, expect, it } from 'vitest';
import { formatKeyLine } from '../../shared/model/key.js';
import { desiredKeys, indexKeys } from './key.js';
import type { GrantRow, KeyRow, KeyRows, MemberRow } from './key-row.js';

const now = Date.parse('2030-06-01T00:00:00Z');
const day = 86_400_000;

const keyOf = (id: number, owner: KeyRow['owner'] | string, more: Partial<KeyRow> = {}): KeyRow => ({
  id, fingerprint: String(id).padStart(64, '0'), key: { type: 'ssh-ed25519', base64: `K${String(id)}` }, comment: 'laptop', owner: typeof owner === 'string' ? { kind: 'person', name: owner } : owner,
  flags: [], from: [], expiresAtMs: undefined, ...more,
});
const grant = (id: number, subject: string | number, target: string, more: Partial<GrantRow> = {}): GrantRow => {
  const [key = '', value] = target.split('=');
  return {
    id,
    subject: typeof subject === 'number' ? { kind: 'key', keyId: subject } : subject.startsWith('@') ? { kind: 'group', name: subject.slice(1) } : { kind: 'person', name: subject },
    target: target === 'all' ? { kind: 'all' } : value === undefined ? { kind: 'host', hostId: key } : { kind: 'label', label: { key, value } },
    user: undefined, expiresAtMs: undefined, ...more,
  };
};
const member = (group: string, of: string | number, expiresAtMs?: number): MemberRow => ({
  group, expiresAtMs,
  member: typeof of === 'number' ? { kind: 'key', keyId: of } : of.startsWith('host:') ? { kind: 'host', hostId: of.slice(5) } : { kind: 'person', name: of },
});
const person = (name: string, more: { active?: boolean; expiresAtMs?: number } = {}): KeyRows['persons'][number] => ({ name, active: true, expiresAtMs: undefined, ...more });

const base: KeyRows = {
  hosts: [{ id: 'web1', labels: [{ key: 'role', value: 'web' }, { key: 'site', value: 'ams' }] }],
  users: [{ hostId: 'web1', name: 'root', presence: 'present' }, { hostId: 'web1', name: 'deploy', presence: 'present' }],
  persons: [person('ada'), person('bob'), person('eve')],
  keys: [keyOf(1, 'ada'), keyOf(2, 'bob'), keyOf(3, 'ada'), keyOf(4, 'eve')],
  members: [], grants: [], owners: [], breakGlass: [], exclusive: [],
};

/** The key files of host web1 as text: `[user]` (with `!` when it is exclusive), then its lines. */
function files(rows: Partial<KeyRows>, at = now): string {
  const host = indexKeys({ ...base, ...rows }, at).host('web1');
  const { users } = desiredKeys(host, { version: 1, removed: [], force: false });
  return users.flatMap(({ user, exclusive, lines }) => [`[${user}]${exclusive ? '!' : ''}`, ...lines.map(formatKeyLine)]).join('\n');
}

const lostHost = { kind: 'user', hostId: 'h2', hostName: 'db1', user: 'backup', lost: true } as const;
const heldKey = { ...lostHost, lost: false } as const;

describe('the key files of a host', () => {
  const cases: readonly (readonly [string, Partial<KeyRows>, string])[] = [
    ['nobody', {}, ''],
    ['a person on the host: all users, keys by number', { grants: [grant(7, 'ada', 'web1')] }, `
[deploy]
ssh-ed25519 K1 ada: grant 7
ssh-ed25519 K3 ada: grant 7
[root]
ssh-ed25519 K1 ada: grant 7
ssh-ed25519 K3 ada: grant 7`],
    ['one user', { grants: [grant(7, 'bob', 'web1', { user: 'deploy' })] }, `
[deploy]
ssh-ed25519 K2 bob: grant 7`],
    ['a user that is not managed', { grants: [grant(7, 'bob', 'web1', { user: 'nobody' })] }, ''],
    ['another host', { grants: [grant(7, 'bob', 'web2')] }, ''],
    ['a label, another label, all', { grants: [grant(9, 'eve', 'all'), grant(7, 'bob', 'role=web', { user: 'root' }), grant(8, 'ada', 'role=db')] }, `
[deploy]
ssh-ed25519 K4 eve: grant 9
[root]
ssh-ed25519 K2 bob: grant 7
ssh-ed25519 K4 eve: grant 9`],
    ['grants that name the user come before those of the whole host, then owners by name', {
      grants: [grant(3, 'eve', 'all'), grant(5, 'bob', 'web1', { user: 'root' })], owners: [{ hostId: 'web1', person: 'bob' }, { hostId: 'web1', person: 'ada' }, { hostId: 'web2', person: 'eve' }],
    }, `
[deploy]
ssh-ed25519 K4 eve: grant 3
ssh-ed25519 K1 ada: owner
ssh-ed25519 K3 ada: owner
ssh-ed25519 K2 bob: owner
[root]
ssh-ed25519 K2 bob: grant 5
ssh-ed25519 K4 eve: grant 3
ssh-ed25519 K1 ada: owner
ssh-ed25519 K3 ada: owner`],
    ['a group: persons by name, then keys of hosts, then single keys', {
      keys: [...base.keys, keyOf(5, heldKey), keyOf(6, heldKey)],
      members: [member('ops', 4), member('ops', 'host:h2'), member('ops', 'bob'), member('ops', 'ada'), member('dev', 'eve')], grants: [grant(2, '@ops', 'web1', { user: 'root' })],
    }, `
[root]
ssh-ed25519 K1 ada via ops: grant 2
ssh-ed25519 K3 ada via ops: grant 2
ssh-ed25519 K2 bob via ops: grant 2
ssh-ed25519 K5 backup@db1 via ops: grant 2
ssh-ed25519 K6 backup@db1 via ops: grant 2
ssh-ed25519 K4 eve via ops: grant 2`],
    ['a single key of a person and one of a host', { keys: [...base.keys, keyOf(5, heldKey)], grants: [grant(1, 3, 'web1', { user: 'root' }), grant(2, 5, 'web1', { user: 'root' })] }, `
[root]
ssh-ed25519 K3 ada: grant 1
ssh-ed25519 K5 backup@db1: grant 2`],
    ['keys of a host that is revoked', { keys: [keyOf(5, lostHost)], members: [member('ops', 'host:h2'), member('ops', 5)], grants: [grant(1, '@ops', 'all'), grant(2, 5, 'all')] }, ''],
    ['a key by several ways stands once, where it is met first', { members: [member('ops', 'ada'), member('ops', 1)], grants: [grant(1, 1, 'web1', { user: 'root' }), grant(2, '@ops', 'web1', { user: 'root' })], owners: [{ hostId: 'web1', person: 'ada' }] }, `
[deploy]
ssh-ed25519 K1 ada: owner
ssh-ed25519 K3 ada: owner
[root]
ssh-ed25519 K1 ada: grant 1
ssh-ed25519 K3 ada via ops: grant 2`],
    ['an inactive person', { persons: [person('ada', { active: false }), person('bob')], members: [member('ops', 'ada'), member('ops', 1)], grants: [grant(1, 'ada', 'all'), grant(2, '@ops', 'all'), grant(3, 3, 'all')], owners: [{ hostId: 'web1', person: 'ada' }] }, ''],
    ['a removed key and a removed person leave nothing behind', { keys: [], persons: [person('bob')], members: [member('ops', 'ada'), member('ops', 1)], grants: [grant(1, 'ada', 'all'), grant(2, '@ops', 'all'), grant(3, 1, 'all')] }, ''],
    ['locked, absent and released users', {
      users: [{ hostId: 'web1', name: 'a', presence: 'locked' }, { hostId: 'web1', name: 'b', presence: 'absent' }, { hostId: 'web1', name: 'c', presence: 'released' }, { hostId: 'web1', name: 'd', presence: 'present' }],
      grants: [grant(1, 'bob', 'all')],
    }, `
[d]
ssh-ed25519 K2 bob: grant 1`],
    ['an exclusive user is told also without keys, locked too, but not when it is no account of ours', {
      users: [{ hostId: 'web1', name: 'a', presence: 'present' }, { hostId: 'web1', name: 'b', presence: 'locked' }, { hostId: 'web1', name: 'c', presence: 'released' }],
      exclusive: [{ hostId: 'web1', user: 'a' }, { hostId: 'web1', user: 'b' }, { hostId: 'web1', user: 'c' }], grants: [grant(1, 'bob', 'all', { user: 'b' })],
    }, `
[a]!
[b]!`],
    ['options are those of the key', { keys: [keyOf(1, 'ada', { flags: ['restrict', 'no-pty'], from: ['10.0.0.0/8', '2001:db8::/32'], expiresAtMs: now + day })], grants: [grant(1, 'ada', 'web1', { user: 'root' })] }, `
[root]
restrict,no-pty,from="10.0.0.0/8,2001:db8::/32",expiry-time="20300602000000Z" ssh-ed25519 K1 ada: grant 1`],
    ['the earliest end of a way counts', {
      persons: [person('ada', { expiresAtMs: now + 4 * day }), person('bob')], keys: [keyOf(1, 'ada', { expiresAtMs: now + 3 * day }), keyOf(2, 'bob')],
      members: [member('ops', 'ada', now + 2 * day), member('ops', 'bob')], grants: [grant(1, '@ops', 'web1', { user: 'root', expiresAtMs: now + 5 * day })],
    }, `
[root]
expiry-time="20300603000000Z" ssh-ed25519 K1 ada via ops: grant 1
expiry-time="20300606000000Z" ssh-ed25519 K2 bob via ops: grant 1`],
    ['the latest end of several ways counts, and none beats all', { grants: [grant(1, 'ada', 'web1', { expiresAtMs: now + day, user: 'root' }), grant(2, 3, 'web1', { user: 'root' }), grant(3, 'ada', 'all', { expiresAtMs: now + 2 * day, user: 'root' })] }, `
[root]
expiry-time="20300603000000Z" ssh-ed25519 K1 ada: grant 1
ssh-ed25519 K3 ada: grant 1`],
    ['what ends at this very moment lets nobody in: grant, membership, key, person', {
      persons: [person('ada'), person('bob', { expiresAtMs: now }), person('eve')], keys: [keyOf(1, 'ada', { expiresAtMs: now }), keyOf(2, 'bob'), keyOf(4, 'eve')],
      members: [member('ops', 'eve', now)], grants: [grant(1, 'ada', 'all'), grant(2, 'bob', 'all'), grant(3, '@ops', 'all'), grant(4, 'eve', 'all', { expiresAtMs: now })],
    }, ''],
    ['an expired way gives place to the next', { grants: [grant(1, 'bob', 'all', { user: 'root', expiresAtMs: now - 1000 }), grant(2, 'bob', 'web1', { user: 'root' })] }, `
[root]
ssh-ed25519 K2 bob: grant 2`],
    ['long names are cut so that a comment stays one', {
      persons: [person('p'.repeat(63))], keys: [keyOf(1, 'p'.repeat(63))], members: [member('g'.repeat(63), 'p'.repeat(63))], grants: [grant(123456, `@${'g'.repeat(63)}`, 'web1', { user: 'root' })],
    }, `
[root]
ssh-ed25519 K1 ${'p'.repeat(63)} via ${'g'.repeat(46)}: grant 123456`],
  ];
  it.each(cases)('%s', (_name, rows, wanted) => {
    expect(files(rows)).toBe(wanted.trimStart());
  });

  it('has all ways of a key as its reasons, and becomes due at the first end of any', () => {
    const rows = { ...base, members: [member('ops', 'bob', now + 3 * day)], grants: [grant(1, '@ops', 'all', { user: 'root' }), grant(2, 'bob', 'web1')], owners: [{ hostId: 'web1', person: 'bob' }] };
    const host = indexKeys(rows, now).host('web1');
    expect(host.users[1]?.keys.map(({ ways }) => ways.map(({ why }) => why))).toEqual([[{ kind: 'grant', grantId: 1, group: 'ops' }, { kind: 'grant', grantId: 2, group: undefined }, { kind: 'owner' }]]);
    expect(host.dueAtMs).toBe(now + 3 * day);
    expect(indexKeys(rows, now + 3 * day).host('web1').dueAtMs).toBeUndefined();
  });

  it('names break-glass keys whether they let in or not, and removed keys sorted', () => {
    const host = indexKeys({ ...base, breakGlass: [{ hostId: 'web1', fingerprint: 'f2' }, { hostId: 'web1', fingerprint: 'f1' }, { hostId: 'web2', fingerprint: 'f0' }] }, now).host('web1');
    const removed = ['b', 'a'].map((fingerprint) => ({ fingerprint, purge: true, endSessions: false }));
    expect(desiredKeys(host, { version: 4, removed, force: true })).toEqual({ hostId: 'web1', version: 4, users: [], breakGlass: ['f1', 'f2'], force: true, removed: [removed[1], removed[0]] });
  });

  it('refuses what a manifest cannot hold', () => {
    const keys = Array.from({ length: 5001 }, (_none, id) => keyOf(id + 1, 'ada'));
    const host = indexKeys({ ...base, keys, grants: [grant(1, 'ada', 'all')] }, now).host('web1');
    expect(() => desiredKeys(host, { version: 1, removed: [], force: false })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});
