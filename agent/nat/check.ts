import type { ErrorItem } from '../../shared/errors/error.js';
import { familyOf, formatNatLines, formatNatPort, portsMeet, reevePorts, type NatForward, type NatMasquerade, type NatRules } from '../../shared/model/nat.js';
import type { Deny } from '../user/plan.js';
import type { NatAsk } from './ask.js';
import { findForeign } from './foreign/adopt.js';
import { obstaclesOf } from './foreign/check.js';
import { connectedNetwork, isLocal, type HostNetwork } from './foreign/network.js';
import type { Rules } from './foreign/rules.js';
import type { ObservedNat } from './observe.js';
import type { TakenOver } from './plan.js';

/** What is looked at before anything is changed. */
export interface NatCheckInput {
  readonly wanted: NatRules;
  readonly observed: ObservedNat;
  readonly network: HostNetwork;
  /** Ports on which Reeve's own programs listen. */
  readonly ownPorts: readonly number[];
  /** Interfaces that lose their IPv6 default route when the host begins to forward IPv6. */
  readonly advertised: readonly string[];
  /** What others have made; undefined: it does not matter. */
  readonly foreign: Rules | undefined;
  readonly ask: NatAsk;
  readonly hostName: string;
}

/**
 * All that stands in the way of what is wanted, and the rules of others that are taken over. What others made, and addresses that went, count only against rules
 * that are new or another: one that is there already must not keep another from being taken away.
 */
export function checkNat(input: NatCheckInput): { readonly problems: readonly ErrorItem[]; readonly taken: readonly TakenOver[] } {
  const { wanted, observed, foreign, ask, hostName } = input;
  if (observed.problem !== undefined) {
    const { code, fields } = observed.problem;
    return { problems: wanted.forwards.length + wanted.masquerades.length === 0 ? [] : [{ code, fields: { ...fields, host: hostName } }], taken: [] };
  }
  const there = new Set(observed.lines);
  const isThere = (rules: Partial<NatRules>): boolean => there.has(formatNatLines({ forwards: [], masquerades: [], ...rules }, ({ to }) => connectedNetwork(input.network, to)).trimEnd());
  const forwards = wanted.forwards.map((forward) => checkForward(input, forward, isThere({ forwards: [forward] })));
  const masquerades = wanted.masquerades.flatMap((row) => (isThere({ masquerades: [row] }) ? [] : placesOf(input, row.outInterface, row.toAddress)));
  const taken = [...forwards.flatMap((found) => found.taken), ...wanted.masquerades.flatMap((row) => takenMasquerades(foreign, row))];
  const problems = [
    ...natRefusals(wanted, ask),
    ...forwards.flatMap((found) => found.problems),
    ...masquerades,
    ...routesLost(input),
    ...(taken.length === 0 ? [] : item(ask.deny('nat.adopt', {}))),
  ];
  return { problems: once(problems), taken: once(taken) };
}

/** What the policy does not allow of what is wanted. */
export function natRefusals({ forwards, masquerades }: NatRules, { deny, denyRange }: NatAsk): readonly ErrorItem[] {
  return once([
    ...(forwards.length + masquerades.length === 0 ? [] : item(deny('nat.apply', {}))),
    ...forwards.flatMap(({ to, protocol, ports }) => item(denyRange('nat.forward', { to, port: undefined, protocol }, { key: 'port', ...ports }))),
    ...masquerades.flatMap(({ source }) => item(deny('nat.masquerade', { source }))),
  ]);
}

function checkForward(input: NatCheckInput, forward: NatForward, isThere: boolean): { problems: readonly ErrorItem[]; taken: readonly TakenOver[] } {
  const { network, foreign, hostName } = input;
  const { listen } = forward;
  const problems = [
    ...placesOf(input, listen.kind === 'interface' ? listen.name : undefined, listen.kind === 'address' && !isThere ? listen.address : undefined),
    ...reservedPorts(input, forward),
  ];
  const taken: TakenOver[] = [];
  for (const { kind, rule, says, remedy, same } of foreign === undefined || (isThere && !forward.adopt) ? [] : obstaclesOf(foreign, forward, network)) {
    if (kind === 'claim' && forward.adopt && same !== undefined) taken.push(same);
    else if (!isThere) {
      const code = kind === 'claim' ? 'NAT_FOREIGN_CLAIM' : 'NAT_FOREIGN_DROP';
      problems.push({ code, fields: { host: hostName, value: formatNatPort(forward), rule: `${rule}: ${says}`.slice(0, 400), remedy: remedy.slice(0, 400) } });
    }
  }
  return { problems, taken };
}

/** An interface and an address that the host has to have. */
function placesOf({ network, hostName }: NatCheckInput, name: string | undefined, address: string | undefined): ErrorItem[] {
  const absent = (value: string): ErrorItem => ({ code: 'NAT_INTERFACE', fields: { host: hostName, value } });
  return [
    ...(name === undefined || network.interfaces.some((own) => own.name === name) ? [] : [absent(name)]),
    ...(address === undefined || isLocal(network, address) ? [] : [absent(address)]),
  ];
}

/** Rules of others that do exactly what a masquerade that is to be taken over does. */
function takenMasquerades(foreign: Rules | undefined, wanted: NatMasquerade): readonly TakenOver[] {
  if (foreign === undefined || !wanted.adopt) return [];
  return findForeign(foreign, []).flatMap(({ masquerade, problem, handle, sha256 }) => {
    const same = masquerade?.source === wanted.source && masquerade.outInterface === wanted.outInterface && masquerade.toAddress === wanted.toAddress;
    return same && problem === '' ? [{ handle, sha256 }] : [];
  });
}

function reservedPorts({ observed: { sshPorts }, ownPorts, hostName: host }: NatCheckInput, forward: NatForward): ErrorItem[] {
  if (forward.protocol !== 'tcp') return [];
  const value = formatNatPort(forward);
  const reserved = (rule: string): ErrorItem[] => [{ code: 'NAT_PORT_RESERVED', fields: { host, value, rule } }];
  const meeting = (ports: readonly number[]): number | undefined => ports.find((port) => portsMeet(forward.ports, { first: port, last: port }));
  const ssh = meeting(sshPorts);
  if (ssh !== undefined) return reserved(`sshd of this host listens on port ${String(ssh)}`);
  if (portsMeet(forward.ports, reevePorts)) return reserved(`ports ${String(reevePorts.first)} to ${String(reevePorts.last)} are Reeve's own`);
  const own = meeting(ownPorts);
  return own === undefined ? [] : reserved(`Reeve listens on port ${String(own)} of this host`);
}

/** A host that forwards IPv6 takes no default route from router advertisements any more. */
function routesLost({ wanted, observed, advertised, hostName }: NatCheckInput): ErrorItem[] {
  const wants6 = wanted.forwards.some(({ to }) => familyOf(to) === 6) || wanted.masquerades.some(({ source }) => source.includes(':'));
  return wants6 && !observed.forwards6 ? advertised.map((value) => ({ code: 'NAT_FORWARDING', fields: { host: hostName, value } })) : [];
}

function item(denied: ReturnType<Deny>): ErrorItem[] {
  return denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }];
}

function once<T>(all: readonly T[]): T[] {
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}
