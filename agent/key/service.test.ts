import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentChannel } from '../../test/support/agent-channel.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { ownPath } from '../../test/support/simulated-key.js';
import { testKey, testLine } from '../../test/support/test-key.js';
import { reeveError } from '../../shared/errors/error.js';
import type { KeyServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/KeyService.js';
import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { SyncAuthorizedKeysResponse } from '../../shared/gen/proto/reeve/agent/v1/SyncAuthorizedKeysResponse.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { formatKeyFile } from '../../shared/model/key-file.js';
import { formatKeyLine, type KeyLine } from '../../shared/model/key.js';
import { formatManifest, type KeyManifest, type RemovedKey, type UserKeys } from '../../shared/model/manifest.js';
import type { ObservedUser } from '../../shared/model/user.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import type { AgentIdentity } from '../identity/identity.js';
import { createAgentServer, type AgentServer } from '../server.js';
import { fingerprintOf } from './fingerprint.js';

const service = serviceName<KeyServiceDefinition>('reeve.agent.v1.KeyService');
const status = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');
const release = serviceName<ReleaseServiceDefinition>('reeve.agent.v1.ReleaseService');
const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
const fleet = createTestFleet();
const options = { deadlineMs: 10_000 };
const day = 86_400_000;

const account = (name: string, uid: number): ObservedUser => ({ name, uid, gid: uid, shell: '/bin/bash', comment: '', home: `/home/${name}`, groups: [], locked: false, marker: 'home', present: true });

let stateDir: string;
let host: SimulatedHost;
let identity: AgentIdentity;
let agent: AgentServer;
let channel: Channel;

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-keys-'));
  host = createSimulatedHost({ users: [account('ada', 20001), account('bob', 20002)] });
  identity = fleet.host('web1');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  channel = openAgentChannel(fleet, identity, agent.address.port);
});

afterEach(async () => {
  channel.close();
  await agent.close(1000);
  rmSync(stateDir, { recursive: true, force: true });
});

const keysOf = (user: string, ...lines: (number | KeyLine)[]): UserKeys => ({ user, lines: lines.map((line) => (typeof line === 'number' ? testLine(line) : line)), exclusive: false });

function sync(version: number, users: readonly UserKeys[], over: Partial<KeyManifest> = {}, intent: IntentInput = {}): Promise<SyncAuthorizedKeysResponse> {
  const now = Date.now();
  const manifest: KeyManifest = { hostId: identity.hostId, version, issuedAtMs: now, notAfterMs: now + day, users, removed: [], breakGlass: [], force: false, ...over };
  const full = { mode: 'MODE_APPLY', operationId: newId(now), generation: version, epoch: 1, ...intent } as const;
  return channel.unary(service, 'SyncAuthorizedKeys', { intent: full, manifest: formatManifest(manifest) }, options);
}

const file = (user: string): string | undefined => host.keys.files.get(user);
const removal = (number: number): RemovedKey => ({ fingerprint: fingerprintOf(testKey(number)), purge: true, endSessions: true });

