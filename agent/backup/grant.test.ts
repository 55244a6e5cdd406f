import { mkdtempSync, rmSync } from 'node:fs';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { newId } from '../../shared/kit/id.js';
import { formatGrant, type BackupGrant } from '../../shared/model/backup-grant.js';
import { signRecord } from '../../shared/rpc/signed.js';
import { checkGrant, openGrantBook, type GrantHolder } from './grant.js';

const fleet = createTestFleet();
const now = Date.parse('2026-03-01T12:00:00Z');
const [web, store] = [newId(now), newId(now + 1)];
const holder: GrantHolder = { fleetId: fleet.fleetId, hostId: web, hostName: 'web', key: 'a'.repeat(64), controlRoot: fleet.control.pem, now };
const grant: BackupGrant = {
  fleet: fleet.fleetId, run: newId(now + 2), job: newId(now + 3), notBefore: now - 60_000, notAfter: now + 60_000,
  sender: { host: web, key: 'a'.repeat(64) }, receiver: { host: store, key: 'b'.repeat(64) }, bandwidthKib: 0, seconds: 3600,
  what: { kind: 'backup', folders: ['/srv/data'], excludes: ['/cache'], systemFolders: false, into: '/srv/backup/web', snapshot: '2026-03-01T120000Z', basis: [] },
};

function signed(of: BackupGrant = grant): { grant: Buffer; signature: Buffer } {
  const { body, signature } = signRecord('grant', formatGrant(of), fleet.control.key);
  return { grant: body, signature };
}

const refused = (over: { holder?: Partial<GrantHolder>; grant?: Partial<BackupGrant>; side?: string; record?: { grant: Buffer; signature: Buffer } }) => () =>
  checkGrant({ ...holder, ...over.holder }, over.side ?? 'sender', over.record ?? signed({ ...grant, ...over.grant }));

describe('a grant', () => {
  it('is good for the side, the host, the key and the time that it names', () => {
    const record = signed();
    const mark = createHash('sha256').update(record.signature).digest('hex');
    expect(checkGrant(holder, 'sender', record)).toEqual({ grant, side: 'sender', peer: grant.receiver, mark });
    expect(checkGrant({ ...holder, hostId: store, key: 'b'.repeat(64) }, 'receiver', record)).toMatchObject({ peer: grant.sender, mark });
    expect(checkGrant(holder, 'sender', signed()).mark, 'of another signature of the same').not.toBe(mark);
  });

  it.each([
    ['another fleet', refused({ holder: { fleetId: '11111111-1111-4111-8111-111111111111' } }), 'another fleet'],
    ['another host', refused({ holder: { hostId: newId(now + 9) } }), 'another host'],
    ['another key', refused({ holder: { key: 'c'.repeat(64) } }), 'another key'],
    ['the other side', refused({ side: 'receiver' }), 'another host'],
    ['no side', refused({ side: '' }), 'neither end'],
    ['a later time', refused({ holder: { now: grant.notAfter } }), 'not good any more'],
    ['an earlier time', refused({ holder: { now: grant.notBefore - 1 } }), 'not good yet'],
    ['one host for both', refused({ grant: { receiver: grant.sender } }), 'both ends'],
    ['another signature', refused({ record: { ...signed(), signature: signRecord('grant', formatGrant(grant), generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey).signature } }), 'has not signed'],
    ['a record of another kind', refused({ record: { ...signed(), signature: signRecord('deny', formatGrant(grant), fleet.control.key).signature } }), 'has not signed'],
    ['a folder that leads out', refused({ grant: { what: { ...grant.what, folders: ['/srv/../etc'] } as BackupGrant['what'] } }), 'without "."'],
    ['an exclude that is another rule', refused({ grant: { what: { ...grant.what, excludes: ['+ secret'] } as BackupGrant['what'] } }), 'pattern'],
  ])('is refused for %s', (_what, check, rule) => {
    expect(check).toThrow(expect.objectContaining({ code: 'GRANT_REFUSED', message: expect.stringContaining(rule) as string }) as Error);
  });

  it('is refused with any byte changed', () => {
    const { grant: body, signature } = signed();
    for (let at = 0; at < body.length; at += 7) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(refused({ record: { grant: changed, signature } })).toThrow(expect.objectContaining({ code: 'GRANT_REFUSED' }) as Error);
    }
  });
});

describe('the book of used grants', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'reeve-grants-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('takes a grant once on each side, also after a restart', () => {
    const sender = checkGrant(holder, 'sender', signed());
    const receiver = checkGrant({ ...holder, hostId: store, key: 'b'.repeat(64) }, 'receiver', signed());
    const book = openGrantBook(folder, now);
    book.use(sender, 'web', now);
    book.use(receiver, 'store', now);
    expect(() => book.use(sender, 'web', now)).toThrow('it was used before');
    expect(() => openGrantBook(folder, now).use(sender, 'web', now)).toThrow('it was used before');
  });

  it('forgets one long after its end, when nobody would take it any more', () => {
    openGrantBook(folder, now).use(checkGrant(holder, 'sender', signed()), 'web', now);
    const later = now + 30 * 86_400_000;
    expect(() => openGrantBook(folder, later).use(checkGrant(holder, 'sender', signed()), 'web', later)).not.toThrow();
  });
});
