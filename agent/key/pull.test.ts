import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { createManifestServer, manifestAnswer, type ManifestServer } from '../../test/support/manifest-server.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { testKey, testLine } from '../../test/support/test-key.js';
import { newId } from '../../shared/kit/id.js';
import { formatKeyFile } from '../../shared/model/key-file.js';
import type { KeyManifest, UserKeys } from '../../shared/model/manifest.js';
import type { ObservedUser } from '../../shared/model/user.js';
import type { AgentIdentity } from '../identity/identity.js';
import { createAgentServer, type AgentServer } from '../server.js';
import { fingerprintOf } from './fingerprint.js';
import { scheduleOf } from './schedule.js';
import { encodeManifest } from './store.js';

const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
const fleet = createTestFleet();
const ada: ObservedUser = { name: 'ada', uid: 20001, gid: 20001, shell: '/bin/bash', comment: '', home: '/home/ada', groups: [], locked: false, marker: 'home', present: true };

let stateDir: string;
let host: SimulatedHost;
let identity: AgentIdentity;
let agent: AgentServer;
let coordinator: ManifestServer;

const start = (): Promise<AgentServer> => createAgentServer({ host, identity, stateDir, listen: undefined, log });

beforeEach(async () => {
  coordinator = await createManifestServer(fleet.coordinator(), log);
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-pull-'));
  host = createSimulatedHost({ users: [ada] });
  identity = fleet.host('web1', { agentsApi: [`127.0.0.1:${String(coordinator.port)}`] });
  agent = await start();
});

afterEach(async () => {
  await agent.close(1000);
  await coordinator.close();
  rmSync(stateDir, { recursive: true, force: true });
});

const keysOf = (...numbers: number[]): UserKeys => ({ user: 'ada', lines: numbers.map((number) => testLine(number)), exclusive: false });

function manifest(version: number, users: readonly UserKeys[], over: Partial<KeyManifest> = {}): KeyManifest {
  const now = Date.now();
  return { hostId: identity.hostId, version, issuedAtMs: now, notAfterMs: now + 86_400_000, users, removed: [], breakGlass: [], force: false, ...over };
}

const offer = (wanted: KeyManifest): Buffer => {
  const bytes = encodeManifest(wanted);
  coordinator.answer = () => manifestAnswer(bytes);
  return bytes;
};

const file = (): string | undefined => host.keys.files.get('ada');
const good = manifestFile(1, 2, 3, 4);

function manifestFile(...numbers: number[]): string {
  return formatKeyFile(numbers.map((number) => testLine(number)));
}