describe('SyncAuthorizedKeys', () => {
  it('plans without changing anything, applies, answers what waits to be confirmed, and then finds nothing to do', async () => {
    const plan = await sync(1, [keysOf('ada', 1)], {}, { mode: 'MODE_PLAN' });
    expect(plan.changes.map(({ subject, kind }) => [subject, kind])).toEqual([['ada', 'CHANGE_KIND_CREATE'], ['sshd', 'CHANGE_KIND_CREATE']]);
    expect(plan.pending).toBeNull();
    expect(host.keys.files.size).toBe(0);

    const operationId = newId(Date.now());
    const done = await sync(1, [keysOf('ada', 1)], {}, { operationId, expectedDigest: plan.digest, policyDigest: plan.policyDigest });
    expect(done.changes).toEqual(plan.changes);
    expect(file('ada')).toBe(formatKeyFile([testLine(1)]));
    expect(done.files).toMatchObject([{ user: 'ada', lines: 1 }]);
    expect(done.pending).toMatchObject({ operationId, noun: 'key' });

    const again = await sync(1, [keysOf('ada', 1)]);
    expect(again.changes).toEqual([]);
    expect(again.digest.equals(done.digest)).toBe(true);
    expect(again.pending, 'somebody may have missed the first answer').toMatchObject({ operationId });
  });

  it('refuses a version that is not the generation', async () => {
    await expect(sync(2, [keysOf('ada', 1)], {}, { generation: 3 })).rejects.toMatchObject({ code: 'KEY_MANIFEST' });
  });

  it('refuses everything at once that the policy does not allow, and changes nothing', async () => {
    host.setPolicy('version 1\nallow observe.key\nallow key.put name=bob\n');
    await expect(sync(1, [keysOf('ada', 1), keysOf('bob', 2)])).rejects.toMatchObject({
      items: [{ code: 'POLICY_DENIED', fields: { op: 'key.put', args: 'name=ada root-keys=no max-stale=4294967295' } }, { code: 'POLICY_DENIED', fields: { op: 'key.sshd' } }],
    });
    expect(host.keys.files.size).toBe(0);
    await expect(sync(1, [keysOf('root', 1)], {}, { mode: 'MODE_PLAN', checkPolicy: true })).rejects.toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ code: 'KEY_ROOT' })]) as object });
  });

  it('takes what it wrote back when a later step fails, but never a revocation', async () => {
    await sync(1, [keysOf('ada', 1, 2)]);
    host.fail('key.put', undefined);
    host.keys.sshd = { ...host.keys.sshd, dropIn: 'altered' };
    host.keys.pending = undefined;
    host.fail('key.sshd', reeveError('SSHD_CHECK', { rule: 'the test login was refused' }));
    await expect(sync(2, [keysOf('ada', 2, 3), keysOf('bob', 4)], { removed: [removal(1)] })).rejects.toMatchObject({ code: 'SSHD_CHECK', fields: { host: 'web1' } });
    expect(file('ada')).toBe(formatKeyFile([testLine(2)]));
    expect(file('bob')).toBeUndefined();
  });

  it('under a hold takes keys away and gives none', async () => {
    await sync(1, [keysOf('ada', 1, 2)]);
    const held = await sync(2, [keysOf('ada', 2, 3), keysOf('bob', 4)], {}, { removalOnly: true });
    expect(file('ada')).toBe(formatKeyFile([testLine(2)]));
    expect(file('bob')).toBeUndefined();
    expect(held.held?.changes.map(({ subject }) => subject)).toEqual(['ada', 'bob']);
    await expect(sync(1, [keysOf('ada', 1, 2)]), 'what was taken away does not come back by an older manifest').rejects.toMatchObject({ code: 'KEY_MANIFEST' });
    await sync(2, [keysOf('ada', 2, 3), keysOf('bob', 4)]);
    expect([file('ada'), file('bob')]).toEqual([formatKeyFile([testLine(2), testLine(3)]), formatKeyFile([testLine(4)])]);
  });

  it('takes a removed key out of users’ own files and ends its sessions', async () => {
    host.keys.own.set('bob', `# mine\n${formatKeyLine(testLine(1, 'bob@home'))}\n${formatKeyLine(testLine(5, 'bob@work'))}\n`);
    const session = (user: string, pid: number, number: number) => ({ user, pid, from: '192.0.2.7', sinceMs: Date.now(), fingerprint: Buffer.from(fingerprintOf(testKey(number)), 'hex') });
    host.keys.sessions = [session('ada', 100, 1), session('ada', 101, 2), session('bob', 102, 1)];
    await sync(1, [keysOf('ada', 1, 2)]);
    const done = await sync(2, [keysOf('ada', 2)], { removed: [removal(1)] });
    expect(host.keys.own.get('bob')).toBe(`# mine\n${formatKeyLine(testLine(5, 'bob@work'))}\n`);
    expect(host.keys.sessions.map(({ pid }) => pid)).toEqual([101]);
    expect(done).toMatchObject({ remaining: [], sessions: [] });
    expect(done.changes.find(({ subject }) => subject === 'bob')?.fields).toEqual([
      { field: expect.stringMatching(/^own key SHA256:/) as string, from: ownPath('bob'), to: '' }, { field: 'session 102', from: 'from 192.0.2.7', to: '' },
    ]);
  });

  it('ends a session too that opened between the look and the change', async () => {
    const late = { user: 'ada', pid: 103, from: '192.0.2.8', sinceMs: Date.now(), fingerprint: Buffer.from(fingerprintOf(testKey(1)), 'hex') };
    await sync(1, [keysOf('ada', 1, 2)]);
    host.keys.opening = [late];
    const done = await sync(2, [keysOf('ada', 2)], { removed: [removal(1)] });
    expect(host.keys.sessions).toEqual([]);
    expect(done).toMatchObject({ sessions: [] });
    expect(done.changes.flatMap(({ fields }) => fields.map(({ field }) => field))).toContain('session 103');
  });

  it('tells what it may not take out or end, and takes the rest away all the same', async () => {
    host.setPolicy(openPolicy.replace('allow key.purge\n', '').replace('allow session.end\n', ''));
    host.keys.own.set('bob', `${formatKeyLine(testLine(1, 'bob@home'))}\n`);
    host.keys.sessions = [{ user: 'bob', pid: 102, from: '', sinceMs: 0, fingerprint: Buffer.from(fingerprintOf(testKey(1)), 'hex') }];
    await sync(1, [keysOf('ada', 1, 2)]);
    const done = await sync(2, [keysOf('ada', 2)], { removed: [removal(1)] });
    expect(file('ada')).toBe(formatKeyFile([testLine(2)]));
    expect(done.remaining).toMatchObject([{ user: 'bob', origin: ownPath('bob'), line: 1, comment: 'bob@home' }]);
    expect(done.sessions).toMatchObject([{ user: 'bob', pid: 102 }]);
  });

  it('tells of a change that somebody made by hand, and puts it right', async () => {
    const made = await sync(1, [keysOf('ada', 1)]);
    host.keys.files.set('ada', formatKeyFile([testLine(1), testLine(9, 'intruder')]));
    const plan = await sync(1, [keysOf('ada', 1)], {}, { mode: 'MODE_PLAN' });
    expect(plan.digest.equals(made.digest)).toBe(false);
    expect(plan.changes).toMatchObject([{ subject: 'ada', fields: [{ from: 'intruder', to: '' }] }]);
    const done = await sync(1, [keysOf('ada', 1)]);
    expect(done.digest.equals(made.digest)).toBe(true);
  });

  it('lets go: files stay without stamps as plain configuration, and the host asks for no more', async () => {
    host.setPolicy(openPolicy.replace('allow key.put root-keys=no,yes', 'allow key.put max-stale=86400'));
    const own = Math.floor(Date.now() / 1000) * 1000 + 3600_000;
    await sync(1, [keysOf('ada', 1, testLine(2, 'x', { expiresAtMs: own }))]);
    expect(file('ada')?.match(/expiry-time/g)).toHaveLength(2);
    await expect(sync(1, [], {}, { release: true })).rejects.toMatchObject({ code: 'CONFIRM_PENDING' });
    host.keys.pending = undefined;
    host.keys.sshd = { ...host.keys.sshd, dropIn: 'confirmed' };
    const done = await sync(1, [], {}, { release: true });
    expect(done.changes.map(({ subject }) => subject)).toEqual(['ada', 'sshd']);
    expect(file('ada')).toBe(formatKeyFile([testLine(1), testLine(2, 'x', { expiresAtMs: own })], 'left'));
    expect(host.keys.owned.size).toBe(0);
    expect(nounDigest('key', []).equals(done.digest), 'nothing is managed').toBe(true);
    expect((await sync(1, [], {}, { release: true })).changes).toEqual([]);
    const released = await channel.unary(release, 'ApplyRelease', { intent: { mode: 'MODE_PLAN', operationId: newId(Date.now()), generation: 1, epoch: 1 } }, options);
    expect(released.changes).toHaveLength(1);
  });

  it('is taken back by root of the host, who is told who can log in again', async () => {
    await sync(1, [keysOf('ada', 1, 2)]);
    await sync(2, [keysOf('ada', 2, 3)], { removed: [removal(1)] });
    const offer = await agent.undo.plan('key', undefined);
    expect(offer.notes).toEqual(['p1: grant 1 can log in as "ada" again']);
    await agent.undo.apply('key', { targets: offer.targets.map(({ id }) => id), operationId: newId(Date.now()), digest: offer.digest });
    expect(file('ada')).toBe(formatKeyFile([testLine(1), testLine(2)]));
    await sync(2, [keysOf('ada', 2, 3)], { removed: [removal(1)] });
    expect(file('ada'), 'the coordinator goes forward again').toBe(formatKeyFile([testLine(2), testLine(3)]));
  });
});

