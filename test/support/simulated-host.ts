import { createHash } from 'node:crypto';
import type { Host, HostPart } from '../../agent/host/host.js';
import { reeveError } from '../../shared/errors/error.js';
import { userFloors, type PrivdReply, type PrivdRequest, type PrivdVerbName } from '../../shared/gen/privd.js';
import { systemClock, type Clock } from '../../shared/kit/clock.js';
import type { Facts } from '../../shared/model/fact.js';
import { evaluatePolicy, parsePolicy } from '../../shared/model/policy.js';
import type { ObservedUser } from '../../shared/model/user.js';
import { staleness } from '../../agent/key/stamp.js';
import { parseKeyLine, rsaBits } from '../../shared/model/key.js';
import { formatEndpoint } from '../../shared/model/host.js';
import { answerCertVerb, createSimulatedCerts, type SimulatedCerts } from './simulated-cert.js';
import { answerContainerVerb, createSimulatedContainers, openSimulatedContainerJob, type SimulatedContainers } from './simulated-container.js';
import { answerNatVerb, createSimulatedNat, pendingNat, type SimulatedNat } from './simulated-nat.js';
import { answerKeyVerb, createSimulatedKeys, type SimulatedKeys } from './simulated-key.js';
import { answerUnitVerb, createSimulatedUnits, openSimulatedUnitJob, type SimulatedUnits } from './simulated-unit.js';
import { answerSite, answerVhostVerb, createSimulatedVhosts, type SimulatedVhosts } from './simulated-vhost.js';

/** What a simulated host is made of. */
export interface SimulatedHostOptions {
  /** Text of its policy; default: everything there is. */
  readonly policy?: string;
  /** Accounts that are there from the start. */
  readonly users?: readonly ObservedUser[];
  readonly groups?: readonly string[];
  readonly clock?: Clock;
  /** How long each verb of the helper takes, ms; default 0: it answers at once. */
  readonly helperMs?: number;
  readonly hostname?: string;
}

/** A host in memory: the helper's verbs on a list of accounts. Everything above it (TLS, access, engine, journal) is the real thing. */
export interface SimulatedHost extends Host {
  /** Accounts by name; tests may change them, and call touch() then. */
  readonly users: Map<string, ObservedUser>;
  readonly groups: Set<string>;
  /** Folders in /home. */
  readonly homes: Set<string>;
  readonly keys: SimulatedKeys;
  readonly nat: SimulatedNat;
  readonly certs: SimulatedCerts;
  readonly vhosts: SimulatedVhosts;
  readonly containers: SimulatedContainers;
  readonly units: SimulatedUnits;
  /** Every verb that was called, oldest first, with the name it was about. */
  readonly calls: string[];
  setPolicy(text: string): void;
  /** Writes the file of local holds; undefined: there is none. */
  setHolds(text: string | undefined): void;
  /** Makes the next calls of a verb fail; undefined: no more. A verb that fails does nothing. */
  fail(verb: PrivdVerbName, error: Error | undefined): void;
  /** Tells watchers that a part was touched. */
  touch(part: HostPart): void;
}

/** Allows every operation with every value that can be listed. */
export const openPolicy = `version 1
allow fact.read
allow observe.user
allow user.add uid=1000-4294967294
allow user.set shell=/bin/bash,/bin/sh,/bin/zsh,/usr/sbin/nologin,/bin/false
allow user.lock
allow user.unlock
allow user.remove
allow user.adopt system=no,yes
allow user.release
allow relay address=* port=1-65535
allow group.member group=audio,games,sudo,users,video,www-data
allow observe.key
allow key.put root-keys=no,yes
allow key.remove
allow key.purge
allow key.sshd
allow key.release
allow session.end
allow observe.nat
allow nat.apply
allow nat.forward to=*
allow nat.masquerade source=*
allow nat.adopt
allow nat.release
allow observe.cert
allow cert.write group=ssl-cert
allow cert.unit unit=postfix.service,dovecot.service
allow cert.release
allow observe.vhost
allow vhost.write wildcard=no,yes
allow vhost.serve
allow vhost.proxy to=*
allow vhost.socket path=/*
allow vhost.adopt
allow vhost.release
allow proxy.reload
allow reach.check
allow observe.container
allow container.write
allow container.image
allow container.import
allow container.port port=1-65535
allow container.volume folder=/srv/*
allow container.bridge bridge=br0,lxcbr0
allow container.control
allow container.log
allow container.snapshot
allow container.remove volumes=no,yes
allow container.prune
allow container.adopt
allow container.release
allow unit.status
allow unit.status unit=web.service,db.service
allow unit.restart unit=web.service,ssh.service
allow unit.log
allow unit.log unit=web.service
`;

