import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentChannel } from '../../test/support/agent-channel.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { makeTestAuthority, testKey, type TestPair } from '../../test/support/test-cert.js';
import type { CertServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/CertService.js';
import type { WriteCertsResponse } from '../../shared/gen/proto/reeve/agent/v1/WriteCertsResponse.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { readChain } from '../../shared/kit/cert-chain.js';
import { newId } from '../../shared/kit/id.js';
import { formatCert, type Cert } from '../../shared/model/cert.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { createAgentServer, type AgentServer } from '../server.js';
import { makeSelfSigned } from './self-signed.js';

const service = serviceName<CertServiceDefinition>('reeve.agent.v1.CertService');
const fleet = createTestFleet();
const authority = makeTestAuthority();
const options = { deadlineMs: 10_000 };

let stateDir: string;
let host: SimulatedHost;
let agent: AgentServer;
let channel: Channel;
let logged: string[];

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-cert-'));
  logged = [];
  host = createSimulatedHost({ groups: ['ssl-cert', 'users'] });
  const log = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(chunk.toString()); done(); } }));
  const identity = fleet.host('web1');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  channel = openAgentChannel(fleet, identity, agent.address.port);
});

afterEach(async () => {
  channel.close();
  await agent.close(1000);
  rmSync(stateDir, { recursive: true, force: true });
});

const supplied = (name: string, chainPem: string, over: Partial<Cert> = {}): Cert => ({ name, source: { kind: 'supplied', chainPem }, group: undefined, units: [], overwrite: false, ...over });
const own = (name: string, names: readonly string[], over: Partial<Cert> = {}): Cert => ({ name, source: { kind: 'self-signed', names, days: 90 }, group: undefined, units: [], overwrite: false, ...over });

function write(generation: number, certs: readonly Cert[], intent: IntentInput = {}, coming: Buffer[] = []): Promise<WriteCertsResponse> {
  const full = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1, ...intent } as const;
  return channel.unary(service, 'WriteCerts', { intent: full, certs: certs.map(formatCert), coming }, options);
}

async function putKey({ key }: Pick<TestPair, 'key'>, name = 'site'): Promise<string> {
  const { spki } = await channel.unary(service, 'PutCertKey', { operationId: newId(Date.now()), keyPem: Buffer.from(key), name }, options);
  return spki.toString('hex');
}

