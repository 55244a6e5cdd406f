/** Two jobs whose bytes are carried between them by the program itself, built with sanitizers; jobs and agents are played here. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDataPort, type DataPort, type Found, type Peer } from '../../agent/backup/data-port.js';
import { openJob, type Job, type JobEvent } from '../../agent/host/job.js';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { newId } from '../../shared/kit/id.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { until } from '../../test/support/until.js';
import { frameOf } from '../job/testing/talk.js';

const sources = import.meta.dirname;
const program = resolve(join(sources, 'gen/reeve-carry-sanitize'));
const kinds = { data: 1, end: 2, progress: 4, result: 8 } as const;
const limits = { timeoutMs: 20_000, everyMs: 10 } as const;

const fleet = createTestFleet();
const [web, store, evil] = [fleet.host('web'), fleet.host('store'), fleet.host('evil')];
const foreign = createTestFleet().host('web');
const run = newId(Date.now());
const wanted = ({ hostId, certificate }: AgentIdentity): Peer => ({ run, mark: 'ab'.repeat(32), peer: { host: hostId, key: keyFingerprint(new X509Certificate(certificate).publicKey) } });

/** Bytes as frames of data, of a few sizes. */
function dataFrames(bytes: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    const size = [1, 700, 16_384, 65_536][n % 4] ?? 1;
    frames.push(frameOf(kinds.data, bytes.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat(frames);
}

/** The other end of a job's socket: what it is sent, taken apart. */
interface Played {
  readonly job: Job;
  readonly socket: Socket;
  readonly events: JobEvent[];
  /** How the events ended. */
  readonly over: Promise<unknown>;
  /** Digest of what came as data, and whether its end came. */
  readonly got: { bytes: number; readonly digest: () => string; ended: boolean; closed: boolean };
}

describe('reeve-carry', () => {
  let folder: string;
  let closing: (() => void)[];
  let stop: AbortController;
  let played = 0;

  beforeAll(() => void execFileSync('flock', [sources, 'make', '-s', '-C', sources, 'sanitize'], { stdio: ['ignore', 'ignore', 'inherit'] }));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'reeve-carry-'));
    closing = [];
    stop = new AbortController();
  });
  afterEach(() => {
    stop.abort();
    for (const close of closing) close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(async () => {
    await until(() => carriers().length === 0, { ...limits, what: 'no reeve-carry to be left' });
  });

  /** Processes of it that this one has started. */
  function carriers(): number[] {
    return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number).filter((pid) => {
      try {
        return readlinkSync(`/proc/${String(pid)}/exe`) === program;
      } catch {
        return false;
      }
    });
  }

  async function play(name: string, carrier = program): Promise<Played> {
    played += 1;
    const path = join(folder, `${name}-${String(played)}.sock`);
    let take: (socket: Socket) => void = () => undefined;
    const taken = new Promise<Socket>((done) => (take = done));
    const server: Server = createServer({ allowHalfOpen: true }, take);
    await new Promise<void>((done) => server.listen(path, done));
    const job = await openJob(path, '0'.repeat(32), carrier);
    const socket = await taken;
    closing.push(() => {
      job.close();
      socket.destroy();
      server.close();
    });
    const hash = createHash('sha256');
    const got = { bytes: 0, digest: () => hash.copy().digest('hex'), ended: false, closed: false };
    let rest = Buffer.alloc(0);
    let ticket = 32;
    socket.on('error', () => undefined);
    socket.on('close', () => (got.closed = true));
    socket.on('end', () => (got.closed = true));
    socket.on('data', (piece: Buffer) => {
      const own = piece.subarray(ticket);
      ticket = Math.max(0, ticket - piece.length);
      rest = Buffer.concat([rest, own]);
      while (rest.length >= 5 && rest.length >= rest.readUInt32BE(0) + 4) {
        const end = rest.readUInt32BE(0) + 4;
        if (rest.readUInt8(4) === kinds.end) got.ended = true;
        else {
          hash.update(rest.subarray(5, end));
          got.bytes += end - 5;
        }
        rest = rest.subarray(end);
      }
    });
    const events: JobEvent[] = [];
    const over = (async () => {
      for await (const event of job.events) events.push(event);
    })().then(() => undefined, (error: unknown) => error);
    return { job, socket, events, over, got };
  }

  const portOf = (identity: AgentIdentity): DataPort => {
    const port = createDataPort({ identity: () => identity, now: Date.now, listen: { host: '127.0.0.1', port: 0 } });
    closing.push(() => port.close());
    return port;
  };

  /** Both ends of a connection on which the mark was shown. */
  async function meet(near: DataPort, far: DataPort): Promise<{ near: Found; far: Found }> {
    const waiting = await near.await(wanted(web), stop.signal);
    const dialled = await far.dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: true }, stop.signal);
    return { near: await waiting.connection, far: dialled };
  }
  const carry = ({ job }: Played, { connection }: Found, port: DataPort, peer: Peer, role: 'server' | 'client'): Promise<void> => {
    if (job.carry === undefined) throw new Error('the program is not there');
    return job.carry(connection, port.settings(peer, role));
  };

  async function carried(): Promise<{ one: Played; other: Played }> {
    const [near, far] = [portOf(store), portOf(web)];
    const [one, other] = [await play('store'), await play('web')];
    const met = await meet(near, far);
    await Promise.all([carry(one, met.near, near, wanted(web), 'server'), carry(other, met.far, far, wanted(store), 'client')]);
    return { one, other };
  }

  it('carries bytes both ways, each half to its own end, and the result after them', async () => {
    const { one, other } = await carried();
    const [up, down] = [randomBytes(20_000_000), randomBytes(3_000_000)];
    one.socket.write(dataFrames(down));
    other.socket.write(dataFrames(up.subarray(0, 9_000_000)));
    other.socket.write(frameOf(kinds.progress, 'files=1\0'));
    other.socket.write(dataFrames(up.subarray(9_000_000)));
    other.socket.write(frameOf(kinds.end, ''));
    await until(() => one.got.ended, { ...limits, what: 'all to come' });
    expect(one.got.digest()).toBe(createHash('sha256').update(up).digest('hex'));
    expect(other.got.ended).toBe(false);
    one.socket.end(Buffer.concat([frameOf(kinds.end, ''), frameOf(kinds.result, 'ok=1\0published=1\0')]));
    await until(() => other.got.ended, { ...limits, what: 'the other half to end' });
    expect(other.got.digest()).toBe(createHash('sha256').update(down).digest('hex'));
    other.socket.end(frameOf(kinds.result, 'ok=1\0'));
    expect(await one.over).toBeUndefined();
    expect(await other.over).toBeUndefined();
    expect(one.events.map(({ kind }) => kind)).toEqual(['result']);
    expect(other.events.map(({ kind }) => kind)).toEqual(['progress', 'result']);
  });

  it('begins with what the agent had from the job already, wherever that is cut', async () => {
    const bytes = randomBytes(150_000);
    const said = Buffer.concat([frameOf(kinds.progress, 'files=1\0'), dataFrames(bytes), frameOf(kinds.progress, 'files=2\0'), frameOf(kinds.end, ''), frameOf(kinds.result, 'ok=1\0')]);
    await fc.assert(fc.asyncProperty(fc.oneof(fc.integer({ min: 0, max: said.length }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 60 }).map((n) => said.length - n)), async (cut) => {
      const [near, far] = [portOf(store), portOf(web)];
      const [one, other] = [await play('store'), await play('web')];
      other.socket.write(said.subarray(0, cut));
      const met = await meet(near, far);
      await Promise.all([carry(one, met.near, near, wanted(web), 'server'), carry(other, met.far, far, wanted(store), 'client')]);
      other.socket.end(said.subarray(cut));
      expect(await other.over).toBeUndefined();
      await until(() => one.got.ended, { ...limits, what: 'all to come' });
      expect(one.got.digest()).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect(other.events.map(({ kind }) => kind)).toEqual(['progress', 'progress', 'result']);
    }), { numRuns: 40 });
  });

  it.each([['another agent of the fleet', evil], ['an agent of another fleet', foreign]])('refuses %s on both ends; the job is as it was, and another connection is carried', async (_who, who) => {
    const [near, far, stranger] = [portOf(store), portOf(web), portOf(who)];
    const [one, other, strange] = [await play('store'), await play('web'), await play('evil')];
    other.socket.write(Buffer.concat([frameOf(kinds.progress, 'files=1\0'), frameOf(kinds.data, 'kept')]));
    const dialling = await meet(near, stranger);
    await Promise.all([
      expect(carry(one, dialling.near, near, wanted(web), 'server')).rejects.toThrow(),
      expect(carry(strange, dialling.far, stranger, wanted(store), 'client')).rejects.toThrow(),
    ]);
    const listening = await meet(stranger, far);
    // The stranger may well think that it has met whom it wanted.
    const thought = carry(strange, listening.near, stranger, wanted(web), 'server').catch(() => undefined);
    await expect(carry(other, listening.far, far, wanted(store), 'client')).rejects.toThrow();
    await thought;
    expect([one.got.bytes, other.got.bytes, strange.got.bytes]).toEqual([0, 0, 0]);
    const met = await meet(near, far);
    await Promise.all([carry(one, met.near, near, wanted(web), 'server'), carry(other, met.far, far, wanted(store), 'client')]);
    await until(() => one.got.bytes === 4, { ...limits, what: 'the bytes to come' });
    expect(other.events.map(({ kind }) => kind)).toEqual(['progress']);
  });

  it('says which rule the other side broke', async () => {
    const [near, far, other] = [portOf(store), portOf(web), await play('web')];
    for (const [peer, rule] of [[wanted(evil), 'it is for somebody else'], [{ ...wanted(store), peer: { ...wanted(store).peer, key: 'a'.repeat(64) } }, 'it has another key than the one of the grant']] as const) {
      const met = await meet(near, far);
      const one = await play('store');
      const answered = carry(one, met.near, near, wanted(web), 'server').catch(() => undefined);
      await expect(carry(other, met.far, far, peer, 'client')).rejects.toThrow(rule);
      await answered;
    }
  });

  it('gives up on somebody who shows the mark and does not speak TLS', async () => {
    const near = portOf(store);
    const one = await play('store');
    const waiting = await near.await(wanted(web), stop.signal);
    const far = await portOf(web).dial(wanted(store), { addresses: ['127.0.0.1'], port: waiting.port, mark: true }, stop.signal);
    const carrying = carry(one, await waiting.connection, near, wanted(web), 'server');
    (far.connection).end('GET / HTTP/1.1\r\n\r\n');
    await expect(carrying).rejects.toThrow();
    one.socket.end(frameOf(kinds.result, 'ok=0\0'));
    expect(await one.over).toBeUndefined();
  });

  it('ends the job with the agent, and tells the agent of its own death', async () => {
    const { one, other } = await carried();
    other.job.close();
    await until(() => other.got.closed, { ...limits, what: 'the job to hear of it' });
    await until(() => one.got.ended, { ...limits, what: 'the other job to hear that no more comes' });
    const { one: last } = await carried();
    for (const pid of carriers()) process.kill(pid, 'SIGKILL');
    expect(await last.over).toMatchObject({ code: 'HELPER_UNREACHABLE' });
    await until(() => last.got.closed, { ...limits, what: 'the job to hear of that' });
  });

  it('drops what comes for a job that has ended, so that the other side gets to its end', async () => {
    const { one, other } = await carried();
    one.socket.end(frameOf(kinds.result, 'ok=0\0exit=11\0'));
    expect(await one.over).toBeUndefined();
    other.socket.write(dataFrames(randomBytes(2_000_000)));
    await until(() => other.got.ended, { ...limits, what: 'the end' });
    other.socket.end(frameOf(kinds.result, 'ok=0\0exit=12\0'));
    expect(await other.over).toBeUndefined();
  });

  it.each([['a frame that is too long', Buffer.from([0, 2, 0, 0, 1])], ['an empty frame', Buffer.from([0, 0, 0, 0, 1])]])('ends when the job says %s', async (_what, said) => {
    const { one } = await carried();
    one.socket.write(said);
    expect(await one.over).toMatchObject({ code: 'HELPER_UNREACHABLE' });
  });

  it('is not offered where it is not there, and leaves the job alone where it cannot begin', async () => {
    expect((await play('none', join(folder, 'nothing'))).job.carry).toBeUndefined();
    const [near, far, one] = [portOf(store), portOf(web), await play('dir', folder)];
    const met = await meet(near, far);
    await expect(carry(one, met.near, near, wanted(web), 'server')).rejects.toThrow(/EACCES|EISDIR/);
    one.socket.end(frameOf(kinds.result, 'ok=1\0'));
    expect(await one.over).toBeUndefined();
  });

  it('says nothing to whoever starts it by hand', () => {
    expect(existsSync(program)).toBe(true);
    const { status, stdout, stderr } = spawnSync(program, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', env: {} });
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: '' });
  });
});
