import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { NatForward } from '../../../shared/model/nat.js';
import { obstaclesOf } from './check.js';
import { forwardOf } from './fixture/forward.js';
import { exampleNetwork, loadRules } from './fixture/load.js';
import type { HostNetwork } from './network.js';
import { tracePacket, type Trace } from './trace.js';

const run = promisify(execFile);
const script = path.join(import.meta.dirname, 'fixture/real.sh');

/** Answers every packet and connection with the address and port it arrived at. */
const server = `
const { createServer } = require('node:net'); const { createSocket } = require('node:dgram'); const { writeFileSync } = require('node:fs');
const ports = process.argv[1].split(','); let left = ports.length;
const done = () => { left -= 1; if (left === 0) writeFileSync(process.argv[2], ''); };
for (const one of ports) {
  const [protocol, port] = one.split('/');
  if (protocol === 'tcp') createServer((socket) => socket.on('error', () => {}).end(socket.localAddress + ':' + port)).listen(Number(port), '0.0.0.0', done);
  else { const socket = createSocket('udp4'); socket.on('message', (_text, from) => socket.send(port, from.port, from.address)).bind(Number(port), '0.0.0.0', done); }
}`;

/** Tells for each probe what answered, "refused", or "nothing" in its time. */
const probe = `
const { connect } = require('node:net'); const { createSocket } = require('node:dgram');
const ask = ({ protocol, port, from, to, waitMs }) => new Promise((resolve) => {
  setTimeout(() => resolve('nothing'), waitMs);
  if (protocol === 'tcp') {
    const socket = connect({ host: to, port, localAddress: from });
    socket.on('data', (text) => resolve(text.toString())).on('error', () => resolve('refused'));
  } else {
    const socket = createSocket('udp4');
    socket.on('message', (text) => resolve(text.toString())).on('error', () => resolve('refused')).bind(0, from, () => socket.connect(port, to, () => socket.send('?')));
  }
});
Promise.all(JSON.parse(process.argv[1]).map(ask)).then((all) => { console.log(JSON.stringify(all)); process.exit(); });`;

interface Probe { readonly protocol: 'tcp' | 'udp'; readonly port: number; readonly from: string; readonly to: string; readonly waitMs: number }

/** How long an answer that should come may take on a busy machine, and one that should not. */
const wait = { answerMs: 15_000, nothingMs: 700 } as const;
const deadlineMs = 120_000;

/** What a packet meets, by the ruleset it is tried with. */
const probes: Readonly<Record<string, readonly string[]>> = {
  plain: ['tcp/8080', 'tcp/8005', 'tcp/2222', 'tcp/9000', 'tcp/9000 198.51.100.7', 'tcp/7000', 'tcp/7001', 'tcp/23', 'tcp/25', 'tcp/26', 'udp/9', 'tcp/443 198.18.0.9 10.0.3.2', 'tcp/444 198.18.0.9 10.0.3.2', 'tcp/81 198.18.0.9 10.0.3.2', 'tcp/22 198.18.0.9 10.0.3.2'],
  iptables: ['tcp/8080', 'udp/5353', 'tcp/1005', 'tcp/443', 'tcp/2222 198.51.100.7', 'tcp/2222', 'tcp/3128', 'tcp/81 198.18.0.9 10.0.3.2', 'tcp/82 198.18.0.9 10.0.3.2', 'tcp/80 198.18.0.9 10.0.3.2'],
  docker: ['tcp/8080', 'tcp/8081', 'tcp/80 198.18.0.9 10.0.3.2', 'tcp/80 198.18.0.9 172.17.0.2', 'tcp/81 198.18.0.9 172.17.0.2'],
  podman: ['tcp/8081', 'tcp/8083', 'tcp/80 198.18.0.9 10.88.0.2', 'tcp/80 198.18.0.9 10.0.3.2'],
  lxc: ['tcp/80 198.18.0.9 10.0.3.2', 'tcp/8080', 'udp/53'],
  firewalld: ['tcp/8080', 'tcp/80 198.18.0.9 10.0.3.2', 'tcp/22', 'tcp/25'],
  maps: [
    'tcp/6000', 'tcp/8022', 'tcp/8023', 'tcp/8100', 'tcp/8101', 'tcp/8102', 'tcp/8200', 'tcp/8205', 'tcp/8210', 'tcp/8300', 'tcp/8301', 'tcp/8505', 'tcp/8510', 'tcp/8511', 'udp/53', 'udp/53 198.51.100.7', 'udp/54 198.51.100.7',
    'tcp/80 198.18.0.9 10.0.3.2', 'tcp/82 198.18.0.9 10.0.3.2', 'tcp/99 198.18.0.9 10.0.3.2',
  ],
  ufw: ['tcp/8080', 'tcp/443 198.18.0.9 10.0.3.2', 'tcp/80 198.18.0.9 10.0.3.2', 'tcp/22', 'tcp/25'],
};

