import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foreignContainer, lxcSpec, pctSpec, podmanSpec, seenContainer, testImage, wanted } from '../../test/support/test-container.js';
import type { Container, ContainerSpec } from '../../shared/model/container.js';
import type { ObservedContainer } from '../../shared/model/container-state.js';
import { formatContainerText, parseContainerText } from '../../shared/model/container-text.js';
import type { Plan } from '../engine/step.js';
import type { Deny } from '../user/plan.js';
import type { ObservedContainers } from './observe.js';
import type { ContainerPlanInput } from './place.js';
import { planContainerRelease, planContainers } from './plan.js';

const network: ContainerPlanInput['network'] = {
  interfaces: [
    { name: 'lxcbr0', addresses: [{ address: '10.0.3.1', prefix: 24 }, { address: 'fe80::1', prefix: 64 }] },
    { name: 'vmbr0', addresses: [] }, { name: 'tiny', addresses: [{ address: '10.9.0.1', prefix: 30 }] },
  ],
  routes: [],
};
const allow: Deny = () => undefined;
const seen = (containers: readonly ObservedContainer[], over: Partial<ObservedContainers> = {}): ObservedContainers => ({ containers, engines: new Set(['podman', 'lxc']), ignoredLimits: [], truncated: false, ...over });
const input = (rows: readonly Container[], containers: readonly ObservedContainer[], over: Partial<ContainerPlanInput> = {}): ContainerPlanInput => ({
  wanted: rows, observed: seen(containers), network, listening: [], deny: allow, hostName: 'box', ...over,
});
const plan = (rows: readonly Container[], containers: readonly ObservedContainer[], over: Partial<ContainerPlanInput> = {}): Plan => planContainers(input(rows, containers, over));
const fields = (made: Plan): string[] => made.changes.flatMap((change) => change.fields.map(({ field, from, to }) => `${field}: ${from} -> ${to}`));
const does = (made: Plan): unknown[] => made.steps.map(({ verb, request }) => (verb === 'container.make' ? [request['name'], request['build'] === true ? 'build' : '', request['action'], request['before']] : [verb, request['name']]));
const limits = (over: Partial<ContainerSpec['limits']>): ContainerSpec['limits'] => ({ memory: undefined, swap: undefined, cpu: undefined, tasks: undefined, disk: undefined, ...over });
const port = (number: number, address = '0.0.0.0', protocol: 'tcp' | 'udp' = 'tcp'): ContainerSpec['ports'][number] => ({ protocol, address, port: number, inside: 80 });

describe('a container that the request is not made for', () => {
  it('stays as it is when something stands in its way, and keeps no other one waiting', () => {
    const edited = seenContainer('web', podmanSpec(), { edited: '/etc/systemd/system/reeve-container-web.service' });
    const changed: Container = { presence: 'present', name: 'web', spec: podmanSpec({ stopSeconds: 30 }), overwrite: false, adopt: false };
    const other = wanted('other', podmanSpec({ ports: [] }));
    expect(plan([changed, other], [edited]).problems.map(({ code }) => code)).toEqual(['CONTAINER_DRIFT']);
    const made = planContainers(input([{ ...changed, aside: true }, other], [edited]));
    expect([made.problems, does(made), made.notes]).toEqual([[], [['other', 'build', 'start', 'absent']], [expect.stringMatching(/^container "web" stays as it is: Container "web" of host "box" was altered by hand/)]]);
    const free = planContainers(input([{ ...changed, aside: true }], [seenContainer('web', podmanSpec())]));
    expect([does(free), free.notes]).toEqual([[['web', '', 'none', 'up']], []]);
  });
});