describe('ObserveKey', () => {
  it('tells managed keys with their own expiries, keys of users’ own files, what cannot be read, logins and sshd', async () => {
    host.setPolicy(openPolicy.replace('allow key.put root-keys=no,yes', 'allow key.put max-stale=86400'));
    host.keys.own.set('bob', `no-touch-required ${formatKeyLine(testLine(5))}\n`);
    host.keys.unreadable.add('root');
    host.keys.sessions = [{ user: 'ada', pid: 7, from: '192.0.2.1', sinceMs: 1000, fingerprint: Buffer.alloc(0) }];
    const made = await sync(1, [keysOf('ada', 1)]);
    const seen = await channel.unary(service, 'ObserveKey', { foreign: true, sessions: true }, options);
    expect(seen.keys).toMatchObject([
      { user: 'ada', origin: 'managed', line: 2, comment: 'p1: grant 1', options: null, problem: '' },
      { user: 'bob', origin: ownPath('bob'), line: 1, key: null, problem: expect.stringContaining('option') as string },
    ]);
    expect(seen.unread).toEqual([{ user: 'root', path: ownPath('root'), reason: 'permission denied' }]);
    expect(seen.sessions).toMatchObject([{ user: 'ada', pid: 7, from: '192.0.2.1' }]);
    expect(seen.sshd).toMatchObject({ dropIn: 'pending', paths: ['.ssh/authorized_keys', '/etc/ssh/reeve-keys.d/%u'] });
    expect(seen.digest.equals(made.digest)).toBe(true);
    const managed = await channel.unary(service, 'ObserveKey', {}, options);
    expect(managed).toMatchObject({ keys: [{ user: 'ada' }], unread: [], sessions: [], sshd: null });
  });
});

describe('the status', () => {
  it('has a digest of the keys once they are managed, and of each change by hand', async () => {
    const abort = new AbortController();
    const watch = channel.stream(status, 'Watch', { epoch: 1 }, { signal: abort.signal });
    const digestOf = async (wanted: (digest: Buffer) => boolean): Promise<Buffer> => {
      for (;;) {
        const next = await watch.next();
        if (next.done === true) throw new Error('the watch has ended');
        const digest = next.value.digests.find(({ noun }) => noun === 'key')?.digest;
        if (digest !== undefined && wanted(digest)) return digest;
      }
    };
    const made = await sync(1, [keysOf('ada', 1)]);
    expect((await digestOf(() => true)).equals(made.digest)).toBe(true);
    host.keys.files.set('ada', formatKeyFile([testLine(9)]));
    host.touch('keys');
    await digestOf((digest) => !digest.equals(made.digest));
    abort.abort();
    const now = await channel.unary(status, 'GetStatus', {}, options);
    expect(now.status?.capabilities).toContain('key');
  });
});
