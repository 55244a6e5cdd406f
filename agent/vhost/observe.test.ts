import { describe, expect, it } from 'vitest';
import type { ObserveVhostReply } from '../../shared/gen/privd.js';
import { makeSelfSigned } from '../cert/self-signed.js';
import type { Helper } from '../host/host.js';
import { observeVhosts, type CertEnds } from './observe.js';

const empty: ObserveVhostReply = {
  engine: 'nginx 1.22.1', running: true, included: '', set: Buffer.alloc(32, 1), operation: Buffer.alloc(0), file: [], foreign: [], directive: [], text: Buffer.alloc(0), sha256: Buffer.alloc(0), snippet: [], truncated: false,
};
const file = (name: string, over: Partial<ObserveVhostReply['file'][number]> = {}): ObserveVhostReply['file'][number] => ({ name, sha256: Buffer.alloc(32, 2), state: 'ok', model: Buffer.alloc(0), text: Buffer.alloc(0), ...over });
const day = 86_400_000;

function look(reply: Partial<ObserveVhostReply>, now = Date.now(), ends: CertEnds = new Map()): ReturnType<typeof observeVhosts> {
  const helper = { call: () => Promise.resolve({ ...empty, ...reply }) } as unknown as Helper;
  return observeVhosts({ helper, now, ends }, 'x');
}

describe('what the helper tells of sites', () => {
  it('is put together by site; a site is as its worst file, and what somebody altered is worse than what is gone', async () => {
    const { sites, unsettled, set } = await look({
      operation: Buffer.from('019e5c0aaaaa7bbb8cccdddddddddddd', 'hex'),
      file: [
        file('_.example.org.conf', { model: Buffer.alloc(32, 3) }), file('a.example.org.auth'), file('a.example.org.auth4031234567', { state: 'missing' }), file('a.example.org.conf', { state: 'edited', model: Buffer.alloc(32, 4) }),
        file('b.example.org.ca', { state: 'missing' }), file('b.example.org.conf'),
      ],
    });
    expect([...sites.values()].map(({ name, state, modelSha, files }) => [name, state, modelSha.slice(0, 4), files.length])).toEqual([['*.example.org', 'ok', '0303', 1], ['a.example.org', 'edited', '0404', 3], ['b.example.org', 'missing', '', 2]]);
    expect([unsettled, set]).toEqual(['019e5c0a-aaaa-7bbb-8ccc-dddddddddddd', '01'.repeat(32)]);
  });

  it('says so when a certificate of a site ends soon, and when the next one will', async () => {
    const now = Date.UTC(2031, 0, 1);
    const cert = (days: number): Buffer => Buffer.from(makeSelfSigned({ names: ['a.example.org'], days, now }).certPem);
    const ends: CertEnds = new Map();
    const rows = [
      file('a.example.org.conf'), file('a.example.org.crt', { text: cert(29) }), file('b.example.org.conf'), file('b.example.org.crt', { text: cert(40), sha256: Buffer.alloc(32, 5) }), file('c.example.org.crt', { text: Buffer.from('no'), sha256: Buffer.alloc(32, 6) }),
    ];
    const seen = await look({ file: rows }, now, ends);
    expect([...seen.sites.values()].map(({ state }) => state)).toEqual(['expiring', 'ok', 'expiring']);
    expect(seen.dueAtMs).toBe(now + 10 * day);
    expect(ends.size).toBe(3);
    const later = await look({ file: rows }, now + 11 * day, ends);
    expect([...later.sites.values()].map(({ state }) => state)).toEqual(['expiring', 'expiring', 'expiring']);
    expect(later.dueAtMs).toBeUndefined();
  });

  it('is refused where it is of a newer helper', async () => {
    await expect(look({ file: [file('a.example.org.wasm')] })).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
    await expect(look({ file: [file('a.example.org.conf', { state: 'torn' })] })).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
  });
});
