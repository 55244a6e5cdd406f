import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { systemClock } from '../../shared/kit/clock.js';
import { createLog } from '../../shared/kit/log.js';
import { parseEndpoint } from '../../shared/model/host.js';
import type { LinkKind } from '../../shared/model/link.js';
import type { Channel } from '../../shared/rpc/client.js';
import type { Fleet } from '../fleet/fleet.js';
import { openDatabase, type Database } from '../inventory/database.js';
import { openHistory } from '../inventory/history.js';
import { addHost, getHost, setJoined } from '../inventory/host.js';
import { createAuthority, type Authority } from '../pki/authority.js';
import type { World } from '../world.js';
import type { Confirmation, Waiting, Watch } from './guard.js';
import { natGuard } from './nat-guard.js';
import type { Applied, Destination, Unconfirmed } from './noun.js';
import { createWaits } from './wait.js';

const auto: Confirmation = { manual: false, timeoutMs: undefined };
const manual: Confirmation = { manual: true, timeoutMs: undefined };
const digest = Buffer.alloc(32, 7);
const applied: Applied = { changes: [{ kind: 'create', noun: 'nat', subject: 'tcp/8080', fields: [] }], digest, policyDigest: digest, held: undefined, settle: () => undefined, sshPorts: [22] };

/** How a host behaves. */
interface Behaviour {
  connected: boolean;
  capabilities: string[];
  /** Whether new connections to its agent succeed. */
  answers: boolean;
  /** What it says of sshd's ports that it is asked to look at; undefined: its policy does not let it look. */
  sees: ((port: number) => boolean) | undefined;
  /** What it says of its own forwards. */
  state: 'pending' | 'confirmed' | 'gone';
  confirms: 'ok' | 'unknown' | 'silent';
}

let authority: Authority;
beforeAll(() => {
  authority = createAuthority(mkdtempSync(join(tmpdir(), 'reeve-guard-')), '3f0c1a52-7d0e-4b55-9a3c-5a8a3f2c9d10', Date.now());
});

let db: Database;
let world: World;
let own: string[];
let hosts: Map<string, Behaviour>;
let confirmed: string[];
let hungUp: string[];
let offsetMs: number;

beforeEach(() => {
  db = openDatabase(':memory:');
  own = [];
  hosts = new Map();
  confirmed = [];
  hungUp = [];
  offsetMs = 0;
  world = { db, history: openHistory(':memory:', { log: createLog('test', 'silent') }), authority, clock: systemClock, log: createLog('test', 'silent'), linkDir: '/nowhere', epoch: 1, ownAddresses: () => own, waits: createWaits() };
});

/** Adds a host that has joined and is connected. Its id is its name, padded. */
function host(name: string, more: { parent?: string; address?: string; link?: LinkKind } & Partial<Behaviour> = {}): void {
  const { parent, address = `192.0.2.${String(hosts.size + 1)}`, link, ...behaviour } = more;
  addHost(db, { id: idOf(name), name, endpoint: parseEndpoint(address, 7420), parentId: parent === undefined ? undefined : idOf(parent), ...(link === undefined ? {} : { link }), now: 1 });
  setJoined(db, idOf(name), { now: 1, from: undefined, agentVersion: '0.3.0', machineHint: undefined });
  hosts.set(idOf(name), { connected: true, capabilities: ['nat', 'reach'], answers: true, sees: () => true, state: 'pending', confirms: 'ok', ...behaviour });
}

const idOf = (name: string): string => name.padEnd(36, '-');
const behaviour = (hostId: string): Behaviour => hosts.get(hostId) ?? { connected: false, capabilities: [], answers: false, sees: undefined, state: 'gone', confirms: 'silent' };

const fleet = {
  live: (hostId: string) => ({ state: behaviour(hostId).connected ? 'connected' : 'lost', lastSeenMs: 1, clockOffsetMs: offsetMs, status: { capabilities: behaviour(hostId).capabilities } }),
  hangUp: (hostId: string) => void hungUp.push(hostId),
  link: (hostId: string) => ({ kind: 'direct', open: () => Promise.resolve(channelTo(hostId)) }),
  call: (to: { id: string; name: string }, _service: string, method: string, request: { port: number }) => {
    const of = behaviour(to.id);
    if (!of.connected) return Promise.reject(reeveError('HOST_UNREACHABLE', { host: to.name, reason: 'it is lost' }));
    if (method === 'ObserveNat') return Promise.resolve({ state: of.state === 'gone' ? 'absent' : of.state, digest });
    return of.sees === undefined ? Promise.reject(reeveError('POLICY_DENIED', {})) : Promise.resolve({ open: of.sees(request.port), reason: '' });
  },
} as unknown as Fleet;