describe('what is done to a container', () => {
  const health = { kind: 'http', port: 8080, path: '/', startSeconds: 60 } as const;
  it.each<[string, Container, readonly ObservedContainer[], unknown[], string[]]>([
    ['that is new and runs', wanted('web', podmanSpec()), [], [['web', 'build', 'start', 'absent']], [
      'engine:  -> podman', 'starts with the host:  -> yes', `image:  -> ${testImage()}`, 'port 0.0.0.0:8080/tcp:  -> port 80 of it', 'restart:  -> always', 'time to stop:  -> 10 s', 'state:  -> running',
    ]],
    ['that is new and does not run', wanted('web', podmanSpec({ running: false, boot: false, ports: [] })), [], [['web', 'build', 'none', 'absent']], [
      'engine:  -> podman', 'starts with the host:  -> no', `image:  -> ${testImage()}`, 'restart:  -> always', 'time to stop:  -> 10 s', 'state:  -> stopped',
    ]],
    ['that is as wanted', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec())], [], []],
    ['that is being started', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec(), { state: 'starting' })], [], []],
    ['that sleeps', wanted('web', podmanSpec({ idleSeconds: 60 })), [seenContainer('web', podmanSpec({ idleSeconds: 60 }))], [], []],
    ['of which only the tag of the image is called otherwise', wanted('web', podmanSpec({ tag: '2' })), [seenContainer('web', podmanSpec())], [], []],
    ['of which first keys are others now', wanted('one', lxcSpec({ sshKeys: ['ssh-ed25519 new'] })), [seenContainer('one', lxcSpec({ sshKeys: ['ssh-ed25519 old'] }))], [], []],
    ['of another image', wanted('web', podmanSpec({ image: testImage('web', 'b') })), [seenContainer('web', podmanSpec())], [['web', 'build', 'restart', 'up']], [`image: ${testImage()} -> ${testImage('web', 'b')}`, 'interruption:  -> it is replaced']],
    ['of another image that does not run', wanted('web', podmanSpec({ image: testImage('web', 'b'), running: false, boot: false })), [seenContainer('web', podmanSpec({ running: false, boot: false }))], [['web', 'build', 'none', 'down']], [`image: ${testImage()} -> ${testImage('web', 'b')}`]],
    ['of another environment', wanted('web', podmanSpec({ environment: [{ name: 'A', value: 'x' }, { name: 'C', value: '' }] })), [seenContainer('web', podmanSpec({ environment: [{ name: 'A', value: 'y' }, { name: 'B', value: 'z' }] }))], [['web', '', 'restart', 'up']], [
      'environment A: y -> x', 'environment C:  -> ""', 'environment B: z -> ', 'interruption:  -> it is replaced',
    ]],
    ['of another value of a secret', wanted('web', podmanSpec({ secrets: [{ name: 'token', version: 'two' }] })), [seenContainer('web', podmanSpec({ secrets: [{ name: 'token', version: 'one' }] }))], [['web', '', 'restart', 'up']], ['secret token: version one -> version two', 'interruption:  -> it is replaced']],
    ['of other limits', wanted('one', lxcSpec({ limits: limits({ memory: 2 ** 30, cpu: 150 }) })), [seenContainer('one', lxcSpec({ limits: limits({ memory: 1_000_000_000 }) }))], [['one', '', 'limit', 'up']], ['memory: 1000000000 bytes -> 1 GiB', 'cpu:  -> 150 %']],
    ['of other limits that does not run', wanted('one', lxcSpec({ running: false, boot: false, limits: limits({ cpu: 50 }) })), [seenContainer('one', lxcSpec({ running: false, boot: false }))], [['one', '', 'none', 'down']], ['cpu:  -> 50 %']],
    ['of another way to start, to stop and to be asked', wanted('web', podmanSpec({ boot: false, restart: 'no', stopSeconds: 30, health })), [seenContainer('web', podmanSpec())], [['web', '', 'none', 'up']], [
      'starts with the host: yes -> no', 'restart: always -> no', 'health:  -> http port 8080, /', 'healthy within:  -> 60 s', 'time to stop: 10 s -> 30 s',
    ]],
    ['of another command that says whether it is healthy', wanted('web', podmanSpec({ health: { kind: 'command', words: ['/bin/x', 'a b'], startSeconds: 5 } })), [seenContainer('web', podmanSpec())], [['web', '', 'restart', 'up']], [
      'health:  -> command /bin/x "a b"', 'healthy within:  -> 5 s', 'interruption:  -> it is replaced',
    ]],
    ['of lxc with another address', wanted('one', lxcSpec({ address: '10.0.3.8/24' })), [seenContainer('one', lxcSpec())], [['one', '', 'restart', 'up']], ['address: 10.0.3.7/24 -> 10.0.3.8/24', 'interruption:  -> it is restarted']],
    ['that is to stop', wanted('web', podmanSpec({ running: false, boot: false })), [seenContainer('web', podmanSpec())], [['web', '', 'stop', 'up']], ['starts with the host: yes -> no', 'state: running -> stopped']],
    ['that is to start', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec({ running: false, boot: false }))], [['web', '', 'start', 'down']], ['starts with the host: no -> yes', 'state: stopped -> running']],
    ['that failed', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec(), { state: 'failed' })], [['web', '', 'start', 'fallen']], ['state: failed -> running']],
    ['that somebody started', wanted('web', podmanSpec({ running: false, boot: false })), [seenContainer('web', podmanSpec({ running: false, boot: false }), { state: 'running' })], [['web', '', 'stop', 'up']], ['state: running -> stopped']],
    ['of which something is missing', wanted('one', lxcSpec()), [seenContainer('one', lxcSpec(), { state: 'missing', edited: '/etc/systemd/system/reeve-container-one.service' })], [['one', 'build', 'start', 'fallen']], [
      'state: missing -> running', 'files: altered by hand: /etc/systemd/system/reeve-container-one.service -> as wanted',
    ]],
    ['of which something is missing, and that does not run', wanted('one', lxcSpec({ running: false, boot: false })), [seenContainer('one', lxcSpec({ running: false, boot: false }), { state: 'missing' })], [['one', 'build', 'none', 'down']], ['state: missing -> stopped']],
    ['that was altered by hand and is to be written over', wanted('web', podmanSpec(), { overwrite: true }), [seenContainer('web', podmanSpec(), { edited: '/x' })], [['web', '', 'restart', 'up']], ['files: altered by hand: /x -> as wanted', 'interruption:  -> it is replaced']],
    ['that was altered by hand and is wanted as it was', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec(), { edited: '/x' })], [], []],
    ['of which the record cannot be read', wanted('web', podmanSpec(), { overwrite: true }), [{ ...seenContainer('web', podmanSpec()), spec: undefined }], [['web', '', 'restart', 'up']], ['files: altered by hand: its record -> as wanted', 'interruption:  -> it is replaced']],
    ['of which a change was not settled', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec(), { pending: true })], [['web', 'build', 'restart', 'unknown']], ['last change: neither kept nor taken back -> made', 'interruption:  -> it is replaced']],
    ['that was being made', wanted('web', podmanSpec()), [seenContainer('web', podmanSpec(), { pending: true, fresh: true, state: 'stopped' })], [['web', 'build', 'start', 'absent']], ['state: stopped -> running', 'last change: neither kept nor taken back -> made']],
    ['of others that is taken over', wanted('one', lxcSpec({ adopted: true, archive: '' }), { adopt: true }), [foreignContainer('one', { engine: 'lxc' })], [['one', '', 'none', 'foreign']], ['presence: made by others -> managed']],
    ['of podman of others that is taken over', wanted('web', podmanSpec(), { adopt: true }), [foreignContainer('web')], [['web', '', 'none', 'foreign']], ['presence: made by others -> managed', 'interruption:  -> it is replaced']],
    ['that goes', { presence: 'absent', name: 'web', removeVolumes: true }, [seenContainer('web', podmanSpec({ volumes: [{ folder: '/srv/a', target: '/a', readOnly: false }] }))], [['container.remove', 'web']], ['state: running -> ', 'volume /a: /srv/a -> ']],
    ['that is gone', { presence: 'absent', name: 'web', removeVolumes: true }, [], [], []],
    ['of others that is not wanted', { presence: 'absent', name: 'web', removeVolumes: true }, [foreignContainer('web')], [], []],
    ['that is let go', { presence: 'released', name: 'web' }, [seenContainer('web', podmanSpec())], [['container.release', 'web']], ['presence: present -> released']],
    ['that was let go', { presence: 'released', name: 'web' }, [foreignContainer('web')], [], []],
  ])('%s', (_what, row, containers, steps, changed) => {
    const made = plan([row], containers);
    expect(made.problems).toEqual([]);
    expect(does(made)).toEqual(steps);
    expect(fields(made)).toEqual(changed);
    expect(made.steps.at(-1)?.request['last']).toBe(made.steps.length === 0 ? undefined : true);
  });

  it('is done to those first that go, then to those that give up a port of another one', () => {
    const rows = [wanted('a', podmanSpec({ ports: [port(80)] })), wanted('b', podmanSpec({ ports: [port(81)] })), { presence: 'absent', name: 'c', removeVolumes: false } as const];
    const made = plan(rows, [seenContainer('b', podmanSpec({ ports: [port(80)] })), seenContainer('c', podmanSpec({ ports: [port(81)] }))]);
    expect(made.problems).toEqual([]);
    expect(does(made)).toEqual([['container.remove', 'c'], ['b', '', 'restart', 'up'], ['a', 'build', 'start', 'absent']]);
  });

  it('is letting go of all of them with the noun', () => {
    const { steps, changes } = planContainerRelease(seen([seenContainer('web', podmanSpec()), foreignContainer('x')]), allow);
    expect(steps.map(({ verb, request }) => [verb, request['name']])).toEqual([['container.release', 'web']]);
    expect(changes).toHaveLength(1);
  });
});