/** A new simulated host. */
export function createSimulatedHost(options: SimulatedHostOptions = {}): SimulatedHost {
  const users = new Map((options.users ?? []).map((user) => [user.name, user]));
  const groups = new Set(options.groups ?? ['audio', 'games', 'sudo', 'users', 'video', 'www-data']);
  const homes = new Set([...users.values()].filter((user) => user.home.startsWith('/home/')).map((user) => user.name));
  const usedUids = new Set([...users.values()].map((user) => user.uid));
  const failing = new Map<PrivdVerbName, Error>();
  const watchers = new Set<(part: HostPart) => void>();
  const calls: string[] = [];
  const keys = createSimulatedKeys();
  const nat = createSimulatedNat();
  const certs = createSimulatedCerts();
  const vhosts = createSimulatedVhosts();
  const containers = createSimulatedContainers();
  const units = createSimulatedUnits();
  const clock = options.clock ?? systemClock;
  let policyText = options.policy ?? openPolicy;
  let version = 0;
  let keyVersion = 0;
  let certVersion = 0;
  let siteVersion = 0;
  let containerVersion = 0;
  let policyVersion = 0;
  let holdText: string | undefined;
  let holdVersion = 0;

  const touch = (part: HostPart): void => {
    if (part === 'policy') policyVersion += 1;
    else if (part === 'hold') holdVersion += 1;
    else if (part === 'keys') keyVersion += 1;
    else if (part === 'certs') certVersion += 1;
    else if (part === 'vhost') siteVersion += 1;
    else if (part === 'container') containerVersion += 1;
    else version += 1;
    for (const onTouched of watchers) onTouched(part);
  };
  const machine: Machine = { users, groups, homes, usedUids, keys, nat, certs, vhosts, containers, units, clock, policy: () => policyText };

  return {
    users,
    groups,
    homes,
    keys,
    nat,
    certs,
    vhosts,
    containers,
    units,
    calls,
    clock,
    helper: {
      async call(verb, operationId, request) {
        const { name } = request as { name?: string };
        calls.push(name === undefined ? verb : `${verb} ${name}`);
        if (options.helperMs !== undefined && options.helperMs > 0) await new Promise((resolve) => setTimeout(resolve, options.helperMs));
        const error = failing.get(verb);
        if (error !== undefined) throw error;
        const before = JSON.stringify([...users.values()]);
        const reply = answer(machine, { verb, operationId, request });
        if (verb.startsWith('cert.')) touch('certs');
        if (/^container\.(?:put|settle|release)$/.test(verb)) touch('container');
        if (/^vhost\.(?:apply|settle|release)$/.test(verb)) touch('vhost');
        if (/^(?:key|pending\.confirm|session\.end)/.test(verb)) touch('keys');
        if (!verb.startsWith('observe') && verb !== 'status.get' && JSON.stringify([...users.values()]) !== before) touch('accounts');
        return reply;
      },
    },
    readPolicy: () => ({ kind: 'text', text: policyText, digest: createHash('sha256').update(policyText).digest() }),
    readHolds: () => (holdText === undefined ? { kind: 'none' } : { kind: 'text', text: holdText }),
    readAccounts: () => ({
      passwd: [{ name: 'root', uid: 0 }, ...[...users.values()].filter((user) => user.present).map(({ name, uid }) => ({ name, uid }))],
      groups,
      shells: new Set(['/bin/bash', '/bin/sh', '/bin/zsh']),
    }),
    homeExists: (name) => homes.has(name),
    readFacts: () => Promise.resolve(factsOf(clock, options.hostname ?? 'simulated')),
    readVolumes: () => Promise.resolve([{ path: '/var', state: 'ok' }]),
    readNetwork: () => nat.network,
    hasIpv6: () => true,
    readBootFiles: () => nat.bootFiles,
    readOwnPorts: () => nat.ownPorts,
    readListening: () => containers.listening,
    readAdvertised: () => nat.advertised,
    checkReach: (address, port) => Promise.resolve(nat.reachable.has(formatEndpoint({ address, port })) ? '' : 'refused'),
    openJob: (ticket, program) =>
      program === 'container' ? openSimulatedContainerJob(containers, ticket) : program === 'unit' ? openSimulatedUnitJob(units, ticket) : Promise.reject(reeveError('HELPER_UNREACHABLE', { reason: 'a simulated host copies nothing' })),
    askSite: (ask) => Promise.resolve(answerSite(vhosts, ask)),
    freePorts: (count) => Promise.resolve(Array.from({ length: count }, (_none, n) => 40_001 + n)),
    bootId: () => '00000000-0000-4000-8000-000000000000',
    bootMark: () => 'this boot',
    monotonicMs: () => Math.round(clock.monotonic()),
    stamp: (part) => String({ policy: policyVersion, hold: holdVersion, accounts: version, keys: keyVersion, certs: certVersion, vhost: siteVersion, container: containerVersion, nat: 0, own: 0 }[part]),
    watch(onTouched) {
      watchers.add(onTouched);
      return { close: () => void watchers.delete(onTouched) };
    },
    setPolicy(text) {
      policyText = text;
      touch('policy');
    },
    setHolds(text) {
      holdText = text;
      touch('hold');
    },
    fail(verb, error) {
      if (error === undefined) failing.delete(verb);
      else failing.set(verb, error);
    },
    touch,
  };
}