describe('asking the coordinator for the keys', () => {
  it('makes the keys what the manifest says, and asks from then on whether there is a newer one', async () => {
    offer(manifest(3, [keysOf(1, 2, 3, 4)]));
    await agent.pullKeys();
    expect(file()).toBe(good);
    expect(host.keys.sshd.dropIn).toBe('pending');
    coordinator.answer = () => manifestAnswer(Buffer.alloc(0));
    await agent.pullKeys();
    expect(coordinator.asked).toEqual([0, 3]);
    await agent.close(1000);
    agent = await start();
    await agent.pullKeys();
    expect(coordinator.asked, 'after a start too').toEqual([0, 3, 3]);
  });

  it('keeps the last good ones when the answer is cut off at any byte (S10)', async () => {
    offer(manifest(3, [keysOf(1, 2, 3, 4)]));
    await agent.pullKeys();
    const next = encodeManifest(manifest(4, [keysOf(2, 3, 4, 5)]));
    host.calls.length = 0;
    let kept = 0;
    for (let length = 1; length < next.length; length += 1) {
      coordinator.answer = () => manifestAnswer(next.subarray(0, length), next);
      await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'KEY_MANIFEST' });
      if (file() === good) kept += 1;
    }
    coordinator.answer = () => manifestAnswer(Buffer.alloc(0), next);
    await agent.pullKeys();
    expect(kept).toBe(next.length - 1);
    expect(host.calls.filter((call) => call.startsWith('key.'))).toEqual([]);
    coordinator.answer = () => manifestAnswer(next);
    await agent.pullKeys();
    expect(file()).toBe(manifestFile(2, 3, 4, 5));
  }, 120_000);

  it('keeps them when the coordinator itself gives a part, with the digest of that part: never fewer than the floor, never nonsense', async () => {
    offer(manifest(3, [keysOf(1, 2, 3, 4)], { breakGlass: [fingerprintOf(testKey(1))] }));
    await agent.pullKeys();
    const next = encodeManifest(manifest(4, [keysOf(1, 2, 3, 4, 5)], { breakGlass: [fingerprintOf(testKey(1))] }));
    for (let length = 1; length < next.length; length += 5) {
      coordinator.answer = () => manifestAnswer(next.subarray(0, length));
      await agent.pullKeys().catch(() => undefined);
      expect(file()?.split('\n').filter((line) => line.includes('ssh-ed25519')).length).toBeGreaterThanOrEqual(2);
      expect(file()).toContain(testKey(1).base64);
    }
  }, 120_000);

  it('refuses an empty or a halved manifest by the floor (S11), and takes it with force', async () => {
    offer(manifest(3, [keysOf(1, 2, 3, 4)]));
    await agent.pullKeys();
    for (const users of [[], [keysOf()], [keysOf(1)]]) {
      offer(manifest(4, users));
      await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'KEY_FLOOR', fields: { host: 'web1', value: 'ada' } });
      expect(file()).toBe(good);
    }
    offer(manifest(4, [keysOf(1)], { force: true }));
    await agent.pullKeys();
    expect(file()).toBe(manifestFile(1));
  });

  it('refuses an older manifest, another one of the same version, one of another host, and one that is too old (S12)', async () => {
    offer(manifest(3, [keysOf(1, 2, 3, 4)]));
    await agent.pullKeys();
    const refused: [KeyManifest, string][] = [
      [manifest(2, [keysOf(1, 2, 3, 4, 5)]), 'GENERATION_STALE'],
      [manifest(3, [keysOf(1, 2, 3, 4, 5)]), 'KEY_MANIFEST'],
      [manifest(4, [keysOf(1, 2, 3, 4, 5)], { hostId: newId(Date.now()) }), 'KEY_MANIFEST'],
      [manifest(4, [keysOf(1, 2, 3, 4, 5)], { notAfterMs: Date.now() - 11 * 60_000 }), 'KEY_MANIFEST'],
    ];
    for (const [wanted, code] of refused) {
      offer(wanted);
      await expect(agent.pullKeys()).rejects.toMatchObject({ code });
      expect(file()).toBe(good);
    }
    offer(manifest(3, [keysOf(1, 2, 3, 4)]));
    await agent.pullKeys();
    expect(file()).toBe(good);
  });

  it('remembers a version that it could not apply: no older one comes after it', async () => {
    offer(manifest(3, [keysOf(1)]));
    await agent.pullKeys();
    offer(manifest(9, [keysOf(1, 2)]));
    host.fail('key.put', new Error('the disk is broken'));
    await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'INTERNAL' });
    host.fail('key.put', undefined);
    offer(manifest(8, [keysOf(1, 7)]));
    await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'KEY_MANIFEST', fields: { rule: expect.stringContaining('older than 9') as string } });
    offer(manifest(9, [keysOf(1, 2)]));
    await agent.pullKeys();
    expect(file()).toBe(manifestFile(1, 2));
  });

  it('refuses a coordinator of an epoch that is over', async () => {
    const bytes = offer(manifest(3, [keysOf(1)]));
    coordinator.answer = () => manifestAnswer(bytes, bytes, 5);
    await agent.pullKeys();
    const next = offer(manifest(4, [keysOf(2)]));
    coordinator.answer = () => manifestAnswer(next, next, 4);
    await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'EPOCH_STALE' });
  });

  it('changes nothing when the coordinator cannot be reached', async () => {
    offer(manifest(3, [keysOf(1)]));
    await agent.pullKeys();
    await coordinator.close();
    await expect(agent.pullKeys()).rejects.toMatchObject({ code: 'COORDINATOR_UNREACHABLE' });
    expect(file()).toBe(manifestFile(1));
  });

  it('under max-stale asks for the whole manifest, and stamps each key', async () => {
    host.setPolicy(openPolicy.replace('allow key.put root-keys=no,yes', 'allow key.put max-stale=86400'));
    offer(manifest(3, [keysOf(1)]));
    await agent.pullKeys();
    const [, year, month, day, hour, minute] = /^expiry-time="(....)(..)(..)(..)(..)..Z" /m.exec(file() ?? '') ?? [];
    const leftMs = Date.parse(`${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:00Z`) - Date.now();
    expect(leftMs).toBeGreaterThan(86_000_000);
    expect(leftMs).toBeLessThanOrEqual(86_400_000);
    await agent.pullKeys();
    expect(coordinator.asked).toEqual([0, 0]);
  });
});

describe('the schedule of a fleet (S13)', () => {
  it('spreads 1,000 hosts over the hour', () => {
    const perMinute = new Map<number, number>();
    const perSecond = new Map<string, number>();
    for (let count = 0; count < 1000; count += 1) {
      const [second = '', minute = ''] = scheduleOf(newId(1_760_000_000_000 + count), undefined).expression.split(' ');
      perMinute.set(Number(minute), (perMinute.get(Number(minute)) ?? 0) + 1);
      perSecond.set(`${minute}:${second}`, (perSecond.get(`${minute}:${second}`) ?? 0) + 1);
    }
    expect(perMinute.size).toBe(60);
    expect(Math.max(...perMinute.values())).toBeLessThan(40);
    expect(Math.max(...perSecond.values())).toBeLessThan(8);
  });

  it('is the administrator’s where there is one, spread over its minute', () => {
    expect(scheduleOf('a', '*/5 * * * *').expression).toMatch(/^[0-9]{1,2} \*\/5 \* \* \* \*$/);
    expect(new Set(Array.from({ length: 200 }, (_none, index) => scheduleOf(String(index), '42 * * * *').expression)).size).toBeGreaterThan(50);
  });
});