function channelTo(hostId: string): Channel {
  const unary = (_service: string, method: string): Promise<unknown> => {
    const of = behaviour(hostId);
    if (!of.answers) return Promise.reject(reeveError('HOST_UNREACHABLE', { host: hostId, reason: 'no answer' }));
    if (method !== 'Confirm') return Promise.resolve({ status: null });
    if (of.confirms === 'silent') return Promise.reject(reeveError('HOST_UNREACHABLE', { host: hostId, reason: 'no answer' }));
    if (of.confirms === 'unknown') return Promise.reject(reeveError('CONFIRM_UNKNOWN', {}));
    confirmed.push(hostId);
    of.state = 'confirmed';
    return Promise.resolve({});
  };
  return { unary, close: () => undefined } as unknown as Channel;
}

function to(name: string): Destination {
  const row = getHost(db, idOf(name));
  if (row === undefined) throw new Error(`no host ${name}`);
  return { world, fleet, host: row };
}

const set = (name: string, change: Partial<Behaviour>): void => void Object.assign(behaviour(idOf(name)), change);

function change(watch: Watch, more: Partial<Unconfirmed> & { leftMs?: number } = {}): Unconfirmed & { heard: Waiting[] } {
  const heard: Waiting[] = [];
  const pending = { operationId: 'op', noun: 'nat', deadlineMs: Date.now() + (more.leftMs ?? 5_000) };
  return { applied, pending, watch, resumed: false, signal: new AbortController().signal, waiting: (waiting) => void heard.push(waiting), ...more, heard };
}

/** Before the change, on vm1. */
const before = (confirmation = auto): Promise<Watch> => natGuard.prepare(to('vm1'), applied, confirmation);
const reverted = (reason: string): Error => expect.objectContaining({ code: 'CONFIRM_REVERTED', fields: { noun: 'nat', host: 'vm1', reason } }) as Error;
/** The host takes it back by itself. */
const takesBackIn = (ms: number): void => void setTimeout(() => set('vm1', { state: 'gone' }), ms);

describe('before a change', () => {
  it('notes the connected agents behind the host, at whatever depth, and who sees its sshd', async () => {
    host('vm1', { address: '192.0.2.50' });
    host('web1', { parent: 'vm1' });
    host('inner', { parent: 'web1' });
    host('lost', { parent: 'vm1', connected: false });
    host('far');
    expect(await before()).toEqual({ manual: false, agents: [idOf('inner'), idOf('web1')], sights: [{ from: idOf('far'), address: '192.0.2.50', port: 22 }] });
  });

  it('asks another when one sees nothing or may not look, and requires nothing where sshd was not open', async () => {
    host('vm1', { address: '192.0.2.50' });
    host('a', { sees: () => false });
    host('b', { sees: undefined });
    host('c');
    expect((await before()).sights).toEqual([{ from: idOf('c'), address: '192.0.2.50', port: 22 }]);
    set('c', { sees: () => false });
    // 192.0.2.0/24 is nobody's: the coordinator sees nothing there either.
    expect((await before()).sights).toEqual([]);
  });

  it.each([['the host itself', 'vm1'], ['a host behind it', 'web1'], ['a host behind that', 'inner']])('knows that the coordinator is %s', async (_name, at) => {
    host('vm1', { address: '192.0.2.50' });
    host('web1', { parent: 'vm1', address: '192.0.2.51' });
    host('inner', { parent: 'web1', address: '192.0.2.52' });
    for (let index = 0; index < 25; index += 1) host(`other${String(index).padStart(2, '0')}`);
    expect((await before()).agents).toHaveLength(2);
    own = [to(at).host.endpoint?.address ?? ''];
    expect((await before()).agents).toHaveLength(22);
  });

  it('refuses when the coordinator is behind the host and nobody outside can look, unless a person confirms', async () => {
    host('vm1', { address: '192.0.2.50' });
    host('web1', { parent: 'vm1', address: '192.0.2.51' });
    host('old', { capabilities: ['nat'] });
    own = ['192.0.2.51'];
    const refused = expect.objectContaining({ code: 'NAT_NO_WITNESS' }) as Error;
    expect(() => natGuard.require(to('vm1'), auto)).toThrow(refused);
    await expect(before()).rejects.toThrow(refused);
    expect(() => natGuard.require(to('vm1'), manual)).not.toThrow();
    expect(await before(manual)).toMatchObject({ manual: true, sights: [] });
    host('denied', { sees: undefined });
    expect(() => natGuard.require(to('vm1'), auto), 'it looks as if it could').not.toThrow();
    await expect(before()).rejects.toThrow(refused);
    own = [];
    expect(() => natGuard.require(to('vm1'), auto), 'the coordinator itself looks').not.toThrow();
  });
});

