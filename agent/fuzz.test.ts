import { pino } from 'pino';
import { expect, it } from 'vitest';
import { testKey } from '../test/support/test-key.js';
import { addForeignContainer } from '../test/support/simulated-container.js';
import { createSimulatedHost } from '../test/support/simulated-host.js';
import { ReeveError } from '../shared/errors/error.js';
import { newId } from '../shared/kit/id.js';
import { blobOf } from '../shared/model/key.js';
import { messageCodec } from '../shared/rpc/load.js';
import { makeSelfSigned } from './cert/self-signed.js';
import { createAgentCore } from './core.js';
import type { AppendFile } from './host/append.js';
import { decodeManifest, type ManifestStore } from './key/store.js';
import type { RelayList } from './relay/list.js';
import type { VhostStore } from './vhost/store.js';

/** Messages per run; REEVE_FUZZ_MESSAGES for longer ones. */
const messages = Number(process.env['REEVE_FUZZ_MESSAGES'] ?? '100000');

/** A small generator of its own: the same seed gives the same messages. */
function createRandom(seed: number): { below: (limit: number) => number; pick: <T>(list: readonly [T, ...T[]]) => T; list: <T>(most: number, make: () => T) => T[] } {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { below, pick: (list) => list[below(list.length)] ?? list[0], list: (most, make) => Array.from({ length: below(most + 1) }, make) };
}

const noFile = (): AppendFile => {
  let content = Buffer.alloc(0);
  return {
    get sizeBytes() { return content.length; },
    append: (text) => {
      const at = content.length;
      content = Buffer.concat([content, Buffer.from(text)]);
      return Promise.resolve(at);
    },
    read: (at, lengthBytes) => Promise.resolve(content.subarray(at, at + lengthBytes)),
    readAll: () => Promise.resolve(content),
    replace: (text) => Promise.resolve(void (content = Buffer.from(text))),
    close: () => Promise.resolve(),
  };
};

const noList = (): RelayList => {
  let children: RelayList['children'] = [];
  return {
    get children() { return children; },
    replace: (next) => void (children = next),
  };
};

const noManifests = (): ManifestStore => {
  let stored: ManifestStore['stored'];
  return {
    get stored() { return stored; },
    replace: (version, content, manifest) => void (stored = { version, content, manifest: manifest === undefined ? stored?.manifest : decodeManifest(manifest) }),
    forget: () => void (stored = undefined),
  };
};

const noVhosts = (): VhostStore => {
  let [texts, parked, trial]: [ReadonlyMap<string, string>, VhostStore['parked'], VhostStore['trial']] = [new Map(), [], undefined];
  return {
    get present() { return texts.size > 0; },
    texts: (shas) => new Map([...texts].filter(([sha]) => shas.has(sha))),
    keepTexts: (more, keep) => void (texts = new Map([...[...texts].filter(([sha]) => keep.has(sha)), ...more])),
    get parked() { return parked; },
    setParked: (next) => void (parked = next),
    get trial() { return trial; },
    setTrial: (next) => void (trial = next),
    forget: () => void ([texts, parked, trial] = [new Map(), [], undefined]),
  };
};

const nothingMore: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) };

