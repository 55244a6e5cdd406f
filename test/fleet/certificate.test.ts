import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joinFleet } from '../../agent/identity/enrol.js';
import { loadKey, makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { renew } from '../../agent/identity/renew.js';
import { openIdentityStore } from '../../agent/identity/store.js';
import { createAgentServer } from '../../agent/server.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import { getHostKey, revokeKeys } from '../../coordinator/inventory/key.js';
import { reeveError } from '../../shared/errors/error.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import type { LinkServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LinkService.js';
import { systemClock } from '../../shared/kit/clock.js';
import { newId } from '../../shared/kit/id.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { listen, type Listener } from '../../shared/rpc/listener.js';
import { createRpcServer, defineService, type Caller } from '../../shared/rpc/server.js';
import { keyFingerprint, ReeveServerCredentials } from '../../shared/rpc/tls.js';
import { dial, hear, noByte, pinned, refusal, tokenSent } from '../support/certificate-dial.js';
import { newKey, publicPart, stolenRoots } from '../support/certificate-forge.js';
import { createTurnedClock, scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';
import { show, wrongCertificates, type Place, type Shown } from '../support/wrong-certificate.js';

const userService = serviceName<UserServiceDefinition>('reeve.agent.v1.UserService');
const identityService = serviceName<IdentityServiceDefinition>('reeve.coordinator.v1.IdentityService');
const linkService = serviceName<LinkServiceDefinition>('reeve.coordinator.v1.LinkService');
const quiet = pino({ level: 'silent' });
const options = { deadlineMs: 5_000 };

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let roots: ReturnType<typeof stolenRoots>;
let coordinatorUri: string;
let hostUri: string;
let hostKey: KeyObject;
let folder: string;
const clock = createTurnedClock();

beforeAll(async () => {
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ clock }) });
  roots = stolenRoots(fleet.stateDir);
  const { fleetId, hostId } = agent.identity;
  coordinatorUri = formatIdentity({ kind: 'coordinator', fleetId });
  hostUri = formatIdentity({ kind: 'host', fleetId, hostId });
  hostKey = createPrivateKey(agent.identity.key);
  folder = scratchFolder('certificate');
});

afterAll(async () => {
  await fleet.close();
  rmSync(folder, { recursive: true, force: true });
  expect(fleet.bugs).toEqual([]);
});

const coordinatorPlace = (does: 'client' | 'server'): Place => ({ uri: coordinatorUri, root: roots.control, otherRoot: roots.agents, does, key: newKey() });
const hostPlace = (does: 'client' | 'server'): Place => ({ uri: hostUri, root: roots.agents, otherRoot: roots.control, does, key: hostKey });