describe('what stands in the way of a container', () => {
  const denyOf = (...operations: readonly string[]): Deny => (op, args) => (operations.includes(op) ? { code: 'POLICY_DENIED', fields: { op, args: JSON.stringify(args) }, verdict: 'none' } : undefined);
  const tcp = (number: number, address: string) => ({ protocol: 'tcp', address, port: number }) as const;
  it.each<[string, Container, readonly ObservedContainer[], Partial<ContainerPlanInput>, readonly [string, Readonly<Record<string, string>>][]]>([
    ['one of others', wanted('web', podmanSpec()), [foreignContainer('web')], {}, [['CONTAINER_FOREIGN', { host: 'box', value: 'web' }]]],
    ['one of others of another engine', wanted('web', podmanSpec(), { adopt: true }), [foreignContainer('web', { engine: 'lxc' })], {}, [['CONTAINER_ADOPT', { host: 'box', value: 'web', rule: 'it is one of lxc, and not of podman' }]]],
    ['that its engine is not installed', wanted('web', podmanSpec()), [], { observed: seen([], { engines: new Set(['lxc']) }) }, [['CONTAINER_ENGINE', { host: 'box', rule: 'podman is not installed', remedy: 'Install it on the host: apt-get install podman' }]]],
    ['that raw lxc is not for Proxmox VE', wanted('one', lxcSpec()), [], { observed: seen([], { engines: new Set(['lxc', 'pct']) }) }, [['CONTAINER_ENGINE', { host: 'box', rule: 'it is a Proxmox VE host, whose own tools would not know of it', remedy: 'Make it with pct: --engine pct' }]]],
    ['that pct is not elsewhere', wanted('one', pctSpec()), [], {}, [['CONTAINER_ENGINE', { host: 'box', rule: 'pct is not installed', remedy: 'pct is part of Proxmox VE; on other hosts containers are of podman or lxc.' }]]],
    ['another engine', wanted('web', podmanSpec()), [seenContainer('web', lxcSpec())], {}, [['CONTAINER_FIXED', { host: 'box', value: 'web', field: 'Engine', rule: 'it is one of lxc' }]]],
    ['another archive, and other ids', wanted('one', lxcSpec({ archive: 'c'.repeat(64), hostIds: true })), [seenContainer('one', lxcSpec())], {}, [
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Archive', rule: `it is said when the container is made, and is "${'b'.repeat(64)}" and not "${'c'.repeat(64)}"` }],
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Ids of the host', rule: 'it is said when the container is made, and is "" and not "yes"' }],
    ]],
    ['another template, storage and number, and a smaller disk', wanted('one', pctSpec({ id: 102, template: 'local:vztmpl/other', storage: 'other', limits: limits({ disk: 4 }) })), [seenContainer('one', pctSpec({ limits: limits({ disk: 8 }) }))], { observed: seen([seenContainer('one', pctSpec({ limits: limits({ disk: 8 }) }))], { engines: new Set(['pct']) }) }, [
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Id', rule: 'it is said when the container is made, and is "101" and not "102"' }],
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Template', rule: 'it is said when the container is made, and is "local:vztmpl/debian-12.tar.zst" and not "local:vztmpl/other"' }],
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Storage', rule: 'it is said when the container is made, and is "local-lvm" and not "other"' }],
      ['CONTAINER_FIXED', { host: 'box', value: 'one', field: 'Disk', rule: 'a disk only grows' }],
    ]],
    ['what was altered by hand', wanted('web', podmanSpec({ stopSeconds: 1 })), [seenContainer('web', podmanSpec(), { edited: '/x' })], {}, [['CONTAINER_DRIFT', { host: 'box', value: 'web', rule: '/x' }]]],
    ['a record that cannot be read', wanted('web', podmanSpec()), [{ ...seenContainer('web', podmanSpec()), spec: undefined }], {}, [['CONTAINER_DRIFT', { host: 'box', value: 'web', rule: 'its record' }]]],
    ['a bridge that is not there', wanted('one', lxcSpec({ bridge: 'br9' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.3.7/24', rule: 'it has no interface "br9"', remedy: 'Name another bridge, or make this one on the host.' }]]],
    ['a bridge that is not there, by DHCP', wanted('one', lxcSpec({ bridge: 'br9', address: '', gateway: '' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: 'DHCP', rule: 'it has no interface "br9"', remedy: 'Name another bridge, or make this one on the host.' }]]],
    ['an address of another network', wanted('one', lxcSpec({ address: '10.0.4.7/24', gateway: '' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.4.7/24', rule: 'it is not in a network of "lxcbr0", which has 10.0.3.0/24', remedy: 'Name an address of that network.' }]]],
    ['another size of the network', wanted('one', lxcSpec({ address: '10.0.3.7/25', gateway: '' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.3.7/25', rule: 'it is not in a network of "lxcbr0", which has 10.0.3.0/24', remedy: 'Name an address of that network.' }]]],
    ['the address of the network', wanted('one', lxcSpec({ address: '10.0.3.0/24' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.3.0/24', rule: 'it names the network itself, or all of it', remedy: '10.0.3.2/24 is free.' }]]],
    ['the address of the host', wanted('one', lxcSpec({ address: '10.0.3.1/24' })), [], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.3.1/24', rule: 'the host itself (on "lxcbr0") has it', remedy: '10.0.3.2/24 is free.' }]]],
    ['the address of others', wanted('one', lxcSpec()), [seenContainer('two', lxcSpec({ address: '10.0.3.8/24' })), foreignContainer('old', { engine: 'lxc', address: '10.0.3.7/24' })], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.0.3.7/24', rule: 'container "old" has it', remedy: '10.0.3.9/24 is free.' }]]],
    ['an address where all are taken', wanted('one', lxcSpec({ bridge: 'tiny', address: '10.9.0.2/30', gateway: '' })), [seenContainer('two', lxcSpec({ bridge: 'tiny', address: '10.9.0.2/30' }))], {}, [['CONTAINER_ADDRESS', { host: 'box', value: '10.9.0.2/30', rule: 'container "two" has it', remedy: 'No address of that network is free.' }]]],
    ['a port of another container', wanted('web', podmanSpec({ ports: [port(80, '192.0.2.1')] })), [seenContainer('old', podmanSpec({ ports: [port(80)] }))], {}, [['CONTAINER_PORT', { host: 'box', value: '80/tcp of 192.0.2.1', rule: 'container "old" has it' }]]],
    ['a port of another program', wanted('web', podmanSpec({ ports: [port(80), port(53, '192.0.2.1', 'udp')] })), [], { listening: [tcp(80, '::'), tcp(53, '0.0.0.0')] }, [['CONTAINER_PORT', { host: 'box', value: '80/tcp of 0.0.0.0', rule: 'another program of the host listens on ::' }]]],
    ['the policy', wanted('web', podmanSpec({ volumes: [{ folder: '/etc', target: '/x', readOnly: true }], devices: ['/dev/null'], hostIds: true })), [], { deny: denyOf('container.write', 'container.image', 'container.port', 'container.volume', 'container.socket', 'container.device', 'container.host-ids', 'container.control') }, [
      ['POLICY_DENIED', { op: 'container.write', args: '{"name":"web","engine":"podman"}' }], ['POLICY_DENIED', { op: 'container.image', args: JSON.stringify({ image: testImage() }) }],
      ['POLICY_DENIED', { op: 'container.port', args: '{"port":"8080","address":"0.0.0.0"}' }], ['POLICY_DENIED', { op: 'container.volume', args: '{"folder":"/etc"}' }], ['POLICY_DENIED', { op: 'container.device', args: '{"name":"web","path":"/dev/null"}' }],
      ['POLICY_DENIED', { op: 'container.host-ids', args: '{"name":"web"}' }], ['POLICY_DENIED', { op: 'container.control', args: '{"name":"web"}' }],
    ]],
    ['the policy, of its network', wanted('web', podmanSpec({ ports: [], hostNetwork: true })), [], { deny: denyOf('container.host-network') }, [['POLICY_DENIED', { op: 'container.host-network', args: '{"name":"web"}' }]]],
    ['the policy, of its bridge', wanted('one', lxcSpec()), [], { deny: denyOf('container.bridge') }, [['POLICY_DENIED', { op: 'container.bridge', args: '{"bridge":"lxcbr0"}' }]]],
    ['the policy, of removing it', { presence: 'absent', name: 'web', removeVolumes: true }, [seenContainer('web', podmanSpec())], { deny: denyOf('container.remove') }, [['POLICY_DENIED', { op: 'container.remove', args: '{"name":"web","volumes":"yes"}' }]]],
    ['the policy, of taking it over', wanted('web', podmanSpec(), { adopt: true }), [foreignContainer('web')], { deny: denyOf('container.adopt') }, [['POLICY_DENIED', { op: 'container.adopt', args: '{"name":"web"}' }]]],
    ['the policy, of letting go of it', { presence: 'released', name: 'web' }, [seenContainer('web', podmanSpec())], { deny: denyOf('container.release') }, [['POLICY_DENIED', { op: 'container.release', args: '{}' }]]],
  ])('%s', (_what, row, containers, over, problems) => {
    expect(plan([row], containers, over).problems).toEqual(problems.map(([code, given]) => ({ code, fields: given })));
  });

  it.each<[string, Container, readonly ObservedContainer[], Partial<ContainerPlanInput>]>([
    ['its own sockets', wanted('web', podmanSpec({ stopSeconds: 1 })), [seenContainer('web', podmanSpec())], { listening: [tcp(8080, '0.0.0.0')] }],
    ['its own address', wanted('one', lxcSpec({ stopSeconds: 1 })), [seenContainer('one', lxcSpec())], {}],
    ['the same port of UDP, or of another address', wanted('web', podmanSpec({ ports: [port(80, '192.0.2.1')] })), [seenContainer('old', podmanSpec({ ports: [port(80, '192.0.2.2'), port(80, '0.0.0.0', 'udp')] }))], { listening: [tcp(80, '192.0.2.2')] }],
    ['a port of both protocols of the internet', wanted('web', podmanSpec({ ports: [port(80), port(80, '::')] })), [seenContainer('old', podmanSpec({ ports: [port(81)] }))], {}],
    ['a volume that the policy knows as a socket', wanted('web', podmanSpec({ volumes: [{ folder: '/run/x.sock', target: '/x', readOnly: false }] })), [], { deny: denyOf('container.volume') }],
    ['a bridge that has no address of its own', wanted('one', lxcSpec({ bridge: 'vmbr0', address: '192.0.2.7/24', gateway: '' })), [], {}],
  ])('is not %s', (_what, row, containers, over) => {
    expect(plan([row], containers, over)).toMatchObject({ problems: [], changes: [{}] });
  });

  it('is an address or a port that two of a request want', () => {
    expect(plan([wanted('a', lxcSpec()), wanted('b', lxcSpec())], []).problems.map(({ code, fields: { rule, remedy } }) => [code, rule, remedy])).toEqual([
      ['CONTAINER_ADDRESS', 'container "b" has it', '10.0.3.8/24 is free.'], ['CONTAINER_ADDRESS', 'container "a" has it', '10.0.3.8/24 is free.'],
    ]);
    expect(plan([wanted('a', podmanSpec()), wanted('b', podmanSpec())], []).problems.map(({ code }) => code)).toEqual(['CONTAINER_PORT', 'CONTAINER_PORT']);
  });
});

describe('sets of containers', () => {
  const spec = fc.oneof(
    fc.record({ letter: fc.constantFrom('a', 'b'), running: fc.boolean(), boot: fc.boolean(), colour: fc.constantFrom(undefined, '', 'blue'), memory: fc.constantFrom(undefined, 2 ** 26, 2 ** 27), stop: fc.constantFrom(10, 20) }).map(({ letter, running, boot, colour, memory, stop }) =>
      podmanSpec({ image: testImage('web', letter), running, boot: running && boot, ports: [], environment: colour === undefined ? [] : [{ name: 'COLOUR', value: colour }], limits: limits({ memory }), stopSeconds: stop })),
    fc.record({ running: fc.boolean(), cpu: fc.constantFrom(undefined, 50), gateway: fc.constantFrom('', '10.0.3.1') }).map(({ running, cpu, gateway }) => lxcSpec({ running, boot: false, address: '', gateway: '', limits: limits({ cpu }), bridge: gateway === '' ? 'lxcbr0' : 'vmbr0' })),
  );
  const rows = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), spec), { selector: ([name]) => name });

  /** What a host is like once a plan is made. */
  function made(before: readonly ObservedContainer[], { steps }: Plan): readonly ObservedContainer[] {
    const now = new Map(before.map((container) => [container.name, container]));
    for (const { verb, request } of steps) {
      const name = String(request['name']);
      if (verb === 'container.remove') now.delete(name);
      else if (verb === 'container.release') now.set(name, { ...(now.get(name) ?? foreignContainer(name)), managed: false, spec: undefined });
      else {
        const next = seenContainer(name, parseContainerText(String(request['spec'])));
        // What is neither started nor stopped does as it did.
        const state = request['action'] === 'none' || request['action'] === 'limit' ? (now.get(name)?.state ?? 'stopped') : next.state;
        now.set(name, { ...next, state });
      }
    }
    return [...now.values()];
  }

  it('are as wanted after their plan, of which a second one finds nothing to do', () => {
    fc.assert(fc.property(rows, rows, (first, then) => {
      const before = made([], plan(first.map(([name, of]) => wanted(name, of)), []));
      const engineOf = new Map(first.map(([name, { engine }]) => [name, engine]));
      const all: Container[] = [
        ...then.filter(([name, { engine }]) => (engineOf.get(name) ?? engine) === engine).map(([name, of]) => wanted(name, of)),
        ...first.filter(([name]) => !then.some(([other]) => other === name)).map(([name]): Container => ({ presence: 'absent', name, removeVolumes: false })),
      ];
      const made1 = plan(all, before);
      expect(made1.problems).toEqual([]);
      const after = made(before, made1);
      for (const row of all) {
        const now = after.find(({ name }) => name === row.name);
        if (row.presence !== 'present') expect(now).toBeUndefined();
        else expect(now === undefined ? '' : formatContainerText(now.spec ?? lxcSpec())).toBe(formatContainerText(row.spec));
      }
      expect(plan(all, after)).toEqual({ steps: [], changes: [], problems: [], notes: [] });
    }), { numRuns: 300 });
  });
});