describe('WriteCerts', () => {
  it('puts a supplied certificate and its key in place, plans without changing anything, and then finds nothing to do', async () => {
    const pair = authority.issue(['a.example']);
    const chain = pair.cert + authority.intermediate;
    await expect(write(1, [supplied('site', chain)], { mode: 'MODE_PLAN' })).rejects.toMatchObject({ code: 'CERT_KEY', fields: { value: 'site', host: 'web1' } });
    const spki = readChain(chain).facts?.spki ?? '';
    const plan = await write(1, [supplied('site', chain)], { mode: 'MODE_PLAN' }, [Buffer.from(spki, 'hex')]);
    expect(plan.changes).toMatchObject([{ kind: 'CHANGE_KIND_CREATE', subject: 'site' }]);
    await expect(write(1, [supplied('site', chain)])).rejects.toMatchObject({ code: 'CERT_KEY' });
    expect(host.certs.certs.size).toBe(0);

    expect(await putKey(pair)).toBe(spki);
    const done = await write(1, [supplied('site', chain)], { expectedDigest: plan.digest });
    expect(done.certs).toMatchObject([{ name: 'site', kind: 'supplied', names: ['a.example'], issuer: 'Test, test lower', state: 'ok' }]);
    expect(host.certs.certs.get('site')).toMatchObject({ pem: chain, key: pair.key, note: 'supplied' });
    const again = await write(2, [supplied('site', chain)]);
    expect(again.changes).toEqual([]);
    expect(again.digest.equals(done.digest)).toBe(true);
  });

  it('makes self-signed ones, and makes them anew when less than a third of their time is left', async () => {
    const certs = [own('mail', ['mail.example'], { group: 'ssl-cert', units: ['postfix.service'] })];
    const done = await write(1, certs);
    const [first] = done.certs;
    expect(first).toMatchObject({ kind: 'self-signed', names: ['mail.example'], state: 'ok' });
    expect(host.certs.reloads).toEqual(['postfix.service']);
    expect(host.certs.certs.get('mail')).toMatchObject({ group: 'ssl-cert', key: expect.stringMatching(/^-----BEGIN PRIVATE KEY-----\n/) as string });
    const inPlace = host.certs.certs.get('mail');
    if (inPlace === undefined) throw new Error('it is not there');
    for (const [daysAgo, due] of [[59, false], [61, true]] as const) {
      const { certPem } = makeSelfSigned({ names: ['mail.example'], days: 90, now: Date.now() - daysAgo * 86_400_000 });
      host.certs.certs.set('mail', { ...inPlace, pem: certPem, written: certPem });
      expect((await write(2, certs, { mode: 'MODE_PLAN' })).changes).toHaveLength(due ? 1 : 0);
    }
    const renewed = await write(2, certs);
    expect(renewed.changes).toMatchObject([{ kind: 'CHANGE_KIND_UPDATE', subject: 'mail', fields: [{ field: 'made anew' }] }]);
    expect(renewed.certs[0]?.fingerprint.equals(first?.fingerprint ?? Buffer.alloc(0))).toBe(false);
    expect(renewed.certs[0]?.notAfter).toBeGreaterThanOrEqual(first?.notAfter ?? Infinity);
  });

  it('refuses what no service could use, and changes nothing', async () => {
    const pair = authority.issue(['a.example']);
    const ended = authority.issue(['a.example'], { key: pair.key, days: -1 });
    await putKey(pair);
    for (const [chain, rule] of [
      [ended.cert, /^it expired/], [authority.intermediate + pair.cert, /did not issue/], [pair.cert + authority.root, /did not issue/],
    ] as const) {
      await expect(write(1, [supplied('site', chain)])).rejects.toMatchObject({ code: 'CERT_CONTENT', fields: { value: 'site', rule: expect.stringMatching(rule) as string } });
    }
    await expect(write(1, [supplied('site', pair.cert), supplied('site', pair.cert)])).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await expect(write(1, [supplied('site', pair.key)])).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await expect(write(1, [own('mail', ['mail.example'], { group: 'games' })])).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await expect(write(1, [own('mail', ['mail.example'], { units: ['ssh.service'] })])).rejects.toMatchObject({ code: 'POLICY_DENIED', fields: { op: 'cert.unit' } });
    expect(host.certs.certs.size).toBe(0);
  });

  it('leaves what was altered by hand, tells it, and writes over it when asked to', async () => {
    const pair = authority.issue(['a.example']);
    await putKey(pair);
    const site = supplied('site', pair.cert);
    await write(1, [site]);
    const cert = host.certs.certs.get('site');
    if (cert === undefined) throw new Error('it is not there');
    cert.pem = authority.root;
    const told = await write(2, [site, own('mail', ['mail.example'])]);
    expect(told.changes.map(({ subject }) => subject)).toEqual(['mail']);
    expect(told.certs.map(({ name, state }) => [name, state])).toEqual([['mail', 'ok'], ['site', 'edited']]);
    const other = authority.issue(['b.example'], { key: pair.key });
    await expect(write(3, [supplied('site', other.cert)])).rejects.toMatchObject({ code: 'CERT_DRIFT', fields: { value: 'site' } });
    expect(host.certs.certs.get('site')?.pem).toBe(authority.root);
    expect((await write(3, [supplied('site', other.cert, { overwrite: true })])).certs).toMatchObject([{ name: 'site', state: 'ok', names: ['b.example'] }]);
  });

  it('tells a reload that failed, and makes up for it', async () => {
    host.certs.reloadProblem = 'exit code 1';
    await expect(write(1, [own('mail', ['mail.example'], { units: ['postfix.service'] })])).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    host.certs.reloadProblem = undefined;
    const done = await write(1, [own('mail', ['mail.example'], { units: ['postfix.service'] })]);
    expect(done.changes).toMatchObject([{ subject: 'mail', fields: [{ field: 'reload' }] }]);
    expect(host.certs.reloads).toEqual(['postfix.service']);
  });

  it('does nothing under a hold, and lets go', async () => {
    await write(1, [own('mail', ['mail.example'])]);
    const held = await write(2, [], { removalOnly: true });
    expect(held.changes).toEqual([]);
    expect(held.held?.changes).toMatchObject([{ kind: 'CHANGE_KIND_REMOVE', subject: 'mail' }]);
    const released = await write(2, [], { release: true });
    expect(released.changes).toMatchObject([{ subject: 'mail', fields: [{ field: 'presence', from: 'present', to: 'released' }] }]);
    expect((await write(3, [], { release: true })).changes).toEqual([]);
  });

  it('leaves a certificate that a site uses', async () => {
    await write(1, [own('mail', ['mail.example'])]);
    host.certs.usedBy.set('mail', 'www.example.org');
    await expect(write(2, [])).rejects.toMatchObject({ code: 'CERT_IN_USE', fields: { value: 'mail', owner: 'www.example.org' } });
    const { certs } = await channel.unary(service, 'ObserveCerts', {}, options);
    expect(certs).toMatchObject([{ name: 'mail', state: 'ok' }]);
  });
});