/** The network that real.sh makes. */
const network: HostNetwork = {
  interfaces: [
    ...exampleNetwork.interfaces.map(({ name, addresses }) => ({ name, addresses: addresses.filter(({ address }) => !address.includes(':')) })),
    { name: 'podman0', addresses: [{ address: '10.88.0.1', prefix: 16 }] },
  ],
  routes: exampleNetwork.routes.filter(({ family, prefix }) => family === 4 && prefix === 0),
};

function probeOf(name: string, text: string): Probe & { readonly trace: Trace } {
  const [what = '', from = '198.18.0.9', to = '198.18.0.1'] = text.split(' ');
  const [protocol, port] = what.split('/');
  const packet = { protocol: protocol === 'udp' ? 'udp' : 'tcp', port: Number(port), from, to } as const;
  const trace = tracePacket(loadRules(name), packet, network);
  return { ...packet, trace, waitMs: trace.verdict === 'drop' ? wait.nothingMs : wait.answerMs };
}

/** What answers the probes; with a remedy: before and after it. */
async function ask(name: string, { all, ports, more = [] }: { readonly all: readonly Probe[]; readonly ports: readonly string[]; readonly more?: readonly string[] }): Promise<readonly (readonly string[])[]> {
  const { stdout } = await run('unshare', ['-nm', 'sh', script, name, server, probe, [...new Set(ports)].join(','), JSON.stringify(all), ...more], { timeout: deadlineMs });
  return stdout.trim().split('\n').map((line) => JSON.parse(line) as string[]);
}

function able(): boolean {
  if (process.getuid?.() !== 0 || !['/usr/sbin/nft', '/usr/sbin/iptables-nft'].every((file) => existsSync(file))) return false;
  try {
    execFileSync('unshare', ['-nm', 'sh', '-euc', 'ip link add name try0 type veth peer name try1; mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j RETURN'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!able())('the kernel does what is foretold', () => {
  it.concurrent.each(Object.entries(probes))('with the ruleset of %s', async (name, texts) => {
    const all = texts.map((text) => probeOf(name, text));
    const [answers] = await ask(name, { all, ports: all.flatMap(({ protocol, port, trace }) => [`${protocol}/${String(port)}`, `${protocol}/${trace.arrives.split(':')[1] ?? ''}`]) });
    const wrong = all.flatMap(({ protocol, trace }, index) => {
      const answer = answers?.[index] ?? '';
      const arrived = protocol === 'udp' ? trace.arrives.split(':')[1] : trace.arrives;
      const right = { accept: answer === arrived, drop: answer === 'nothing', reject: answer === 'refused' }[trace.verdict] ?? trace.verdict === 'unknown';
      return right ? [] : [{ probe: texts[index], foretold: `${trace.verdict} ${trace.arrives}`, answer, steps: trace.steps }];
    });
    expect(wrong).toEqual([]);
  }, deadlineMs);

  /** Ruleset, forward, what comes of it before the remedy; undefined: it needs none. */
  const beside: readonly (readonly [string, Partial<NatForward>, 'nothing' | 'refused' | undefined])[] = [
    ['docker', { ports: { first: 8080, last: 8080 } }, 'nothing'],
    ['iptables', { ports: { first: 81, last: 81 }, toPorts: { first: 81, last: 81 } }, 'refused'],
    ['plain', { ports: { first: 83, last: 83 }, toPorts: { first: 8080, last: 8080 }, sources: ['198.18.0.9'] }, 'nothing'],
    ['firewalld', { ports: { first: 81, last: 81 } }, undefined],
  ];
  it.concurrent.each(beside)('with a forward beside %s, and after the remedy is followed', async (name, other, before) => {
    const forward = forwardOf(other);
    const [port, toPort] = [String(forward.ports.first), String(forward.toPorts.first)];
    const rule = `meta nfproto ipv4 fib daddr type local tcp dport ${port} dnat ip to ${forward.to}:${toPort}`;
    const drops = obstaclesOf(loadRules(name), forward, network).filter(({ kind }) => kind === 'drop');
    expect(drops).toHaveLength(before === undefined ? 0 : 1);
    const remedy = drops.map((drop) => drop.remedy.replace(/^[^:]*: /, ''));
    const all = [{ protocol: forward.protocol, port: forward.ports.first, from: '198.18.0.9', to: '198.18.0.1', waitMs: before === 'nothing' ? 3000 : wait.answerMs }];
    const answers = await ask(name, { all, ports: [`tcp/${port}`, `tcp/${toPort}`], more: [rule, ...remedy] });
    const arrived = `${forward.to}:${toPort}`;
    expect({ remedy, answers }).toEqual({ remedy, answers: before === undefined ? [[arrived]] : [[before], [arrived]] });
  }, deadlineMs);
});
