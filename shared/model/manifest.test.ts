import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.js';
import { keyFlags, type KeyLine } from './key.js';
import { formatManifest, formatWireOptions, manifestContent, mostManifestEntries, parseManifest, parseWireOptions, type KeyManifest, type WireKeyManifest } from './manifest.js';

const blob = (n: number): Uint8Array => Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, n)]);
const hex = fc.nat(0xffff).map((n) => n.toString(16).padStart(64, '0'));
const sorted = (values: readonly string[]): string[] => [...new Set(values)].sort();

const line = fc.record<KeyLine>({
  key: fc.nat(20).map((n) => ({ type: 'ssh-ed25519', base64: Buffer.from(blob(n)).toString('base64') })),
  options: fc.record({ flags: fc.subarray([...keyFlags]), from: fc.constantFrom([], ['10.0.0.0/8'], ['10.0.0.0/8', '2001:db8::/32']), expiresAtMs: fc.option(fc.integer({ min: 1, max: 253_402_300_799 }).map((s) => s * 1000), { nil: undefined }) }),
  comment: fc.constantFrom('', 'ada: grant 12', 'ada via ops: grant 12'),
});
const manifest = fc.record<KeyManifest>({
  hostId: fc.constant('01900000-0000-7000-8000-000000000001'), version: fc.integer({ min: 1, max: 2 ** 40 }), issuedAtMs: fc.integer({ min: 1, max: 2 ** 33 }).map((s) => s * 1000), notAfterMs: fc.integer({ min: 1, max: 2 ** 33 }).map((s) => s * 1000),
  users: fc.uniqueArray(fc.record({ user: fc.constantFrom('ada', 'bob', 'root', 'www-data'), exclusive: fc.boolean(), lines: fc.uniqueArray(line, { maxLength: 5, selector: ({ key }) => key.base64 }) }), { selector: ({ user }) => user }).map((users) => users.sort((a, b) => (a.user < b.user ? -1 : 1))),
  removed: fc.uniqueArray(fc.record({ fingerprint: hex, purge: fc.boolean(), endSessions: fc.boolean() }), { maxLength: 4, selector: ({ fingerprint }) => fingerprint }).map((keys) => keys.sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))),
  breakGlass: fc.array(hex, { maxLength: 3 }).map(sorted), force: fc.boolean(),
});

/** As the wire library gives it back: 64 bits may come as text. */
const wireOf = (of: KeyManifest): WireKeyManifest => formatManifest(of);

it('a manifest is read as it was written, each key once on the wire', () => {
  fc.assert(
    fc.property(manifest, (one) => {
      const wire = wireOf(one);
      expect(parseManifest(wire)).toEqual(one);
      const used = new Set(one.users.flatMap(({ lines }) => lines.map(({ key }) => key.base64)));
      expect(wire.keys).toHaveLength(used.size);
      expect(canonicalJson(manifestContent(parseManifest(wire)))).toBe(canonicalJson(manifestContent(one)));
    }),
  );
});

it('its content has all of it but its times', () => {
  const [one] = fc.sample(manifest, { numRuns: 1, seed: 4 });
  if (one === undefined) throw new Error('no sample');
  const text = (of: KeyManifest): string => canonicalJson(manifestContent(of));
  expect(text({ ...one, issuedAtMs: 1000, notAfterMs: 2000 })).toBe(text(one));
  const user = { user: 'zoe', exclusive: false, lines: [] };
  for (const other of [{ ...one, hostId: '01900000-0000-7000-8000-000000000002' }, { ...one, version: one.version + 1 }, { ...one, force: !one.force }, { ...one, users: [...one.users, user] }, { ...one, users: [...one.users, { ...user, exclusive: true }] }, { ...one, breakGlass: ['f'.repeat(64)] }, { ...one, removed: [{ fingerprint: 'f'.repeat(64), purge: true, endSessions: false }] }]) {
    expect(text(other)).not.toBe(text(one));
  }
});

