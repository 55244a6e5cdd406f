import type { ErrorItem } from '../../shared/errors/error.js';
import { formatNatPort, portsMeet, reevePorts, type NatForward, type NatRules } from '../../shared/model/nat.js';
import type { Deny } from '../user/plan.js';
import { obstaclesOf } from './foreign/check.js';
import { isLocal, type HostNetwork } from './foreign/network.js';
import type { parseRules } from './foreign/rules.js';
import type { ObservedNat } from './observe.js';
import type { TakenOver } from './plan.js';

/** What is looked at before anything is changed. */
export interface NatCheckInput {
  readonly wanted: NatRules;
  readonly observed: ObservedNat;
  readonly network: HostNetwork;
  readonly rules: ReturnType<typeof parseRules> | undefined;
  readonly deny: Deny;
  readonly hostName: string;
}

/** All that stands in the way of what is wanted, and the rules of others that are taken over. */
export function checkNat(input: NatCheckInput): { readonly problems: readonly ErrorItem[]; readonly taken: readonly TakenOver[] } {
  const { wanted, observed, network, rules, hostName } = input;
  const problems: ErrorItem[] = [...natRefusals(wanted, input.deny)];
  const taken: TakenOver[] = [];
  const interfaces = new Set(network.interfaces.map(({ name }) => name));
  const absent = (value: string): void => void problems.push({ code: 'NAT_INTERFACE', fields: { host: hostName, value } });
  for (const forward of wanted.forwards) {
    const { listen } = forward;
    if (listen.kind === 'interface' && !interfaces.has(listen.name)) absent(listen.name);
    if (listen.kind === 'address' && !isLocal(network, listen.address)) absent(listen.address);
    problems.push(...reservedPorts(forward, observed, hostName));
    for (const obstacle of rules === undefined ? [] : obstaclesOf(rules, forward, network)) {
      if (obstacle.kind === 'claim' && forward.adopt && obstacle.same !== undefined) taken.push(obstacle.same);
      else {
        const code = obstacle.kind === 'claim' ? 'NAT_FOREIGN_CLAIM' : 'NAT_FOREIGN_DROP';
        problems.push({ code, fields: { host: hostName, value: formatNatPort(forward), rule: `${obstacle.rule}: ${obstacle.says}`.slice(0, 400), remedy: obstacle.remedy.slice(0, 400) } });
      }
    }
  }
  for (const { outInterface, toAddress } of wanted.masquerades) {
    if (outInterface !== undefined && !interfaces.has(outInterface)) absent(outInterface);
    if (toAddress !== undefined && !isLocal(network, toAddress)) absent(toAddress);
  }
  const needs6 = [...wanted.forwards.map(({ to }) => to), ...wanted.masquerades.map(({ source }) => source)].some((address) => address.includes(':'));
  if (needs6 && network.advertised !== undefined) problems.push({ code: 'NAT_FORWARDING', fields: { host: hostName, value: network.advertised } });
  if (taken.length > 0) problems.push(...item(input.deny('nat.adopt', {})));
  return { problems, taken };
}

/** What the policy does not allow of what is wanted. */
export function natRefusals({ forwards, masquerades }: NatRules, deny: Deny): readonly ErrorItem[] {
  return [
    ...(forwards.length + masquerades.length === 0 ? [] : item(deny('nat.apply', {}))),
    // Both ends of a range: what is allowed is a range too.
    ...forwards.flatMap(({ to, protocol, ports }) => [ports.first, ports.last].flatMap((port) => item(deny('nat.forward', { to, port: String(port), protocol })))),
    ...masquerades.flatMap(({ source }) => item(deny('nat.masquerade', { source }))),
  ].filter((one, index, all) => all.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === index);
}

function reservedPorts(forward: NatForward, { sshPorts }: ObservedNat, host: string): ErrorItem[] {
  if (forward.protocol !== 'tcp') return [];
  const value = formatNatPort(forward);
  const ssh = sshPorts.find((port) => portsMeet(forward.ports, { first: port, last: port }));
  if (ssh !== undefined) return [{ code: 'NAT_PORT_RESERVED', fields: { host, value, rule: `sshd of this host listens on port ${String(ssh)}` } }];
  if (!portsMeet(forward.ports, reevePorts)) return [];
  return [{ code: 'NAT_PORT_RESERVED', fields: { host, value, rule: `ports ${String(reevePorts.first)} to ${String(reevePorts.last)} are Reeve's own` } }];
}

function item(denied: ReturnType<Deny>): ErrorItem[] {
  return denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }];
}