interface Machine {
  readonly users: Map<string, ObservedUser>;
  readonly groups: Set<string>;
  readonly homes: Set<string>;
  readonly usedUids: Set<number>;
  readonly keys: SimulatedKeys;
  readonly nat: SimulatedNat;
  readonly certs: SimulatedCerts;
  readonly vhosts: SimulatedVhosts;
  readonly containers: SimulatedContainers;
  readonly units: SimulatedUnits;
  readonly clock: Clock;
  readonly policy: () => string;
}

function answer<V extends PrivdVerbName>(machine: Machine, { verb, operationId, request }: { verb: V; operationId: string; request: PrivdRequest<V> }): PrivdReply<V> {
  const asked = request as unknown as Readonly<Record<string, string | number | boolean | undefined>>;
  if (verb === 'status.get') return statusReply(machine);
  const name = String(asked['name'] ?? '');
  const user = machine.users.get(name);
  checkPolicy(machine, verb, asked, user);
  const exists = (account: string): boolean => account === 'root' || machine.users.get(account)?.present === true;
  const nat = answerNatVerb({ nat: machine.nat, now: () => machine.clock.now() }, verb, operationId, asked);
  if (nat !== undefined) return nat as PrivdReply<V>;
  const sites = answerVhostVerb(machine, verb, operationId, asked);
  if (sites !== undefined) return sites as PrivdReply<V>;
  const containers = answerContainerVerb(machine.containers, verb, asked);
  if (containers !== undefined) return containers as PrivdReply<V>;
  const units = answerUnitVerb(machine.units, verb, asked);
  if (units !== undefined) return units as PrivdReply<V>;
  const certs = answerCertVerb(machine, verb, asked);
  if (certs !== undefined) return certs as PrivdReply<V>;
  const keys = answerKeyVerb({ keys: machine.keys, exists, now: () => machine.clock.now() }, verb, operationId, asked);
  if (keys !== undefined && verb === 'pending.get') return joined(keys as PrivdReply<'pending.get'>, pendingNat(machine.nat));
  if (keys !== undefined) return keys as PrivdReply<V>;
  return change(machine, verb, asked, { name, user }) as PrivdReply<V>;
}

