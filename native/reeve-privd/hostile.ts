/**
 * What a taken-over agent could send to the helper: random frames, frames that were right before one byte was changed, lengths that lie, and every
 * valid verb with values that the host's policy does not allow. Deterministic for a seed. Tests send these and then look for what changed: nothing
 * may have.
 */
import { encodeRequest } from '../../agent/host/privd.js';
import { privdVerbs, type PrivdRequest, type PrivdVerbName } from '../../shared/gen/privd.js';

/** One hostile message. `kind` says how it was made; `bytes` are what goes over the socket, not always a whole frame. */
export interface HostileFrame {
  readonly kind: 'random' | 'random-framed' | 'mutated' | 'cut' | 'length-lies' | 'denied';
  readonly bytes: Buffer;
}

type Random = (below: number) => number;

/** Integers below a bound from a seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function operationId(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random(16).toString(16)).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const request = <V extends PrivdVerbName>(verb: V, values: PrivdRequest<V>): ((random: Random) => Buffer) =>
  (random) => encodeRequest(verb, operationId(random), values);

const goodLine = `ssh-ed25519 ${Buffer.from('0000000b7373682d6564323535313900000020'.padEnd(102, '7'), 'hex').toString('base64')}`;
const keyFile = (line: string): Uint8Array => Buffer.from(`# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n${line}\n`);

/** Every verb with values that neither the presets nor the floors allow, or that the grammar refuses. None of them may change anything on any host. */
export const forbiddenRequests: readonly ((random: Random) => Buffer)[] = [
  ...[
    'root', 'daemon', 'www-data', 'reeve-agent', 'reeve', 'systemd-x', '-x', '--help', '-oProxyCommand=id', 'a b', '../x', 'a/b', 'Ünal', 'UPPER',
    '0', '12345', 'a.b', 'x'.repeat(32), '', 'a\n', 'a:0:0',
  ].flatMap((name) => [
    request('user.add', { name, shell: '/bin/sh', kind: 'home' }),
    request('user.adopt', { name }),
    ...(name.length >= 30 ? [] : [
      request('user.lock', { name }), request('user.unlock', { name }), request('user.remove', { name }), request('user.set', { name, shell: '/bin/sh' }),
    ]),
    request('group.member', { name, group: 'sudo', action: 'add' }),
    request('key.put', { name, content: keyFile(goodLine) }),
    request('key.release', { name, content: keyFile(goodLine) }),
  ]),
  ...[
    `command="id" ${goodLine}`, `environment="LD_PRELOAD=/tmp/x.so" ${goodLine}`, `cert-authority ${goodLine}`, `${goodLine}\r`, `\t${goodLine}`, `${goodLine}\n${goodLine}`,
    `from="*" ${goodLine}`, 'ssh-dss AAAAB3NzaC1kc3MAAAABAQAAAAEBAAAAAQEAAAABAQ==', 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE=', '', `#\r${goodLine}`,
  ].flatMap((line) => [
    request('key.put', { name: 'mallory', content: keyFile(line) }),
    request('key.remove', { name: 'mallory', content: keyFile(line) }),
  ]),
  ...['/etc/shadow', '/etc/pve/priv/authorized_keys', '/root/../etc/passwd', '/rooted/x', '/', '', 'x', '/root/.bashrc', '/root/\n', `/root/${'x'.repeat(5000)}`].map((path) =>
    request('key.purge', { name: 'root', path, blobs: new Uint8Array(32) })),
  ...['/etc/ssh/reeve-keys.d/%u', 'a\tb', 'x\n'.repeat(100)].map((patterns) => request('observe.key', { scope: 'own', name: 'root', patterns })),
  ...[
    'forward 1 tcp - - 7420 10.0.0.2 80 - -', 'forward 1 tcp - - 1-65535 10.0.0.2 1-65535 - -', 'forward 1 tcp - - 80 127.0.0.1 80 - -', 'forward 1 tcp - - 80 203.0.113.9 80 - -',
    'forward 1 tcp - eth0"; 80 10.0.0.2 80 - -', 'forward 1 tcp - - 80 10.0.0.2 80 0.0.0.0/0 -', 'forward 1 tcp - - 80;flush 10.0.0.2 80 - -', 'forward -1 tcp - - 80 10.0.0.2 80 - -',
    'forward 1 tcp - $(id) 80 10.0.0.2 80 - -', 'include "/etc/shadow"', 'flush ruleset', 'masquerade 1 0.0.0.0/0 - -', 'masquerade 1 203.0.113.0/24 - -', 'masquerade 1 10.0.0.1/8 - -', '', '\r', '\0',
  ].flatMap((line) => [
    request('nat.apply', { rules: Buffer.from(`${line}\n`) }), request('nat.apply', { rules: Buffer.from(line === '' ? 'x' : line) }),
    request('nat.apply', { rules: Buffer.alloc(0), adopt: Buffer.from(`${line}\n`) }),
  ]),
  ...['inet reeve forward 1', 'ip nat PREROUTING 0', 'ip nat PREROUTING;flush 4', 'ip nat -x 4', 'netdev x y 4', 'ip nat PREROUTING 99999999999999999999'].map((rule) =>
    request('nat.apply', { rules: Buffer.alloc(0), adopt: Buffer.from(`${rule} ${'0'.repeat(64)}\n`) })),
  ...[0, 1, 9, 601, 4294967295].map((confirmS) => request('nat.apply', { rules: Buffer.alloc(0), confirmS })),
  ...[0, 1, 33, 999, 65534, 65535, 4294967295].map((uid) => request('user.add', { name: 'mallory', uid, shell: '/bin/sh', kind: 'home' })),
  ...['/bin/../bin/sh', '/tmp/evil', 'sh', '/bin/sh -c id', '/bin/sh;id', '/dev/null', '/etc/passwd', '', '/', '--', '/bin/sh\n'].map((shell) =>
    request('user.add', { name: 'mallory', shell, kind: 'home' })),
  ...['a,b', 'a:b', '\n', '$(id)', '`id`', 'x'.repeat(101), '"', '\u202e', ':0:0::/:/bin/sh\nroot2:x:0:0'].map((comment) =>
    request('user.add', { name: 'mallory', shell: '/bin/sh', kind: 'home', comment })),
  ...['sudo', 'root', 'adm', 'docker', 'disk', 'shadow', 'lxd', 'kvm', 'wheel', 'reeve-agent', '-g', 'a,b', 'no-such', ''].map((group) =>
    request('group.member', { name: 'mallory', group, action: 'add' })),
];

