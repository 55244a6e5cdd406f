import type { Host } from '../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import { parseEndpoint } from '../../shared/model/host.js';
import type { Json } from './json.js';

/** What the names of states begin with on the wire. */
const prefix = 'HOST_STATE_';

/**
 * Hosts as Ansible wants them of an inventory script called with --list: variables under `_meta`, so that it does not ask for each host, and a group per label
 * ("role=web" is role_web) and per state (state_connected). What a group's name cannot have becomes "_".
 */
export function ansibleInventory(hosts: readonly Host[]): Json {
  const groups = new Map<string, Set<string>>();
  const join = (group: string, host: string): void => {
    const name = group.replace(/[^A-Za-z0-9_]/g, '_').replace(/^[0-9]/, '_$&');
    groups.set(name, (groups.get(name) ?? new Set()).add(host));
  };
  for (const host of hosts) {
    join(`state_${stateOf(host)}`, host.name);
    for (const [key, value] of labelsOf(host)) join(`${['state', 'all', 'ungrouped', '_meta'].includes(key) ? 'label_' : ''}${key}_${value}`, host.name);
  }
  const names = [...groups.keys()].sort();
  return {
    _meta: { hostvars: Object.fromEntries(hosts.map((host) => [host.name, variablesOf(host)])) },
    all: { hosts: hosts.map((host) => host.name), children: names },
    ...Object.fromEntries(names.map((name) => [name, { hosts: [...(groups.get(name) ?? [])] }])),
  };
}

function variablesOf(host: Host): { readonly [key: string]: Json } {
  return {
    ...(host.address === '' ? {} : { ansible_host: parseEndpoint(host.address, 1).address }),
    reeve_id: host.id,
    reeve_state: stateOf(host),
    reeve_labels: Object.fromEntries(labelsOf(host)),
    reeve_parent: host.parent,
    reeve_agent_version: host.agentVersion,
  };
}

function labelsOf(host: Host): (readonly [key: string, value: string])[] {
  return host.labels.map((label) => [label.slice(0, label.indexOf('=')), label.slice(label.indexOf('=') + 1)]);
}

function stateOf(host: Host): string {
  return host.state.slice(prefix.length).toLowerCase();
}