it('answers every message with a response or an error of the catalogue, soon', async () => {
  const random = createRandom(Number(process.env['REEVE_FUZZ_SEED'] ?? '1'));
  const { pick, list, below } = random;
  const ids = Array.from({ length: 20 }, () => newId(Date.now()));
  const text = (good: readonly [string, ...string[]]): string =>
    below(25) > 0 ? pick(good) : pick(['', '-oProxyCommand=id', '../../etc/passwd', 'a\0b', 'x'.repeat(5000), '__proto__', 'constructor', '\u202eeve', '{host}', 'ada ', 'ADA', '0', "'; DROP TABLE", '\ud83d\ude00', '$(id)', 'a:b', 'root']);
  const number = (): number => pick([0, 1, 2, 3, 999, 1000, 20001, 65534, 65535, 2 ** 31, 2 ** 32 - 1]);
  const large = (): number => pick([0, 1, 2, 3, 5, 2 ** 32, Number.MAX_SAFE_INTEGER]);
  const user = (): object => ({
    name: text(['ada', 'bob', 'carol', 'dan', 'eve', 'fay', 'gus', 'ida', 'jon', 'kim', 'root', 'reeve-agent']), presence: pick([0, 1, 1, 1, 1, 2, 2, 3, 4, 6]), kind: pick([0, 1, 1, 1, 1, 2, 3, 5]), uid: pick([0, 0, 20005, 20006, number()]),
    shell: text(['/bin/bash', '/bin/sh', '/usr/sbin/nologin']), comment: text(['', 'Ada']), groups: list(3, () => text(['audio', 'sudo', 'video'])), keepHome: below(2) === 1,
  });
  let late = false;
  // Nobody listens on these ports, so that no message waits for an answer.
  const child = (): object => ({ hostId: text(ids as [string, ...string[]]), name: text(['web1', 'web2']), address: text(['127.0.0.1', '127.9.9.9', '::1']), port: pick([1, 1, 1, 1, number()]) });
  const intent = (): object | null => below(10) === 0 ? null : {
    mode: below(4), operationId: text([newId(Date.now()), pick(ids as [string, ...string[]]), newId(below(2 ** 40))]), generation: pick([0, 1, 2, 3, 3, 3]), epoch: pick([0, 1, 2, 2, 2, 2, 2, 2]),
    expectedDigest: pick([Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(32), Buffer.alloc(31)]), policyDigest: pick([Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(32), Buffer.alloc(1)]),
    // What was let go of is foreign from then on: only the last messages ask for it, so that the others meet managed accounts.
    release: late && below(4) === 0,
    confirmTimeout: pick([null, { seconds: large(), nanos: number() % 2 ** 31 }]),
  };
  const hostId = newId(Date.now());
  const line = (): object => ({
    key: below(4), comment: text(['ada: grant 1', 'ada via ops: grant 2', '']),
    options: pick<object | null>([null, null, { restrict: true }, { from: [text(['10.0.0.0/8', '192.0.2.1'])] }, { expiresAt: { seconds: large(), nanos: 0 } }]),
  });
  const manifest = (): object | null => below(20) === 0 ? null : {
    hostId: below(10) === 0 ? pick(ids as [string, ...string[]]) : hostId, version: pick([0, 1, 2, 3, 3, 3]), issuedAt: pick([null, { seconds: 1, nanos: 0 }, { seconds: 1, nanos: 0 }]),
    notAfter: { seconds: pick([0, 1, 9e9, 9e9, 9e9, 9e9]), nanos: 0 },
    keys: Array.from({ length: 4 }, (_none, index) => (below(30) === 0 ? { type: text(['ssh-rsa', 'ssh-dss']), blob: Buffer.alloc(below(80)) } : { type: 'ssh-ed25519', blob: blobOf(testKey(index)) })),
    users: [...new Set(list(3, () => text(['ida', 'ida', 'ada', 'root'])))].sort().map((name) => ({ user: name, lines: list(2, line), exclusive: below(10) === 0 })),
    removed: below(4) === 0 ? [{ fingerprint: Buffer.alloc(pick([32, 32, 31])), purge: below(2) === 1, endSessions: below(2) === 1 }] : [],
    breakGlass: below(10) === 0 ? [Buffer.alloc(pick([32, 32, 5]))] : [], force: below(2) === 1,
  };
  const range = (): object | null => pick<object | null>([null, { first: number(), last: number() }, { first: 8080, last: 8080 }, { first: 8000, last: 8009 }]);
  const forward = (): object => ({
    id: pick([1, 2, 3, number()]), protocol: pick([0, 1, 1, 1, 2, 7]), listenAddress: text(['', '', '192.0.2.10', 'fd00::1']), listenInterface: text(['', '', '', 'eth0', 'lo']), ports: range(),
    toAddress: text(['10.0.0.2', '10.0.0.2', 'fd00::2', '127.0.0.1']), toPorts: range(), sources: list(2, () => text(['198.51.100.0/24', '10.0.0.0/8', '0.0.0.0/0'])), hairpin: below(2) === 1, adopt: below(3) === 0,
  });
  const masquerade = (): object => ({ id: pick([1, 2, number()]), source: text(['10.0.0.0/24', 'fd00::/64', '10.0.0.1/24']), outInterface: text(['', 'eth0', 'any']), toAddress: text(['', '', '192.0.2.10']), adopt: false });
  const route = (): object => ({
    prefix: text(['/', '/', '/app', '/app/', '/.well-known/reeve-probe']),
    ...pick<object>([
      { status: { code: pick([200, 200, 404, 503, 999]), text: text(['ok', '"; return 444; "']) } }, { proxy: { to: { address: text(['127.0.0.1', '::1', '10.0.0.2']), port: number() }, tls: below(2) === 1, hostHeader: text(['', 'b.example.org']) }, stripPrefix: below(2) === 1 },
      { static: { folder: text(['/srv/www', '/srv/../etc']) } }, { redirect: { to: text(['https://example.org', '/x']), code: pick([301, 302, 200]), keepPath: below(2) === 1 } }, {},
    ]),
    headers: list(1, () => ({ name: text(['X-A', 'Content-Length']), value: text(['1']) })),
  });
  const site = (): object => ({
    name: text(['a.example.org', 'b.example.org', '*.example.org', 'single']), aliases: list(1, () => text(['www.a.example.org', 'c.example.org'])),
    listens: list(2, () => ({ address: text(['', '', '192.0.2.10']), port: pick([80, 80, 443, 8080, number()]), tls: below(3) === 0 })), defaultServer: below(5) === 0, redirectHttps: below(5) === 0, hstsS: pick([0, 0, 1]),
    routes: Array.from({ length: pick([1, 1, 1, 2, 0]) }, route), allow: list(1, () => text(['10.0.0.0/8', '10.0.0.1/8'])), title: text(['', 'Site']), maintenance: below(4) === 0, retryAfterS: pick([0, 0, 60]), overwrite: below(2) === 1,
  });
  const pair = makeSelfSigned({ names: ['a.example.org'], days: 90, now: Date.now() });
  const cert = (): object => ({
    name: text(['shop', 'mail', 'mail', '.x']), ...pick<object>([{ names: list(2, () => text(['a.example.org', '*.example.org', 'single'])), days: pick([0, 1, 90, number()]) }, { chainPem: pick([pair.certPem, pair.certPem + pair.certPem, pair.certPem.slice(0, 99), pair.keyPem]) }, { names: ['a.example.org'], days: 90 }]),
    group: text(['', '', 'users', 'ssl-cert']), units: list(1, () => text(['postfix.service', 'ssh.service', 'x'])), overwrite: below(2) === 1,
  });
  const image = (): string => text([`localhost/web@sha256:${'a'.repeat(64)}`, `localhost/web@sha256:${'a'.repeat(64)}`, `localhost/web@sha256:${'b'.repeat(64)}`, `localhost/web@sha256:${'c'.repeat(64)}`, 'localhost/web:1']);
  const container = (): object => {
    const engine = text(['podman', 'podman', 'lxc', 'pct']);
    const running = below(3) > 0;
    const rarely = <T>(usual: T, other: T): T => (below(20) === 0 ? other : usual);
    const spec = {
      engine, running, boot: rarely(running, true), stopSeconds: rarely(10, number()), idleSeconds: rarely(0, 5),
      limits: pick<object | null>([null, null, { memory: rarely(2 ** 26, large()), cpu: rarely(150, number()), tasks: engine === 'pct' ? 0 : 5 }, { memory: 2 ** 26, swap: large() }]),
      ...(engine === 'podman'
        ? {
            image: image(), command: list(2, () => text(['/bin/sh', 'serve'])), environment: list(1, () => ({ name: text(['COLOUR', 'SIZE', 'COLOUR', 'LD_PRELOAD']), value: text(['', 'blue']) })), secrets: rarely<object[]>([], list(1, () => ({ name: text(['token']), version: text(ids as [string, ...string[]]) }))),
            ports: list(1, () => ({ protocol: text(['tcp', 'tcp', 'udp']), address: text(['0.0.0.0', '::', '127.0.0.1']), port: rarely(pick([8080, 8081]), number()), inside: rarely(80, number()) })), volumes: list(1, () => ({ folder: text(['/srv/web', '/srv/web', '/etc']), target: text(['/data']), readOnly: below(2) === 1 })),
            devices: rarely<string[]>([], ['/dev/null']), hostNetwork: rarely(false, true), restart: text(['', 'no', 'on-failure']),
          }
        : { archive: engine === 'lxc' ? 'c'.repeat(64) : '', bridge: text(['lxcbr0', 'br9']), address: text(['10.0.3.7/24', '10.0.3.8/24', '10.0.3.1/24', '']), id: engine === 'pct' ? 101 : 0, template: engine === 'pct' ? 'local:vztmpl/a.tar.gz' : '', storage: engine === 'pct' ? 'local' : '' }),
    };
    return { name: text(['web', 'db', 'one', 'foreign', 'host']), presence: pick([0, 1, 1, 1, 1, 1, 2, 3, 7]), spec: below(20) === 0 ? null : spec, removeVolumes: below(2) === 1, overwrite: below(2) === 1, adopt: below(3) === 0 };
  };
  const named = (): object => ({ operationId: text([newId(Date.now())]), name: text(['web', 'db', 'one', 'foreign', 'nobody']) });
  const unit = (): string => text(['reeve-agent.service', 'shop.service', 'ssh.service', 'getty@.service', 'web']);
  const makers: Readonly<Record<string, () => object>> = {
    ApplyUser: () => ({ intent: intent(), users: list(3, user) }),
    ObserveUser: () => ({ all: below(2) === 1 }),
    SyncAuthorizedKeys: () => ({ intent: intent(), manifest: manifest() }),
    ObserveKey: () => ({ foreign: below(2) === 1, sessions: below(2) === 1 }),
    ApplyRelease: () => ({ intent: intent() }),
    GetFact: () => ({}),
    ApplyRelay: () => ({ intent: intent(), children: list(3, child) }),
    Relay: () => pick<object>([{ hostId: text(ids as [string, ...string[]]) }, { data: Buffer.from('x') }, { end: true }, {}]),
    ApplyNat: () => ({ intent: intent(), forwards: list(3, forward), masquerades: list(2, masquerade) }),
    ObserveNat: () => ({ foreign: below(2) === 1 }),
    TraceNat: () => ({ protocol: below(4), port: number(), from: text(['198.51.100.7', '10.0.0.9', 'fd00::7']), to: text(['', '192.0.2.10']) }),
    WriteVhosts: () => ({ intent: intent(), vhosts: list(3, site), about: list(2, () => text(['a.example.org', '*.example.org'])), takeOver: text(['', '', '', '/etc/nginx/sites-enabled/own']) }),
    ObserveVhosts: () => ({ foreign: below(2) === 1 }),
    ReadVhost: () => ({ name: text(['a.example.org', '*.example.org']) }),
    ReadSite: () => ({ file: text(['/etc/nginx/sites-enabled/own', 'relative']) }),
    ReloadProxy: () => ({ operationId: text([newId(Date.now())]) }),
    WriteCerts: () => ({ intent: intent(), certs: list(3, cert), coming: list(1, () => Buffer.alloc(pick([32, 32, 5]))) }),
    PutCertKey: () => ({ operationId: text([newId(Date.now())]), name: text(['shop', 'mail', '../x']), keyPem: pick<Buffer>([Buffer.from(pair.keyPem), Buffer.from(pair.keyPem.slice(0, below(200))), Buffer.alloc(below(20_000))]) }),
    ObserveCerts: () => ({}),
    ApplyContainer: () => ({ intent: intent(), containers: list(2, container) }),
    ObserveContainer: () => ({ all: below(2) === 1, name: text(['', 'web']), health: below(2) === 1 }),
    RestartContainer: named,
    PutContainerSecret: () => ({ ...named(), secret: text(['token', '../token']), version: text(ids as [string, ...string[]]), value: Buffer.alloc(pick([0, 5, 5, 40_000])) }),
    SnapshotContainer: () => ({ ...named(), action: text(['create', 'restore', 'remove']), snapshot: text(['before', 'after']) }),
    ListContainerSnapshots: named,
    InspectContainer: () => ({ name: text(['foreign', 'web']), engine: text(['podman', 'lxc', 'pct']) }),
    ListImages: () => ({}),
    PullImage: () => ({ operationId: text([newId(Date.now())]), image: image() }),
    ImportImage: () => pick<object>([{ start: { operationId: text([newId(Date.now())]), kind: text(['rootfs', 'image', 'archive']), image: text(['', 'localhost/web:1']) } }, { data: Buffer.from('x') }, {}]),
    PruneImages: () => ({ operationId: text([newId(Date.now())]), plan: below(2) === 1 }),
    FollowContainerLog: () => ({ name: text(['web', 'db']), lines: number(), follow: false }),
    GetUnit: () => ({ unit: unit() }),
    RestartUnit: () => ({ operationId: text([newId(Date.now())]), unit: unit(), plan: below(2) === 1 }),
    FollowUnitLog: () => ({ units: list(3, unit), lines: number(), follow: false }),
    CheckReach: () => ({ address: text(['192.0.2.1', '::1', 'fd00::1']), port: number(), timeout: pick([null, null, { seconds: large(), nanos: -1 }]) }),
    GetStatus: () => ({}),
    GetOperation: () => ({ operationId: text(ids as [string, ...string[]]), method: text(['', 'reeve.agent.v1.UserService/ApplyUser']) }),
    Confirm: () => ({ operationId: text(ids as [string, ...string[]]), noun: text(['user', 'nat']) }),
    Watch: () => ({ heartbeatInterval: pick([null, { seconds: large(), nanos: 0 }, { seconds: -1, nanos: -5 }]), epoch: pick([0, 1, 2]) }),
  };
  const host = createSimulatedHost({ users: [{ name: 'ida', uid: 30001, gid: 30001, shell: '/bin/sh', comment: '', home: '/home/ida', groups: [], locked: false, marker: '', present: true }] });
  addForeignContainer(host.containers, { name: 'foreign', image: 'docker.io/library/redis' });
  host.nat.network = { ...host.nat.network, interfaces: [...host.nat.network.interfaces, { name: 'lxcbr0', addresses: [{ address: '10.0.3.1', prefix: 24 }] }] };
  host.containers.broken.set(`localhost/web@sha256:${'b'.repeat(64)}`, 'no');
  const log = pino({ level: 'silent' });
  const core = await createAgentCore({ trust: { denied: () => ({ version: 0, keys: new Set() }), movedVersion: 0, places: () => undefined, takeDenyList: () => undefined, takeMoved: () => false }, host, hostName: 'web1', hostId, manifests: noManifests(), vhosts: noVhosts(), file: noFile(), relayList: noList(), certificateNotAfter: Date.now() + 1e9, log, instanceId: 'fuzz', release: { released: () => undefined, requireManaged: () => undefined, close: () => ({ done: () => undefined }), store: () => undefined } });
  await core.recover();
  const rows = core.services.flatMap((service) => Object.entries(service.rows).map(([name, row]) => ({ method: `${service.name}/${name}`, name, row })));
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(makers).sort());

  // What changes something has the most ways to go.
  const often = rows.flatMap((row) => (row.name === 'ApplyUser' || row.name === 'ApplyContainer' ? [row, row, row] : [row]));
  const seen = new Map<string, number>();
  let slowestMs = 0;
  for (let count = 0; count < messages; count += 1) {
    late = count > messages * 0.9;
    const { name, method, row } = pick(often as [typeof rows[number], ...typeof rows]);
    const codec = messageCodec<object, never>(`${method.slice(0, method.lastIndexOf('.'))}.${name}Request`);
    const request = codec.decode(codec.encode(makers[name]?.() ?? {}));
    const abort = new AbortController();
    const begun = performance.now();
    try {
      const context = { principal: { name: 'coordinator', role: 'coordinator' } as const, method, signal: abort.signal, correlation: 'c', log, peer: 'p' };
      const answer = row.handle(request, context, nothingMore);
      if (answer instanceof Promise) await answer;
      else {
        for await (const event of answer) {
          expect(event).toBeDefined();
          abort.abort();
          break;
        }
      }
      seen.set('OK', (seen.get('OK') ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof ReeveError) || error.items.some((item) => item.code === 'INTERNAL')) throw new Error(`message ${String(count)} to ${method}`, { cause: error });
      for (const { code } of error.items) seen.set(code, (seen.get(code) ?? 0) + 1);
    }
    slowestMs = Math.max(slowestMs, performance.now() - begun);
  }
  expect(seen.get('OK')).toBeGreaterThan(messages / 10);
  // The messages come far enough to meet most refusals, and not only those of the grammar.
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['FIELD_INVALID', 'FIELD_MISSING', 'USER_UID_FIXED', 'USER_KIND_FIXED', 'KEY_MANIFEST', 'STATE_MOVED', 'POLICY_CHANGED', 'EPOCH_STALE', 'GENERATION_STALE', 'OPERATION_UNKNOWN', 'OPERATION_REUSED', 'CLOCK_SKEW', 'CONFIRM_UNKNOWN', 'CONTAINER_FOREIGN', 'CONTAINER_ADDRESS', 'CONTAINER_UNKNOWN']));
  expect(slowestMs).toBeLessThan(1000);
  await core.drain();
}, 600_000);