function joined(a: PrivdReply<'pending.get'>, b: PrivdReply<'pending.get'>): PrivdReply<'pending.get'> {
  return { change: [...a.change, ...b.change], reverted: [...a.reverted, ...b.reverted] };
}

function change(machine: Machine, verb: PrivdVerbName, asked: Readonly<Record<string, string | number | boolean | undefined>>, subject: { name: string; user: ObservedUser | undefined }): object {
  const { users } = machine;
  const { name, user } = subject;
  const ours = (): ObservedUser => {
    if (user === undefined) throw reeveError('USER_ABSENT', { value: name });
    if (user.marker === '') throw reeveError('USER_FOREIGN', { value: name });
    return user;
  };
  switch (verb) {
    case 'observe.user':
      return { user: [...users.values()].filter((known) => asked['scope'] === 'all' || known.marker !== '').map(({ groups, ...rest }) => ({ ...rest, group: [...groups].sort() })) };
    case 'user.add':
      return addUser(machine, asked, subject);
    case 'user.set':
      users.set(name, { ...ours(), ...(asked['shell'] === undefined ? {} : { shell: String(asked['shell']) }), ...(asked['comment'] === undefined ? {} : { comment: String(asked['comment']) }) });
      return {};
    case 'user.lock':
    case 'user.unlock':
      users.set(name, { ...ours(), locked: verb === 'user.lock' });
      return {};
    case 'user.remove': {
      if (user === undefined) return { trash: '', ended: 0 };
      if (ours().marker.startsWith('adopted')) throw reeveError('USER_PROTECTED', { value: name, rule: 'adopted: keys and lock only' });
      users.delete(name);
      if (asked['keepHome'] !== true) machine.homes.delete(name);
      return { trash: asked['keepHome'] === true ? '' : `${name}.1`, ended: 0 };
    }
    case 'user.adopt': {
      if (user === undefined) throw reeveError('USER_ABSENT', { value: name });
      const marker = user.marker !== '' ? user.marker : user.uid < userFloors.minUid ? 'adopted-keys' : 'adopted';
      users.set(name, { ...user, marker });
      return { marker };
    }
    case 'user.release':
      if (user !== undefined) users.set(name, { ...user, marker: '' });
      return {};
    case 'group.member': {
      const group = String(asked['group']);
      const others = ours().groups.filter((known) => known !== group);
      if (asked['action'] === 'add' && !machine.groups.has(group)) throw reeveError('GROUP_ABSENT', { value: group });
      users.set(name, { ...ours(), groups: asked['action'] === 'add' ? [...others, group].sort() : others });
      return {};
    }
    default:
      return {};
  }
}

function addUser(machine: Machine, asked: Readonly<Record<string, string | number | boolean | undefined>>, subject: { name: string; user: ObservedUser | undefined }): { uid: number } {
  const { name, user } = subject;
  if (user?.marker === '') throw reeveError('USER_FOREIGN', { value: name });
  if (user?.present === true && user.marker !== 'adding') return { uid: user.uid };
  const kind = asked['kind'] === 'system' ? 'system' : 'home';
  let uid = Number(asked['uid'] ?? user?.uid ?? 20000);
  while (asked['uid'] === undefined && user === undefined && machine.usedUids.has(uid)) uid += 1;
  if ([...machine.users.values()].some((other) => other.name !== name && other.uid === uid && other.present)) throw reeveError('USER_UID_TAKEN', { value: String(uid), owner: 'somebody' });
  if (kind === 'home' && machine.homes.has(name) && user?.marker !== 'adding') throw reeveError('HOME_TAKEN', { value: `/home/${name}` });
  machine.usedUids.add(uid);
  if (kind === 'home') machine.homes.add(name);
  machine.users.set(name, {
    name, uid, gid: uid, shell: String(asked['shell']), comment: String(asked['comment'] ?? ''), home: kind === 'home' ? `/home/${name}` : '/nonexistent',
    groups: [], locked: false, marker: kind, present: true,
  });
  return { uid };
}

/** Verbs that work under any policy. */
const unasked: readonly PrivdVerbName[] = ['pending.get', 'pending.confirm', 'vhost.settle'];