describe('the agent’s listener', () => {
  let count = 0;
  const apply = async (shown: Shown, port = agent.port): Promise<{ refused: string; ran: boolean }> => {
    count += 1;
    const name = `user${String(count)}`;
    const channel = dial(port, shown);
    const user = { name, presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', shell: '/bin/bash' } as const;
    const refused = await refusal(channel.unary(userService, 'ApplyUser', { intent: { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation: 1, epoch: 1 }, users: [user] }, options));
    channel.close();
    return { refused, ran: agent.host.calls.includes(`user.add ${name}`) };
  };

  it.each(wrongCertificates)('refuses a caller with $name', async (wrong) => {
    const place = coordinatorPlace('client');
    expect(await apply(wrong.show(place))).toEqual({ refused: expect.stringMatching(/^(?:TLS|IDENTITY_REFUSED)$/) as string, ran: false });
    expect(await apply(show(place)), 'and takes the good one').toEqual({ refused: 'accepted', ran: true });
  });

  it('refuses a caller with the agent’s own certificate', async () => {
    expect(await apply({ key: agent.identity.key, certificate: agent.identity.certificate })).toEqual({ refused: 'TLS', ran: false });
  });

  it('refuses a caller whose key was revoked', async () => {
    const place = coordinatorPlace('client');
    const denied = new Set<string>();
    const host = createSimulatedHost();
    const other = await createAgentServer({
      host, identity: agent.identity, stateDir: folder, listen: { host: '127.0.0.1', port: 0 }, log: quiet, denied: () => ({ version: 1, keys: denied }),
    });
    expect((await apply(show(place), other.address.port)).refused).toBe('accepted');
    denied.add(keyFingerprint(publicPart(place.key)));
    expect((await apply(show(place), other.address.port)).refused).toBe('IDENTITY_REFUSED');
    expect(host.calls.filter((call) => call.startsWith('user.add'))).toHaveLength(1);
    await other.close(0);
  });
});

describe('the coordinator’s listener for agents', () => {
  const renewals = (): number => listAudit(fleet.office().db, 1000).filter((row) => row.action === 'renew').length;
  const ask = async (shown: Shown): Promise<{ refused: string; ran: boolean }> => {
    const before = renewals();
    const channel = dial(fleet.agentsPort, shown);
    const key = makeKey();
    const own = shown === undefined ? Buffer.alloc(0) : loadKey(shown.key).publicKey;
    const signature = signProof(key.key, proofBytes('reeve-renew-v1', own, key.publicKey));
    const refused = await refusal(channel.unary(identityService, 'Renew', { publicKey: key.publicKey, signature }, options));
    channel.close();
    return { refused, ran: renewals() > before };
  };
  /** A host of its own for each cell: renewing is limited by host. */
  const member = async (name: string): Promise<Place> => {
    const { token } = await fleet.invite(name);
    const own = mkdtempSync(join(folder, 'join-'));
    const identity = await joinFleet({ store: openIdentityStore(own), machineHint: Buffer.alloc(32, 1), now: Date.now }, parseJoinToken(token));
    return { uri: formatIdentity({ kind: 'host', fleetId: identity.fleetId, hostId: identity.hostId }), root: roots.agents, otherRoot: roots.control, does: 'client', key: createPrivateKey(identity.key) };
  };

  it.each(wrongCertificates.map((wrong, index) => ({ ...wrong, index })))('refuses a caller with $name', async ({ show: wrong, index }) => {
    const place = await member(`caller${String(index)}`);
    expect(await ask(wrong(place))).toEqual({ refused: expect.stringMatching(/^(?:TLS|IDENTITY_REFUSED)$/) as string, ran: false });
    expect(await ask(show(place)), 'and takes the good one').toEqual({ refused: 'accepted', ran: true });
  });

  it('refuses a caller with the right name and a key that is not in the inventory', async () => {
    const place = await member('unknown-key');
    expect(await ask(show(place, { key: newKey() }))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask(show(place))).toEqual({ refused: 'accepted', ran: true });
  });

  it('refuses a caller with its own key and the name of another host of the fleet', async () => {
    const [one, two] = [await member('one'), await member('two')];
    expect(await ask(show({ ...one, uri: two.uri }))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask(show({ ...two, key: one.key }))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
  });

  it('refuses the coordinator itself', async () => {
    const { key, certificate } = fleet.office().authority.coordinator();
    expect(await ask({ key, certificate })).toEqual({ refused: 'TLS', ran: false });
  });

  it('refuses a caller whose key was revoked', async () => {
    const place = await member('revoked');
    expect(await ask(show(place))).toEqual({ refused: 'accepted', ran: true });
    const { db } = fleet.office();
    revokeKeys(db, getHostKey(db, keyFingerprint(publicPart(place.key)))?.hostId ?? '');
    expect(await ask(show(place))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
  });
});

describe('the coordinator’s way for agents that dial out', () => {
  /** Shows a certificate and asks to be attached; whether the coordinator then has a way to the host. */
  const ask = async (shown: Shown, hostId: string): Promise<{ refused: string; ran: boolean }> => {
    const channel = dial(fleet.agentsPort, shown);
    const stop = new AbortController();
    const attached = async (): Promise<string> => {
      const hello = (async function* () {
        yield { connection: 0, hello: true };
        await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }));
      })();
      for await (const message of channel.duplex(linkService, 'Attach', hello, { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(options.deadlineMs)]) })) return message.message ?? '';
      return 'ended';
    };
    let ran = false;
    const refused = await refusal(attached().then((message) => void (ran = message === 'hello')));
    expect(fleet.office().fleet.live(hostId).state, 'nothing was reached through it').toBe('lost');
    stop.abort();
    channel.close();
    return { refused, ran };
  };
  const member = async (name: string, link: 'dial-out' | 'direct' = 'dial-out'): Promise<Place & { hostId: string }> => {
    const { token } = await fleet.invite(name, { link });
    const identity = await joinFleet({ store: openIdentityStore(mkdtempSync(join(folder, 'join-'))), machineHint: Buffer.alloc(32, 1), now: Date.now }, parseJoinToken(token));
    const uri = formatIdentity({ kind: 'host', fleetId: identity.fleetId, hostId: identity.hostId });
    return { uri, root: roots.agents, otherRoot: roots.control, does: 'client', key: createPrivateKey(identity.key), hostId: identity.hostId };
  };

  it.each(wrongCertificates.map((wrong, index) => ({ ...wrong, index })))('refuses a caller with $name', async ({ show: wrong, index }) => {
    const place = await member(`attached${String(index)}`);
    expect(await ask(wrong(place), place.hostId)).toEqual({ refused: expect.stringMatching(/^(?:TLS|IDENTITY_REFUSED)$/) as string, ran: false });
    expect(await ask(show(place), place.hostId), 'and takes the good one').toEqual({ refused: 'accepted', ran: true });
  });

  it('refuses a key that is not in the inventory, one that was revoked, and the name of another host', async () => {
    const [one, two] = [await member('attached-one'), await member('attached-two')];
    expect(await ask(show(one, { key: newKey() }), one.hostId)).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask(show({ ...one, uri: two.uri }), one.hostId)).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask(show(one), one.hostId)).toEqual({ refused: 'accepted', ran: true });
    revokeKeys(fleet.office().db, one.hostId);
    expect(await ask(show(one), one.hostId)).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
  });

  it('refuses a host whose link is another, and the coordinator itself', async () => {
    const place = await member('attached-direct', 'direct');
    expect(await ask(show(place), place.hostId)).toEqual({ refused: 'LINK_REFUSED', ran: false });
    const { key, certificate } = fleet.office().authority.coordinator();
    expect(await ask({ key, certificate }, place.hostId)).toEqual({ refused: 'TLS', ran: false });
  });
});