describe('after a change', () => {
  beforeEach(() => {
    host('vm1', { address: '192.0.2.50' });
    host('web1', { parent: 'vm1' });
    host('web3', { parent: 'vm1', link: 'dial-out' });
    host('web2');
  });

  it('confirms when all answer again, and says at once that it waits', async () => {
    const made = change(await before());
    await natGuard.confirm(to('vm1'), made);
    expect(confirmed).toEqual([idOf('vm1')]);
    expect(made.heard[0]).toMatchObject({ missing: [], manual: false });
    expect(hungUp, 'what was dialled in before proves nothing').toEqual(expect.arrayContaining([idOf('web3'), idOf('vm1')]));
  });

  it('waits for what is not back yet, and says what', async () => {
    const watch = await before();
    set('web3', { answers: false });
    setTimeout(() => set('web3', { answers: true }), 1_200);
    const made = change(watch);
    await natGuard.confirm(to('vm1'), made);
    expect(made.heard.flatMap(({ missing }) => missing)).toContain('agent web3 unreachable');
    expect(confirmed).toEqual([idOf('vm1')]);
  });

  it('does not confirm when an agent stays away, and names it', async () => {
    const watch = await before();
    set('web3', { answers: false });
    takesBackIn(1_800);
    await expect(natGuard.confirm(to('vm1'), change(watch, { leftMs: 1_500 }))).rejects.toThrow(reverted('agent web3 unreachable'));
    expect(confirmed).toEqual([]);
  });

  it('does not confirm when sshd is closed for who saw it open, and names all that is missing', async () => {
    const watch = await before();
    set('web2', { sees: () => false });
    set('web1', { answers: false });
    takesBackIn(1_800);
    await expect(natGuard.confirm(to('vm1'), change(watch, { leftMs: 1_500 }))).rejects.toThrow(reverted('agent web1 unreachable, sshd at 192.0.2.50:22 is closed as seen from web2'));
    expect(confirmed).toEqual([]);
  });

  it('reckons with the clock of the host', async () => {
    offsetMs = 300_000;
    const made = change(await before(), { leftMs: 305_000 });
    await natGuard.confirm(to('vm1'), made);
    expect(made.heard[0]?.leftMs).toBeLessThanOrEqual(5_000);
    expect(made.heard[0]?.leftMs).toBeGreaterThan(3_000);
  });

  it('is told by the host that it was taken back', async () => {
    set('vm1', { confirms: 'unknown' });
    await expect(natGuard.confirm(to('vm1'), change(await before()))).rejects.toThrow(reverted('it was taken back before it could be confirmed'));
  });

  it('names the host itself when it cannot be reached any more, and does not know when it never is again', async () => {
    const watch = await before();
    set('vm1', { confirms: 'silent' });
    takesBackIn(1_500);
    await expect(natGuard.confirm(to('vm1'), change(watch, { leftMs: 1_200 }))).rejects.toThrow(reverted('agent vm1 unreachable'));
    // The confirmation arrived, its answer did not.
    set('vm1', { confirms: 'silent', state: 'confirmed' });
    await expect(natGuard.confirm(to('vm1'), change(watch, { leftMs: 600 }))).resolves.toBeUndefined();
  });

  it('ends when the coordinator does, without having confirmed', async () => {
    const watch = await before();
    set('web3', { answers: false });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    await expect(natGuard.confirm(to('vm1'), change(watch, { signal: stop.signal, leftMs: 60_000 }))).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(confirmed).toEqual([]);
  });

  it('waits for a person where one is to confirm it, whatever answers', async () => {
    const watch = await before(manual);
    set('web3', { answers: false });
    const made = change(watch);
    const done = natGuard.confirm(to('vm1'), made);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(confirmed).toEqual([]);
    expect(await world.waits.agree(to('vm1').host, 'nat')).toBe('op');
    await done;
    expect(confirmed).toEqual([idOf('vm1')]);
    expect(made.heard[0]).toMatchObject({ manual: true });
    await expect(world.waits.agree(to('vm1').host, 'nat')).rejects.toMatchObject({ code: 'CONFIRM_UNKNOWN' });
  });

  it('takes no answer of a person for a no', async () => {
    takesBackIn(900);
    await expect(natGuard.confirm(to('vm1'), change(await before(manual), { leftMs: 700 }))).rejects.toThrow(reverted('nobody confirmed it'));
  });

  it.each<[Behaviour['state'], string]>([['confirmed', 'is done'], ['gone', 'was taken back'], ['pending', 'is confirmed as if nothing had happened']])('that another process made and its host says is %s %s', async (state) => {
    const watch = await before();
    set('vm1', { state });
    const resumed = natGuard.confirm(to('vm1'), change(watch, { resumed: true }));
    if (state === 'gone') await expect(resumed).rejects.toMatchObject({ code: 'CONFIRM_REVERTED' });
    else await resumed;
    expect(confirmed).toEqual(state === 'pending' ? [idOf('vm1')] : []);
  });
});