describe('PutCertKey', () => {
  it.each<[string, string, RegExp]>([
    ['that is too weak', testKey('rsa:1024'), /RSA of 1024 bits/],
    ['that is none', 'hello', /no private key/],
  ])('refuses a key %s', async (_what, key, rule) => {
    await expect(putKey({ key })).rejects.toMatchObject({ code: 'CERT_KEY', fields: { value: 'site', rule: expect.stringMatching(rule) as string } });
    expect(host.certs.kept.size).toBe(0);
  });

  it('refuses what is too large, what has no name, and what the policy does not allow', async () => {
    await expect(putKey({ key: 'x'.repeat(16_385) })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'key', value: '16385 bytes' } });
    await expect(putKey({ key: testKey('ed25519') }, 'Site')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'name' } });
    host.setPolicy(openPolicy.replace('allow cert.write group=ssl-cert', 'allow cert.write name=mail'));
    await expect(putKey({ key: testKey('ed25519') })).rejects.toMatchObject({ code: 'POLICY_DENIED', fields: { op: 'cert.write', args: 'name=site' } });
  });

  it('leaves nothing of a key in a log, an error or a file of the agent, whatever becomes of it', async () => {
    const pair = authority.issue(['a.example']);
    const needles = [...secretLines(pair.key), Buffer.from(pair.key.split('\n').slice(1, -2).join(''), 'base64').subarray(36, 68).toString('latin1')];
    await putKey(pair);
    await write(1, [supplied('site', pair.cert)]);
    await write(2, [supplied('site', pair.cert), own('mail', ['mail.example'])]);
    const broken = await putKey({ key: pair.key.replace('BEGIN', 'BEGINN') }).catch((error: unknown) => error);
    const weak = testKey('rsa:1024');
    const refused = await putKey({ key: weak }).catch((error: unknown) => error);
    const errors = [broken, refused].map((error) => `${String(error)} ${JSON.stringify(error)} ${(error as Error).stack ?? ''}`);
    const files = readdirSync(stateDir, { recursive: true, encoding: 'utf8' }).map((name) => join(stateDir, name)).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path, 'latin1'));
    expect(files.join('')).toContain('WriteCerts');
    const made = host.certs.certs.get('mail')?.key ?? '';
    for (const needle of [...needles, ...secretLines(weak), ...secretLines(made)]) {
      expect(needle.length).toBeGreaterThan(20);
      for (const text of [...files, ...logged, ...errors]) expect(text.includes(needle)).toBe(false);
    }
  });
});

/** The lines of a key that nobody could guess. */
function secretLines(key: string): string[] {
  return key.split('\n').filter((line) => line.length === 64 && !line.startsWith('-----')).map((line) => line.slice(32));
}
