import { describe, expect, it } from 'vitest';
import { testLine } from '../../test/support/test-key.js';
import type { KeyLine } from '../../shared/model/key.js';
import type { ObservedKeys } from './observe.js';
import { keepKeys, restoreKeys } from './restore.js';

const hostId = '01890000-0000-7000-8000-00000000000a';
const now = Date.UTC(2026, 5, 1);
const state = (files: Record<string, readonly KeyLine[]>, exclusive: readonly string[] = []): ObservedKeys => ({
  files: Object.entries(files).map(([user, lines]) => ({ user, lines, path: `/etc/ssh/reeve-keys.d/${user}`, marked: true, canonical: true, sha256: Buffer.alloc(32), problems: [] })),
  sshd: { dropIn: 'confirmed', exclusive, paths: [], others: [], problem: undefined }, pending: undefined, stored: undefined, own: { keys: [], unread: [], truncated: false }, sessions: [],
});
const input = (observed: ObservedKeys) => ({ observed, names: new Set(['ada', 'bob', 'carol']), hostId, now });

describe('taking changes of keys back', () => {
  it('leads back to what was, and leaves the others as they are', () => {
    const before = state({ ada: [testLine(1), testLine(2)], carol: [testLine(7)] }, ['ada']);
    const after = state({ ada: [testLine(2)], bob: [testLine(3)], carol: [testLine(8)] });
    const { wanted, notes } = restoreKeys(keepKeys(['ada', 'bob', 'sshd'], before), input(after));
    expect(wanted.users).toEqual([
      { user: 'ada', lines: [testLine(1), testLine(2)], exclusive: true },
      { user: 'carol', lines: [testLine(8)], exclusive: false },
    ]);
    expect(notes).toEqual(['p1: grant 1 can log in as "ada" again', 'sshd goes on reading the managed key files']);
  });

  it('brings back no key that has ended, and none of an account that is gone', () => {
    const before = state({ ada: [testLine(1, 'x', { expiresAtMs: now - 1000 })], zoe: [testLine(2)] });
    const { wanted, notes } = restoreKeys(keepKeys(['ada', 'zoe'], before), input(state({})));
    expect(wanted.users).toEqual([{ user: 'ada', lines: [], exclusive: false }]);
    expect(notes).toEqual(['user "zoe" is gone from the host; its keys are not put back']);
  });
});
