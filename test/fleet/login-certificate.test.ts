import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logIn, renewLogin } from '../../coordinator/cli/remote.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { serviceName } from '../../shared/rpc/client.js';
import { dial, hear, noByte, pinned, refusal, tokenSent } from '../support/certificate-dial.js';
import { newKey, stolenRoots } from '../support/certificate-forge.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { otherMachine, remoteOperator } from '../support/operator-login.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { show, wrongCertificates, type Place, type Shown } from '../support/wrong-certificate.js';

const userService = serviceName<UserServiceDefinition>('reeve.agent.v1.UserService');
const operatorService = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const identityService = serviceName<IdentityServiceDefinition>('reeve.coordinator.v1.IdentityService');
const options = { deadlineMs: 5_000 };
const clock = createTurnedClock();

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let roots: ReturnType<typeof stolenRoots>;

beforeAll(async () => {
  fleet = await startLoopbackFleet({ clock });
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ helperMs: 0 }) });
  roots = stolenRoots(fleet.stateDir);
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

describe('the coordinator’s listener for operators', () => {
  const changes = (): number => listAudit(fleet.office().db, 1000).filter((row) => row.action.startsWith('operator set')).length;
  const ask = async (shown: Shown): Promise<{ refused: string; ran: boolean }> => {
    const before = changes();
    const channel = dial(fleet.operatorsPort, shown);
    const refused = await refusal(channel.unary(operatorService, 'SetOperator', { name: 'ada', role: 'admin' }, options));
    channel.close();
    return { refused, ran: changes() > before };
  };
  const refused = { refused: expect.stringMatching(/^(?:TLS|IDENTITY_REFUSED)$/) as string, ran: false };
  let place: Place;

  beforeAll(async () => {
    const ada = await remoteOperator(fleet, 'ada', { role: 'admin' });
    place = { uri: formatIdentity({ kind: 'operator', fleetId: agent.identity.fleetId, name: 'ada' }), root: roots.control, otherRoot: roots.agents, does: 'client', key: createPrivateKey(ada.profile().key) };
    await remoteOperator(fleet, 'bob', { role: 'admin' });
  });

  // The name of an operator is the right one here; another operator's stands in its place.
  it.each(wrongCertificates.map((wrong) => (wrong.name === 'an operator' ? { ...wrong, show: (at: Place) => show(at, { names: [{ uri: at.uri.replace(/ada$/, 'bob') }] }) } : wrong)))('refuses a caller with $name', async ({ show: wrong }) => {
    clock.pass(60_000);
    expect(await ask(wrong(place))).toEqual(refused);
    expect(await ask(show(place)), 'and takes the good one').toEqual({ refused: 'accepted', ran: true });
  });

  it('refuses the coordinator’s own certificate, an agent’s, and a stolen key of theirs under an operator’s name', async () => {
    const { key, certificate } = fleet.office().authority.coordinator();
    expect(await ask({ key, certificate })).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask({ key: agent.identity.key, certificate: agent.identity.certificate })).toEqual({ refused: 'TLS', ran: false });
    expect(await ask(show(place, { key: createPrivateKey(agent.identity.key) }))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    expect(await ask(show(place, { key: createPrivateKey(key) }))).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
  });

  it('refuses a removed operator, a revoked one, and a key that was replaced', async () => {
    for (const [name, method] of [['carl', 'RemoveOperator'], ['dora', 'RevokeOperator']] as const) {
      const { key, certificate } = (await remoteOperator(fleet, name, { role: 'admin' })).profile();
      expect(await ask({ key, certificate })).toEqual({ refused: 'accepted', ran: true });
      await fleet.api.unary(operatorService, method, { name }, options);
      expect(await ask({ key, certificate })).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
    }
    const erin = await remoteOperator(fleet, 'erin', { role: 'admin' });
    const old = erin.profile();
    const renewed = await renewLogin(old, erin.options);
    expect(await ask(old)).toEqual({ refused: 'accepted', ran: true });
    expect(await ask(renewed)).toEqual({ refused: 'accepted', ran: true });
    expect(await ask(old)).toEqual({ refused: 'IDENTITY_REFUSED', ran: false });
  });

  it('is the only one that takes an operator’s certificate', async () => {
    const { key, certificate } = show(place);
    for (const port of [agent.port, fleet.agentsPort]) {
      const channel = dial(port, { key, certificate });
      const method = port === agent.port ? channel.unary(userService, 'ObserveUser', { all: true }, options) : channel.unary(identityService, 'Renew', {}, options);
      expect(await refusal(method)).toMatch(/^(?:TLS|IDENTITY_REFUSED)$/);
      channel.close();
    }
  });
});

describe('an operator that logs in', () => {
  const token = Buffer.alloc(32, 0xb8);
  const attempt = async (shown: NonNullable<Shown>, pin = fleet.office().authority.pin): Promise<{ refused: string; requests: number; tokenSeen: boolean }> => {
    const heard = await hear(shown);
    const machine = otherMachine(fleet, 'ada');
    const refused = await refusal(logIn({ token, pin, endpoints: [{ address: '127.0.0.1', port: heard.port }] }, machine.options));
    heard.server.close();
    expect(machine.store.load()).toBeUndefined();
    return { refused, requests: heard.requests(), tokenSeen: heard.bytes().includes(token) };
  };
  const coordinator = (): Place => ({ uri: formatIdentity({ kind: 'coordinator', fleetId: agent.identity.fleetId }), root: roots.control, otherRoot: roots.agents, does: 'server', key: newKey() });
  const chain = (shown: NonNullable<Shown>): NonNullable<Shown> => ({ ...shown, certificate: shown.certificate + roots.control.pem });

  it.each(pinned)('sends no byte to a coordinator with $name', async (wrong) => {
    const place = coordinator();
    expect(await attempt(chain(wrong.show(place) ?? { key: '', certificate: '' }))).toEqual(noByte);
    expect(await attempt(chain(show(place))), 'and sends the token to the good one').toEqual(tokenSent);
  });

  it('sends no byte when the pin is of another root', async () => {
    expect(await attempt(chain(show(coordinator())), Buffer.alloc(32, 1))).toEqual(noByte);
  });
});
