import { X509Certificate } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { newId } from '../../shared/kit/id.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import type { AgentIdentity } from '../identity/identity.js';
import { createDataPort, type DataPort, type Found, type Peer } from './data-port.js';

const fleet = createTestFleet();
const web = fleet.host('web');
const store = fleet.host('store');
const evil = fleet.host('evil');
const foreign = createTestFleet().host('web');
const run = newId(Date.now());
const keyOf = ({ certificate }: AgentIdentity): string => keyFingerprint(new X509Certificate(certificate).publicKey);
const sideOf = (identity: AgentIdentity): { host: string; key: string } => ({ host: identity.hostId, key: keyOf(identity) });
const mark = 'ab'.repeat(32);
const wanted = (identity: AgentIdentity): Peer => ({ run, peer: sideOf(identity), mark });
const portOf = (identity: AgentIdentity): DataPort => createDataPort({ identity: () => identity, now: Date.now, listen: { host: '127.0.0.1', port: 0 } });

let near: DataPort;
let far: DataPort;
let stop: AbortController;

beforeEach(() => {
  [near, far, stop] = [portOf(store), portOf(web), new AbortController()];
});
afterEach(() => {
  stop.abort();
  near.close();
  far.close();
});

/** A connection that is proved. */
function provedOf(found: Found): TLSSocket {
  if (found.kind !== 'proved') throw new Error('it is not proved');
  return found.connection;
}

async function readAll(from: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const answers = (port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => {
    socket.destroy();
    resolve(true);
  });
  socket.once('error', () => resolve(false));
});

describe('the data port', () => {
  it('joins the two agents of a grant; each half closes on its own; nobody listens afterwards', async () => {
    const waiting = await near.await(wanted(web), stop.signal);
    const dialled = provedOf(await far.dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal));
    const taken = provedOf(await waiting.connection);
    dialled.end('to store');
    expect(await readAll(taken)).toBe('to store');
    taken.end('to web');
    expect(await readAll(dialled)).toBe('to web');
    expect(await answers(waiting.port)).toBe(false);
  });

  it('listens only while somebody is waited for', async () => {
    const waiting = await near.await(wanted(web), stop.signal);
    expect(await answers(waiting.port)).toBe(true);
    stop.abort();
    await expect(waiting.connection).rejects.toThrow('nobody came in time');
    expect(await answers(waiting.port)).toBe(false);
  });

  it.each([
    ['another agent of the fleet', evil],
    ['an agent of another fleet', foreign],
  ])('gives nothing to %s, and goes on waiting', async (_who, who) => {
    const waiting = await near.await(wanted(web), stop.signal);
    const stranger = await portOf(who).dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal).then(provedOf).catch(() => undefined);
    if (stranger !== undefined) {
      stranger.on('error', () => undefined);
      stranger.write('let me in');
      expect(await readAll(stranger).catch(() => '')).toBe('');
    }
    await far.dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal);
    await waiting.connection;
  });

  it('gives nothing without a certificate, or for another run', async () => {
    const waiting = await near.await(wanted(web), stop.signal);
    const bare = connectTls({ host: '127.0.0.1', port: waiting.port, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    bare.on('error', () => undefined);
    expect(await readAll(bare).catch(() => '')).toBe('');
    const other = provedOf(await far.dial({ ...wanted(store), run: newId(Date.now()) }, { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal));
    other.on('error', () => undefined);
    expect(await readAll(other).catch(() => '')).toBe('');
    await far.dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal);
    await waiting.connection;
  });

  it('dials nobody but the agent that is named', async () => {
    const waiting = await portOf(evil).await(wanted(web), stop.signal);
    await expect(far.dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal)).rejects.toThrow('somebody else');
    await expect(far.dial({ ...wanted(store), peer: { ...sideOf(evil), key: 'a'.repeat(64) } }, { addresses: ['127.0.0.1'], port: waiting.port, mark: false }, stop.signal)).rejects.toThrow('another key');
  });

  it('takes whoever shows the mark of the grant, and leaves the proof to others; another mark, or more than a mark, is nothing', async () => {
    const waiting = await near.await(wanted(web), stop.signal);
    const to = { addresses: ['127.0.0.1'], port: waiting.port, mark: true };
    await expect(far.dial({ ...wanted(store), mark: 'cd'.repeat(32) }, to, stop.signal)).rejects.toThrow('127.0.0.1: ');
    for (const said of [`${mark}\nmore`, mark.slice(1) + '\n\n', 'x'.repeat(65)]) {
      const socket = connect({ host: '127.0.0.1', port: waiting.port });
      socket.on('error', () => undefined);
      socket.write(said);
      expect(await new Promise((resolve) => {
        socket.once('data', () => resolve('an answer'));
        socket.once('close', () => resolve('closed'));
      })).toBe('closed');
    }
    const dialled = await far.dial(wanted(store), to, stop.signal);
    const taken = await waiting.connection;
    expect([dialled.kind, taken.kind]).toEqual(['marked', 'marked']);
    taken.connection.end('from the kernel');
    expect(await readAll(dialled.connection)).toBe('from the kernel');
    dialled.connection.destroy();
    expect(await answers(waiting.port)).toBe(false);
  });

  it('tells why nobody could be dialled', async () => {
    await expect(far.dial(wanted(store), { addresses: ['127.0.0.1'], port: 1, mark: false }, stop.signal)).rejects.toThrow('127.0.0.1: ');
    await expect(far.dial(wanted(store), { addresses: [], port: 1, mark: false }, stop.signal)).rejects.toThrow('no address is known');
  });

  it('proves both over a stream that somebody else carries', async () => {
    const [one, other] = pair();
    const [taken, dialled] = await Promise.all([
      near.over(wanted(web), one, 'server', stop.signal),
      far.over(wanted(store), other, 'client', stop.signal),
    ]);
    dialled.end('sealed');
    expect(await readAll(taken)).toBe('sealed');
  });
});

/** Two ends of a pipe. */
function pair(): [Duplex, Duplex] {
  const ends: [Duplex, Duplex] = [undefined as unknown as Duplex, undefined as unknown as Duplex];
  const make = (at: 0 | 1): Duplex => new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      ends[at === 0 ? 1 : 0].push(chunk);
      done();
    },
    final(done) {
      ends[at === 0 ? 1 : 0].push(null);
      done();
    },
  });
  ends[0] = make(0);
  ends[1] = make(1);
  return ends;
}