describe('the coordinator that dials an agent', () => {
  const present = (shown: NonNullable<Shown>): void => agent.server.updateIdentity({ ...agent.identity, ...shown });
  const lost = async (): Promise<string> => {
    fleet.office().fleet.refresh(agent.hostId);
    await fleet.waitState(agent.hostId, 'lost');
    // The first reason is that the old connection was given up; the next is why there is no new one.
    return until(
      () => {
        const { state, reason } = fleet.office().fleet.live(agent.hostId);
        if (state === 'connected') throw new Error('it connected');
        return /certificate|TLS/i.test(reason) && reason;
      },
      { timeoutMs: 10_000, everyMs: 10, what: 'the agent to be refused' },
    );
  };
  const good = async (): Promise<void> => {
    // An agent lets itself be watched ten times at once, then once a second.
    clock.pass(60_000);
    const before = agent.firstCalls();
    present({ key: agent.identity.key, certificate: agent.identity.certificate });
    fleet.office().fleet.refresh(agent.hostId);
    await until(() => agent.firstCalls() > before, { timeoutMs: 10_000, everyMs: 10, what: 'the good certificate to be taken' });
    await fleet.waitState(agent.hostId, 'connected');
  };

  it.each(wrongCertificates.filter((wrong) => wrong.name !== 'no certificate'))('refuses an agent with $name', async (wrong) => {
    await good();
    const before = agent.firstCalls();
    present(wrong.show(hostPlace('server')) ?? { key: '', certificate: '' });
    expect(await lost()).toMatch(/certificate|TLS/i);
    expect(agent.firstCalls(), 'no call came').toBe(before);
    await good();
  });

  it('refuses an agent with the right name and a key that is not in the inventory', async () => {
    present(show({ ...hostPlace('server'), key: newKey() }));
    expect(await lost()).toContain('its key is not known');
    await good();
  });

  it('refuses the coordinator’s own certificate', async () => {
    const { key, certificate } = fleet.office().authority.coordinator();
    present({ key, certificate });
    expect(await lost()).toMatch(/certificate|TLS/i);
    await good();
  });

  it('refuses an agent whose key was replaced', async () => {
    const renewed = await renew(agent.enrol, { ...agent.identity, agentsApi: [`127.0.0.1:${String(fleet.agentsPort)}`] });
    present({ key: renewed.key, certificate: renewed.certificate });
    fleet.office().fleet.refresh(agent.hostId);
    await until(() => getHostKey(fleet.office().db, keyFingerprint(new X509Certificate(renewed.certificate).publicKey))?.state === 'current', { timeoutMs: 10_000, what: 'the new key to be used' });
    present({ key: agent.identity.key, certificate: agent.identity.certificate });
    expect(await lost()).toContain('its key is replaced');
    present({ key: renewed.key, certificate: renewed.certificate });
    fleet.office().fleet.refresh(agent.hostId);
    await fleet.waitState(agent.hostId, 'connected');
  });
});