/** Requests in good form, the raw material of mutation. Names begin with "zz-", which a test's policy does not allow. */
const seeds: readonly ((random: Random) => Buffer)[] = [
  request('status.get', {}),
  request('observe.user', { scope: 'managed' }),
  request('user.add', { name: 'zz-a', shell: '/bin/sh', kind: 'home', uid: 20000, comment: 'A' }),
  request('user.set', { name: 'zz-a', shell: '/bin/bash' }),
  request('user.lock', { name: 'zz-a' }),
  request('user.unlock', { name: 'zz-a' }),
  request('user.remove', { name: 'zz-a', keepHome: true }),
  request('user.adopt', { name: 'zz-a' }),
  request('user.release', { name: 'zz-a' }),
  request('group.member', { name: 'zz-a', group: 'users', action: 'add' }),
  request('observe.key', { scope: 'managed' }),
  request('observe.key', { scope: 'own', name: 'zz-a', patterns: '.ssh/authorized_keys' }),
  request('key.put', { name: 'zz-a', content: keyFile(goodLine) }),
  request('key.remove', { name: 'zz-a', content: keyFile(goodLine) }),
  request('key.purge', { name: 'zz-a', path: '/home/zz-a/.ssh/authorized_keys', blobs: new Uint8Array(64) }),
  request('key.release', { name: 'zz-a', content: keyFile(goodLine) }),
  request('observe.nat', { scope: 'generation' }),
  request('observe.nat', { scope: 'foreign' }),
  request('observe.nat', { scope: 'all' }),
  // An address that no preset has.
  request('nat.apply', { rules: Buffer.from('forward 1 tcp - - 8080 203.0.113.9 80 10.0.0.0/8,192.168.1.1 -\nmasquerade 2 203.0.113.0/24 eth0 -\n'), confirmS: 60 }),
  request('nat.release', {}),
];

const pick = <T>(random: Random, list: readonly T[]): T => {
  const item = list[random(list.length)];
  if (item === undefined) throw new RangeError('the list is empty');
  return item;
};

const bytesOf = (random: Random, count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random(256)));

function framed(body: Buffer): Buffer {
  const out = Buffer.alloc(4 + body.length);
  out.writeUInt32BE(body.length);
  body.copy(out, 4);
  return out;
}

function mutate(random: Random, frame: Buffer): Buffer {
  let out = Buffer.from(frame);
  for (let i = random(4); i >= 0; i--) {
    const at = random(out.length);
    switch (random(5)) {
      case 0: out[at] = random(256); break;
      case 1: out[at] = (out[at] ?? 0) ^ (1 << random(8)); break;
      case 2: out = Buffer.concat([out.subarray(0, at), bytesOf(random, random(9)), out.subarray(at)]); break;
      case 3: out = Buffer.concat([out.subarray(0, at), out.subarray(at + random(9))]); break;
      default: if (out.length >= at + 4) out.writeUInt32BE(pick(random, [0, 1, 0x7fffffff, 0xffffffff, 65536, 65537]), at);
    }
    if (out.length < 8) return out;
  }
  if (random(2) === 0) out.writeUInt32BE(out.length - 4);
  return out;
}

/** The hostile message number `n` of a seed's sequence is whatever the n-th call of the result gives. */
export function hostileFrames(seed: number): () => HostileFrame {
  const random = randomFrom(seed);
  return () => {
    switch (random(10)) {
      case 0: return { kind: 'random', bytes: bytesOf(random, random(200)) };
      case 1: return { kind: 'random-framed', bytes: framed(bytesOf(random, random(200))) };
      case 2: {
        const head = Buffer.alloc(4);
        head.writeUInt16BE(1, 0);
        head.writeUInt16BE(pick(random, Object.values(privdVerbs)).number, 2);
        return { kind: 'random-framed', bytes: framed(Buffer.concat([head, bytesOf(random, 16 + random(120))])) };
      }
      case 3: {
        const frame = pick(random, seeds)(random);
        return { kind: 'cut', bytes: frame.subarray(0, random(frame.length)) };
      }
      case 4: {
        const frame = pick(random, seeds)(random);
        frame.writeUInt32BE(pick(random, [0, 1, 19, 65536, 65537, 0x7fffffff, 0xffffffff]));
        return { kind: 'length-lies', bytes: frame };
      }
      case 5: case 6: return { kind: 'denied', bytes: pick(random, forbiddenRequests)(random) };
      default: return { kind: 'mutated', bytes: mutate(random, pick(random, seeds)(random)) };
    }
  };
}
