import { execFile } from 'node:child_process';
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import type { EnrolRequest } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolRequest.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import type { RenewRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RenewRequest.js';
import { reeveError } from '../../shared/errors/error.js';
import { systemClock } from '../../shared/kit/clock.js';
import { newId } from '../../shared/kit/id.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { formatJoinToken } from '../../shared/model/join-token.js';
import { listen, type Listener } from '../../shared/rpc/listener.js';
import { createRpcServer, defineService, type Caller } from '../../shared/rpc/server.js';
import { ReeveServerCredentials, type TlsIdentity } from '../../shared/rpc/tls.js';
import { joinFleet, readmit } from './enrol.js';
import type { AgentIdentity } from './identity.js';
import { renew, renewalTime } from './renew.js';
import { openIdentityStore } from './store.js';

const log = pino({ level: 'silent' });
const fleet = createTestFleet();
const token = Buffer.alloc(32, 7);
const pin = createHash('sha256').update(fleet.control.publicKey).digest();
const hostId = newId(Date.now());

let stateDir: string;
let listeners: Listener[];
let asked: (EnrolRequest | RenewRequest)[];

const row = { roles: ['stranger'], risk: 'identity', rate: { perSecond: 100, burst: 100 }, maxBytes: 4096, deadlineMs: 10_000 } as const;

/** A coordinator that gives everybody the certificate of one host. */
async function startCoordinator(tls: TlsIdentity, over: { refuse?: () => Error; uri?: string } = {}): Promise<string> {
  const issue = (publicKey: Buffer): string =>
    fleet.leaf(fleet.agents, { uri: over.uri ?? formatIdentity({ kind: 'host', fleetId: fleet.fleetId, hostId }), publicKey }).certificate;
  const where: string[] = [];
  const server = createRpcServer<Caller>({
    services: [
      defineService<EnrolServiceDefinition, Caller>('reeve.coordinator.v1.EnrolService', {
        Enrol: { ...row, handle: (request) => {
          asked.push(request);
          if (over.refuse !== undefined) return Promise.reject(over.refuse());
          return Promise.resolve({
            fleetId: fleet.fleetId, hostId, hostName: 'web1', certificate: issue(request.publicKey), controlRoot: fleet.control.pem, agentsRoot: fleet.agents.pem,
            agentsApi: where, enrolment: where, epoch: 1, time: { seconds: 1, nanos: 0 },
          });
        } },
        EnrolOperator: { ...row, handle: () => Promise.reject(new Error('no operator is asked for here')) },
      }),
      defineService<IdentityServiceDefinition, Caller>('reeve.coordinator.v1.IdentityService', {
        Renew: { ...row, handle: (request) => {
          asked.push(request);
          return Promise.resolve({ certificate: issue(request.publicKey), agentsApi: where, enrolment: where, time: { seconds: 1, nanos: 0 } });
        } },
      }),
    ],
    log, clock: systemClock,
    authenticate: (call) => ({ name: call.getPeer(), role: 'stranger' }),
  });
  const listener = await listen({ server, credentials: new ReeveServerCredentials(tls, { requireClient: false }), listen: { host: '127.0.0.1', port: 0 } });
  listeners.push(listener);
  where.push(`127.0.0.1:${String(typeof listener.address === 'string' ? 0 : listener.address.port)}`);
  return where[0] ?? '';
}

const parse = (text: string): { address: string; port: number } => ({ address: text.split(':')[0] ?? '', port: Number(text.split(':')[1]) });
const options = () => ({ store: openIdentityStore(stateDir), machineHint: Buffer.alloc(32, 1), now: Date.now });
const joinAt = (where: string, with_ = { token, pin }): Promise<AgentIdentity> => joinFleet(options(), { ...with_, endpoints: [parse(where)] });

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-join-'));
  listeners = [];
  asked = [];
});

afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.close(0)));
  rmSync(stateDir, { recursive: true, force: true });
});