/** Policy words of verbs of containers that are not the verb itself. */
const containerOperations: Readonly<Record<string, string>> = {
  'container.put': 'container.write', 'container.settle': 'container.write', 'container.secret': 'container.write', 'container.build': 'container.write', 'container.look': 'observe.container', 'container.pull': 'container.image',
};

/** The helper asks the policy for every verb. */
function checkPolicy(machine: Machine, verb: PrivdVerbName, asked: Readonly<Record<string, string | number | boolean | undefined>>, user: ObservedUser | undefined): void {
  if (unasked.includes(verb)) return;
  const parsed = parsePolicy(machine.policy());
  if (parsed.kind === 'problems') throw reeveError('POLICY_UNUSABLE', { reason: parsed.problems[0]?.text ?? '' });
  const text = (key: string): string | undefined => (asked[key] === undefined ? undefined : String(asked[key]));
  const system = user !== undefined && user.uid < userFloors.minUid ? 'yes' : 'no';
  const rootKeys = asked['name'] === 'root' ? 'yes' : 'no';
  const stale = verb === 'key.put' ? String(staleness(linesOf(asked['content']), machine.clock.now())) : undefined;
  const operation = verb === 'observe.sshd' || verb === 'observe.session' ? 'observe.key' : /^cert\.(?:key|put|remove)$/.test(verb) ? 'cert.write' : /^vhost\.(?:check|apply)$/.test(verb) ? 'vhost.write' : (containerOperations[verb] ?? verb);
  const values = { name: text('name') ?? text('cert'), uid: text('uid'), shell: text('shell'), kind: text('kind'), group: text('group'), system, 'root-keys': rootKeys, 'max-stale': stale };
  const units = (text('units') ?? text('unit'))?.split(',') ?? [undefined];
  for (const unit of units) {
    const verdict = evaluatePolicy(parsed.policy, operation, { ...values, unit });
    if (verdict.kind !== 'allow') throw reeveError('POLICY_DENIED', { op: verb, args: '', line: verdict.wanted });
  }
}

function linesOf(content: unknown): ReturnType<typeof parseKeyLine>[] {
  const text = content instanceof Uint8Array ? Buffer.from(content).toString('latin1') : '';
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => parseKeyLine(line, rsaBits.known));
}

function statusReply(machine: Machine): PrivdReply<'status.get'> {
  const parsed = parsePolicy(machine.policy());
  return {
    version: 'simulated', policyState: parsed.kind === 'policy' ? 'ok' : 'syntax', policyReason: parsed.kind === 'policy' ? '' : (parsed.problems[0]?.text ?? ''),
    policyDigest: createHash('sha256').update(machine.policy()).digest(), auditSeq: 1, auditHead: Buffer.alloc(32, 1), kernel: '6.1.0-simulated',
    landlockAbi: 2, peerCheck: 'cred', openat2: true, seccomp: true, bootId: '00000000-0000-4000-8000-000000000000', auditState: 'ok',
  };
}

function factsOf(clock: Clock, hostname: string): Facts {
  const gib = 2 ** 30;
  return {
    gatheredAt: clock.now(), hostname, os: 'Debian GNU/Linux 12 (bookworm)', osId: 'debian 12', kernel: '6.1.0-simulated', arch: 'x86_64', cpuModel: 'Simulated', cpuCount: 2,
    load: [0, 0, 0], memoryTotalBytes: 4 * gib, memoryAvailableBytes: 3 * gib, swapTotalBytes: 0, swapFreeBytes: 0,
    disks: [{ mount: '/', type: 'ext4', totalBytes: 40 * gib, availableBytes: 30 * gib, inodesTotal: 2_621_440, inodesFree: 2_500_000 }], addresses: [{ interface: 'eth0', address: '198.18.0.2' }],
    uptimeS: 1000, bootId: '00000000-0000-4000-8000-000000000000', virtualization: 'none', agentVersion: 'simulated', machineHint: 'ab'.repeat(32),
    pressure: { cpuSome: 1.5, memorySome: 0.25, memoryFull: 0, ioSome: 3, ioFull: 2 }, rebootRequired: false,
  };
}