describe('the agent that dials a coordinator', () => {
  let calls = 0;
  const serve = async (shown: NonNullable<Shown>): Promise<{ listener: Listener; endpoint: string }> => {
    const server = createRpcServer<Caller>({
      services: [
        defineService<IdentityServiceDefinition, Caller>('reeve.coordinator.v1.IdentityService', {
          Renew: {
            roles: ['anybody'], risk: 'identity', rate: { perSecond: 100, burst: 100 }, maxBytes: 4096, deadlineMs: 5000,
            handle: () => {
              calls += 1;
              return Promise.reject(reeveError('JOIN_REFUSED'));
            },
          },
        }),
      ],
      log: quiet, clock: systemClock, authenticate: () => ({ name: 'anybody', role: 'anybody' }),
    });
    const listener = await listen({
      server, credentials: new ReeveServerCredentials({ ...shown, trust: roots.agents.pem }, { requireClient: true }), listen: { host: '127.0.0.1', port: 0 },
    });
    return { listener, endpoint: `127.0.0.1:${String((listener.address as AddressInfo).port)}` };
  };
  const attempt = async (shown: NonNullable<Shown>): Promise<{ refused: string; ran: boolean }> => {
    const before = calls;
    const { listener, endpoint } = await serve(shown);
    const refused = await refusal(renew(agent.enrol, { ...agent.identity, agentsApi: [endpoint] }));
    await listener.close(0);
    return { refused, ran: calls > before };
  };

  it.each(wrongCertificates.filter((wrong) => wrong.name !== 'no certificate'))('refuses a coordinator with $name', async (wrong) => {
    const place = coordinatorPlace('server');
    expect(await attempt(wrong.show(place) ?? { key: '', certificate: '' })).toEqual({ refused: 'TLS', ran: false });
    expect(await attempt(show(place)), 'and takes the good one').toEqual({ refused: 'JOIN_REFUSED', ran: true });
  });
});

describe('an agent that joins', () => {
  const token = Buffer.alloc(32, 0xa7);
  const attempt = async (shown: NonNullable<Shown>, pin = fleet.office().authority.pin): Promise<{ refused: string; requests: number; tokenSeen: boolean }> => {
    const heard = await hear(shown);
    const store = openIdentityStore(mkdtempSync(join(folder, 'join-')));
    const refused = await refusal(joinFleet({ store, machineHint: Buffer.alloc(32, 1), now: Date.now }, { token, pin, endpoints: [{ address: '127.0.0.1', port: heard.port }] }));
    heard.server.close();
    return { refused, requests: heard.requests(), tokenSeen: heard.bytes().includes(token) };
  };
  const chain = (shown: NonNullable<Shown>): NonNullable<Shown> => ({ ...shown, certificate: shown.certificate + roots.control.pem });
  it.each(pinned)('sends no byte to a coordinator with $name', async (wrong) => {
    const place = coordinatorPlace('server');
    expect(await attempt(chain(wrong.show(place) ?? { key: '', certificate: '' }))).toEqual(noByte);
    expect(await attempt(chain(show(place))), 'and sends the token to the good one').toEqual(tokenSent);
  });

  it('sends no byte when the pin is of another root', async () => {
    const shown = chain(show(coordinatorPlace('server')));
    expect(await attempt(shown, Buffer.alloc(32, 1))).toEqual(noByte);
    const almost = Buffer.from(fleet.office().authority.pin);
    almost[31] = (almost[31] ?? 0) ^ 1;
    expect(await attempt(shown, almost)).toEqual(noByte);
    expect(await attempt(shown)).toEqual(tokenSent);
  });

  it('sends no byte when the server does not show its root', async () => {
    expect(await attempt(show(coordinatorPlace('server')))).toEqual(noByte);
  });

  it('sends no byte when the pinned root is shown beside a certificate of another root', async () => {
    const place = coordinatorPlace('server');
    expect(await attempt(chain(show(place, { issuer: { ...roots.agents, name: roots.control.name } })))).toEqual(noByte);
  });
});