function proofHolds(request: { publicKey: Buffer; signature: Buffer }, purpose: string, right: Buffer): boolean {
  const bytes = Buffer.concat([Buffer.from(`${purpose}\0`), createHash('sha256').update(right).digest(), request.publicKey]);
  return verify('sha256', bytes, createPublicKey({ key: request.publicKey, format: 'der', type: 'spki' }), request.signature);
}

describe('joining', () => {
  it('proves the new key, and stores an identity that only its owner can read', async () => {
    const where = await startCoordinator(fleet.coordinator());
    const identity = await joinAt(where);
    const request = asked[0] as EnrolRequest;
    expect(request.publicKey).toHaveLength(91);
    expect(request.token).toEqual(token);
    expect(proofHolds(request, 'reeve-enrol-v1', token)).toBe(true);
    expect(openIdentityStore(stateDir).load()).toEqual(identity);
    expect(identity).toMatchObject({ fleetId: fleet.fleetId, hostId, hostName: 'web1', agentsApi: [where] });
    const folder = join(stateDir, 'identity', 'current');
    expect(lstatSync(folder).isSymbolicLink()).toBe(true);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('sends nothing to a server that the pin does not prove', async () => {
    const where = await startCoordinator(fleet.coordinator());
    await expect(joinAt(where, { token, pin: Buffer.alloc(32, 9) })).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    expect(asked).toEqual([]);
    expect(existsSync(join(stateDir, 'identity'))).toBe(false);
  });

  it.each([
    ['an operator', () => fleet.coordinator({ uri: `reeve://${fleet.fleetId}/operator/eve` })],
    ['an expired certificate', () => fleet.coordinator({ notBefore: Date.now() - 9e6, notAfter: Date.now() - 1000 })],
    ['a certificate for clients only', () => fleet.coordinator({ usages: ['client'] })],
    ['a certificate that the root has not signed', () => {
      const other = createTestFleet();
      const made = other.leaf(other.control, { uri: fleet.coordinatorUri });
      return { key: made.key, certificate: made.certificate + fleet.control.pem, trust: fleet.agents.pem };
    }],
  ])('sends nothing to %s', async (_name, tls) => {
    const where = await startCoordinator(tls());
    await expect(joinAt(where)).rejects.toMatchObject({ code: expect.stringMatching(/IDENTITY_REFUSED|COORDINATOR_UNREACHABLE/) as string });
    expect(asked).toEqual([]);
  });

  it('tries the next address when one does not answer', async () => {
    const where = await startCoordinator(fleet.coordinator());
    const identity = await joinFleet(options(), { token, pin, endpoints: [{ address: '127.0.0.1', port: 1 }, parse(where)] });
    expect(identity.hostName).toBe('web1');
  });

  it('leaves nothing behind when it is refused, and passes the refusal on', async () => {
    const where = await startCoordinator(fleet.coordinator(), { refuse: () => reeveError('JOIN_REFUSED') });
    await expect(joinAt(where)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    expect(openIdentityStore(stateDir).load()).toBeUndefined();
    expect(readdirSync(join(stateDir, 'identity'))).toEqual([]);
  });

  it('refuses a certificate for another host than the answer names', async () => {
    const where = await startCoordinator(fleet.coordinator(), { uri: formatIdentity({ kind: 'host', fleetId: fleet.fleetId, hostId: newId(1) }) });
    await expect(joinAt(where)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    expect(openIdentityStore(stateDir).load()).toBeUndefined();
  });

  it('says so when something that is not a coordinator answers', async () => {
    const server = createServer((socket) => socket.end('no'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(joinAt(`127.0.0.1:${String(port)}`)).rejects.toMatchObject({ code: 'COORDINATOR_UNREACHABLE' });
    server.close();
  });
});

describe('renewing', () => {
  it('takes a new key each time, proves it over the old one, and keeps the old identity until it is told to forget it', async () => {
    const where = await startCoordinator(fleet.coordinator());
    const first = await joinAt(where);
    const second = await renew(options(), first);
    const request = asked[1] as RenewRequest;
    expect(proofHolds(request, 'reeve-renew-v1', new X509Certificate(first.certificate).publicKey.export({ type: 'spki', format: 'der' }))).toBe(true);
    expect(second.key).not.toBe(first.key);
    expect(openIdentityStore(stateDir).load()).toEqual(second);
    expect(readdirSync(join(stateDir, 'identity')).sort()).toEqual(['1', '2', 'current']);
    openIdentityStore(stateDir).forgetOld();
    expect(readdirSync(join(stateDir, 'identity')).sort()).toEqual(['2', 'current']);
  });

  it('comes back with its last key', async () => {
    const where = await startCoordinator(fleet.coordinator());
    const first = await joinAt(where);
    const second = await readmit(options(), first);
    const request = asked[1] as EnrolRequest;
    const last = new X509Certificate(first.certificate).publicKey;
    expect(request.credential).toBe('lastPublicKey');
    expect(proofHolds(request, 'reeve-enrol-v1', last.export({ type: 'spki', format: 'der' }))).toBe(true);
    const bytes = Buffer.concat([Buffer.from('reeve-enrol-v1\0'), createHash('sha256').update(last.export({ type: 'spki', format: 'der' })).digest(), request.publicKey]);
    expect(verify('sha256', bytes, last, request.lastSignature)).toBe(true);
    expect(openIdentityStore(stateDir).load()).toEqual(second);
  });

  it('happens at half of the life, a tenth earlier or later', () => {
    const dates = { validFrom: 0, validTo: 1000, issued: undefined };
    expect(renewalTime(dates, 0, 0.5)).toBe(500);
    expect(renewalTime(dates, 0, 0)).toBe(400);
    expect(renewalTime(dates, 0, 0.999999)).toBeCloseTo(600, 0);
  });

  it('is counted from the issue by the host’s own clock, and not waited for by a clock that has gone back', () => {
    const day = 86_400_000;
    const dates = { validFrom: 96 * day, validTo: 107 * day, issued: { coordinatorMs: 100 * day, hostMs: 97 * day } };
    expect(renewalTime(dates, 98 * day, 0.5)).toBe(100.5 * day);
    expect(renewalTime(dates, 97 * day - 5 * 60_000, 0.5)).toBe(100.5 * day);
    expect(renewalTime(dates, 90 * day, 0.5)).toBe(90 * day);
  });
});

describe('a join that is killed', () => {
  const script = join(import.meta.dirname, '..', 'main.ts');
  const run = (where: string, failpoint: string): Promise<{ signal: string | null; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const child = execFile(process.execPath, ['--import', 'tsx', script, 'join', '--state', stateDir], { env: { ...process.env, REEVE_FAILPOINT: failpoint } }, (error, stdout, stderr) => {
        resolve({ signal: error?.signal ?? null, stdout, stderr });
      });
      child.stdin?.end(formatJoinToken({ token, pin, endpoints: [parse(where)] }));
    });

  it.each(['agent.identity.key', 'agent.enrol.sent', 'agent.identity.staged', 'agent.identity.swapped'])('at %s leaves no identity or a whole one, and can be done again', async (failpoint) => {
    const where = await startCoordinator(fleet.coordinator());
    const killed = await run(where, failpoint);
    expect(killed.signal).toBe('SIGKILL');
    const left = openIdentityStore(stateDir).load();
    if (failpoint === 'agent.identity.swapped') expect(left).toMatchObject({ hostId });
    else expect(left).toBeUndefined();
    const again = await run(where, 'none');
    expect(again).toMatchObject({ signal: null, stdout: `Joined fleet ${fleet.fleetId} as "web1" (${hostId}).\n` });
    expect(openIdentityStore(stateDir).load()).toMatchObject({ hostId, controlRoot: fleet.control.pem });
    expect(readdirSync(join(stateDir, 'identity'))).toHaveLength(2);
    expect(readFileSync(join(stateDir, 'identity', 'current', 'key.pem'), 'utf8')).toContain('PRIVATE KEY');
  });
});
