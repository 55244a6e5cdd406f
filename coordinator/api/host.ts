import { randomBytes } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { InviteHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/InviteHostRequest.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { fieldInvalid, parseInteger } from '../../shared/model/field.js';
import { formatFacts } from '../../shared/model/fact.js';
import { agentPort, parseEndpoint, parseHostName } from '../../shared/model/host.js';
import { parseLink, type LinkKind } from '../../shared/model/link.js';
import { formatJoinToken, parseReachableEndpoint } from '../../shared/model/join-token.js';
import { parseLabel, parseLabelKey } from '../../shared/model/label.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromDuration, toTimestamp } from '../../shared/rpc/time.js';
import { getFacts } from '../inventory/fact.js';
import {
  addHost,
  childrenOf,
  getHost,
  retireHost,
  setHostState,
  setLabels,
  setReadmit,
  updateHost,
} from '../inventory/host.js';
import { revokeKeys } from '../inventory/key.js';
import { raiseKeys, touchedHosts } from '../inventory/key-touched.js';
import { followDestination, requireNoForwards } from '../inventory/nat-touched.js';
import { followUpstream, requireNoUpstreams } from '../inventory/vhost-touched.js';
import { addToken, voidTokens } from '../inventory/token.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { holdHost, unholdHost } from './hold.js';
import { parseHostAccess, setHostAccess } from './host-access.js';
import { formatHosts } from './host-format.js';
import { listHosts, saidOf } from './host-list.js';
import { audited } from './operator.js';
import { proveHost } from './prove.js';
import { reachableFrom } from './reach.js';
import { releaseHost } from './release.js';
import { administers, changes, reads } from './row.js';
import { assertStaysInScope, hostFor, hostsFor, hostWithName, inScope, nameFor } from './select.js';

/** Policy presets that a join command can install. */
export const policyPresets = ['observe', 'minimal', 'web', 'standard', 'full'] as const;

/** How long an operator's yes to readmission holds, ms. */
const readmitMs = 3_600_000;

/** Hosts, for operators. */
export function hostService(office: () => Office): Service<OperatorCaller> {
  return defineService<HostServiceDefinition, OperatorCaller>('reeve.coordinator.v1.HostService', {
    InviteHost: { ...administers, handle: (request, context) => Promise.resolve(invite(office(), context.principal, request)) },
    ListHost: {
      ...reads,
      handle: (request, { principal }) => Promise.resolve(listHosts(office(), principal, request)),
    },
    GetHost: {
      ...reads,
      handle: (request, { principal }) => {
        const host = hostFor(office().db, principal, request.name);
        const live = office().fleet.live(host.id);
        const facts = live.facts ?? getFacts(office().db, host.id);
        const children = childrenOf(office().db, host.id).filter(({ id }) => inScope(office().db, principal, id)).map(({ name }) => name);
        const said = facts === undefined ? null : { ...formatFacts(facts.facts), machineHint: Buffer.from(facts.facts.machineHint, 'hex') };
        return Promise.resolve({ host: { ...formatHosts(office(), principal, [host])[0], ...saidOf(office(), principal, host) }, facts: said, status: live.status ?? null, factsLossy: facts?.lossy ?? false, children });
      },
    },
    SetHost: {
      ...changes,
      handle: (request, context) => {
        const { db, fleet, clock } = office();
        const { principal } = context;
        const host = hostFor(db, principal, request.host);
        const edit = {
          ...(request.name === undefined ? {} : { name: parseHostName(request.name) }),
          ...(request.address === undefined ? {} : { endpoint: parseEndpoint(request.address, agentPort) }),
          ...(request.parent === undefined ? {} : { parentId: request.parent === '' ? null : hostFor(db, principal, request.parent).id }),
          ...linkEdit(request.link),
        };
        const set = request.setLabels.map(parseLabel);
        const remove = request.removeLabels.map(parseLabelKey);
        const access = parseHostAccess(principal, request);
        audited(office(), principal, `host set ${host.name}`, JSON.stringify({ ...edit, set, remove, ...access }), (raise) => {
          updateHost(db, host, edit);
          raise(followDestination(db, host, clock.now(), nameFor(db, principal)));
          raise(followUpstream(db, host, clock.now()));
          setLabels(db, host.id, set, remove);
          assertStaysInScope(db, principal, host, 'leave host');
          raise(setHostAccess(office(), host, access));
        });
        if (edit.endpoint !== undefined || edit.parentId !== undefined || edit.link !== undefined) fleet.refresh(host.id);
        return Promise.resolve({ host: formatHosts(office(), principal, [hostFor(db, principal, host.id)])[0] ?? null });
      },
    },
    RetireHost: {
      ...administers,
      handle: (request, context) => {
        const { db, fleet, clock } = office();
        const host = hostFor(db, context.principal, request.host);
        const children = childrenOf(db, host.id).map((child) => (inScope(db, context.principal, child.id) ? child.name : 'a host outside your scope'));
        if (children.length > 0) throw reeveError('HOST_HAS_CHILDREN', { value: host.name, rule: children.join(', ') });
        requireNoForwards(db, host, nameFor(db, context.principal));
        requireNoUpstreams(db, host, nameFor(db, context.principal));
        audited(office(), context.principal, `host retire ${host.name}`, host.id, (raise) => raise(retireHost(db, host.id, clock.now())));
        fleet.refresh(host.id);
        return Promise.resolve({});
      },
    },
    ReleaseHost: { ...administers, deadlineMs: changes.deadlineMs, handle: (request, context) => releaseHost(office(), request, context) },
    RevokeHost: {
      ...administers,
      handle: (request, context) => {
        const { db, fleet, clock } = office();
        const host = hostFor(db, context.principal, request.host);
        audited(office(), context.principal, `host revoke ${host.name}`, host.id, (raise) => {
          revokeKeys(db, host.id);
          voidTokens(db, host.id);
          raise(setHostState(db, host.id, 'revoked', clock.now()));
        });
        fleet.refresh(host.id);
        return Promise.resolve({});
      },
    },
    HoldHost: {
      ...changes,
      handle: (request, { principal }) => Promise.resolve({ host: formatHosts(office(), principal, [holdHost(office(), principal, request)])[0] ?? null }),
    },
    UnholdHost: {
      ...changes,
      handle: (request, { principal }) => {
        const { host, ended } = unholdHost(office(), principal, request);
        return Promise.resolve({ host: formatHosts(office(), principal, [host])[0] ?? null, ended });
      },
    },
    ReadmitHost: {
      ...administers,
      handle: (request, context) => {
        const { db, clock } = office();
        const hosts = hostsFor(db, context.principal, request.selector).filter((host) => host.state === 'joined');
        if (hosts.length === 0) throw reeveError('HOST_REVOKED', { host: request.selector });
        audited(office(), context.principal, `host readmit ${request.selector}`, '', () => {
          for (const host of hosts) setReadmit(db, host.id, clock.now() + readmitMs);
        });
        return Promise.resolve({ hosts: hosts.map((host) => host.name) });
      },
    },
    ProveHost: {
      ...reads,
      deadlineMs: 60_000,
      handle: async (request, { principal, signal }) => {
        const host = hostFor(office().db, principal, request.host);
        const { status, roundTripMs } = await proveHost(office(), host, { waitMs: fromDuration(request.timeout) ?? 30_000, signal });
        return { host: formatHosts(office(), principal, [hostFor(office().db, principal, host.id)])[0] ?? null, status, roundTripUs: Math.round(roundTripMs * 1000) };
      },
    },
  });
}

function invite(office: Office, caller: OperatorCaller, request: InviteHostRequest): { hostId: string; token: string; command: string; expiresAt: { seconds: number; nanos: number } } {
  const { db, clock, authority } = office;
  const name = parseHostName(request.name);
  const endpoint = request.address === '' ? undefined : parseEndpoint(request.address, agentPort);
  const ttlMs = parseInteger('ttl', fromDuration(request.ttl) ?? 30 * 60_000, { min: 60_000, max: 24 * 3_600_000 });
  const labels = request.labels.map(parseLabel);
  const link = linkEdit(request.link);
  const preset = policyPresets.find((known) => known === (request.policy === '' ? 'observe' : request.policy));
  if (preset === undefined) throw fieldInvalid('policy', request.policy, `one of ${policyPresets.join(', ')}`);
  const now = clock.now();
  const secret = randomBytes(32);
  const hostId = audited(office, caller, `host invite ${name}`, JSON.stringify({ endpoint, labels, policy: preset, rejoin: request.rejoin, ...link }), (raise) => {
    const known = hostWithName(db, name);
    const taken = known !== undefined && ((known.state !== 'invited' && !request.rejoin) || !inScope(db, caller, known.id));
    if (taken) throw reeveError('HOST_EXISTS', { value: name });
    const parentId = request.parent === '' ? undefined : hostFor(db, caller, request.parent).id;
    const id = known?.id ?? newId(now);
    if (known === undefined) addHost(db, { id, name, endpoint, parentId, ...link, now });
    else {
      updateHost(db, known, { ...(endpoint === undefined ? {} : { endpoint }), ...(parentId === undefined ? {} : { parentId }), ...link });
      raise(followDestination(db, known, now, nameFor(db, caller)));
      raise(followUpstream(db, known, now));
    }
    setLabels(db, id, labels, []);
    assertStaysInScope(db, caller, { id, name }, 'invite host');
    raise(raiseKeys(db, touchedHosts(db, { kind: 'host', hostId: id }), { now }));
    addToken(db, { hash: sha256(secret), hostId: id, now, expiresAtMs: now + ttlMs });
    return id;
  });
  const token = formatJoinToken({ token: secret, pin: authority.pin, endpoints: reachableFrom(office, getHost(db, hostId)).enrolment.map((text) => parseReachableEndpoint(text)) });
  return { hostId, token, command: joinCommand(token, preset, request.policy !== ''), expiresAt: toTimestamp(now + ttlMs) };
}

/** What is said of a link; nothing: it stays. */
function linkEdit(wire: string): { link?: LinkKind } {
  const link = parseLink(wire);
  return link === undefined ? {} : { link };
}

/** One line for root's shell. The token reaches the agent on standard input: printf is the shell's own, so it is in no process's arguments. */
function joinCommand(token: string, preset: string, installPolicy: boolean): string {
  const policy = installPolicy ? `install -m 644 /usr/share/reeve/policy/${preset} /etc/reeve/policy && ` : '';
  return `${policy}printf '%s\\n' '${token}' | reeve-agent join && systemctl restart reeve-agent`;
}