it('options of the wire are those of a line, in canonical order', () => {
  const none = { restrict: false, noPortForwarding: false, noAgentForwarding: false, noX11Forwarding: false, noPty: false, noUserRc: false, from: [], expiresAt: null };
  expect(parseWireOptions(null)).toEqual(parseWireOptions(none));
  expect(formatWireOptions({ flags: [], from: [], expiresAtMs: undefined })).toBeNull();
  expect(parseWireOptions({ ...none, noPty: true, restrict: true, from: ['2001:db8::/32', '10.0.0.1/32'], expiresAt: { seconds: '7', nanos: 0 } })).toEqual({ flags: ['restrict', 'no-pty'], from: ['10.0.0.1', '2001:db8::/32'], expiresAtMs: 7000 });
  for (const expiresAt of [{ seconds: 0, nanos: 0 }, { seconds: -1, nanos: 0 }, { seconds: 7, nanos: 1 }, { seconds: 253_402_300_800, nanos: 0 }]) {
    expect(() => parseWireOptions({ ...none, expiresAt })).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }));
  }
});

describe('what is refused of a manifest', () => {
  const time = { seconds: 1, nanos: 0 };
  const good: WireKeyManifest = {
    hostId: '01900000-0000-7000-8000-000000000001', version: 1, issuedAt: time, notAfter: time, keys: [{ type: 'ssh-ed25519', blob: blob(1) }], users: [{ user: 'ada', exclusive: false, lines: [{ key: 0, comment: '', options: null }] }],
    removed: [], breakGlass: [], force: false,
  };
  const one = { key: 0, comment: '', options: null };
  const user = { user: 'ada', exclusive: false, lines: [one] };
  const removed = (n: number) => ({ fingerprint: Buffer.alloc(32, n), purge: false, endSessions: false });
  it('nothing of a good one', () => {
    expect(parseManifest(good).users).toHaveLength(1);
  });
  it.each<readonly [string, Partial<WireKeyManifest>]>([
    ['no host', { hostId: '' }], ['a host that is none', { hostId: '01900000-0000-4000-8000-000000000001' }], ['version 0', { version: 0 }], ['half a version', { version: 1.5 }], ['a version beyond safe numbers', { version: 2 ** 53 }], ['no time', { issuedAt: null }], ['no end', { notAfter: null }],
    ['a key that is none', { keys: [{ type: 'ssh-ed25519', blob: blob(1).slice(1) }] }], ['a key of another type', { keys: [{ type: 'ssh-rsa', blob: blob(1) }] }], ['an index beyond the keys', { users: [{ ...user, lines: [{ ...one, key: 1 }] }] }],
    ['a key twice for a user', { users: [{ ...user, lines: [one, one] }] }], ['the same key twice under two indexes', { keys: [...good.keys, ...good.keys], users: [{ ...user, lines: [one, { ...one, key: 1 }] }] }],
    ['a user twice', { users: [user, user] }], ['users out of order', { users: [user, { ...user, user: 'abe' }] }], ['a user that is a path', { users: [{ ...user, user: '../root' }] }], ['a comment with a line end', { users: [{ ...user, lines: [{ ...one, comment: 'a\nb' }] }] }],
    ['a removed key of 31 bytes', { removed: [{ ...removed(1), fingerprint: Buffer.alloc(31) }] }], ['removed keys out of order', { removed: [removed(2), removed(1)] }], ['a removed key twice', { removed: [removed(1), removed(1)] }], ['break-glass keys out of order', { breakGlass: [Buffer.alloc(32, 2), Buffer.alloc(32, 1)] }],
    ['too many removed keys', { removed: Array.from({ length: mostManifestEntries + 1 }, () => removed(1)) }], ['too many users', { users: Array.from({ length: mostManifestEntries + 1 }, () => user) }],
  ])('%s', (_what, spoiled) => {
    expect(() => parseManifest({ ...good, ...spoiled })).toThrow(expect.objectContaining({ code: expect.stringMatching(/^FIELD_/) }));
  });
  it('none at all', () => {
    expect(() => parseManifest(null)).toThrow(expect.objectContaining({ code: 'FIELD_MISSING' }));
  });
});
