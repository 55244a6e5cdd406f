import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedHost, type SimulatedHost } from '../../test/support/simulated-host.js';
import { until } from '../../test/support/until.js';
import type { RelayRequest } from '../../shared/gen/proto/reeve/agent/v1/RelayRequest.js';
import type { RelayResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RelayResponse.js';
import { createEventQueue, type EventQueue } from '../../shared/kit/event-queue.js';
import type { RelayChild } from '../../shared/model/relay.js';
import { createRelay, defaultRelayLimits, type Relay } from './relay.js';

const hostId = '01930000-0000-7000-8000-000000000001';
let child: Server;
let sockets: Socket[];
let list: RelayChild[];
let host: SimulatedHost;
let relay: Relay;
let onSocket: (socket: Socket) => void;

const start = (limits = defaultRelayLimits): Relay => createRelay({ list: { get children() { return list; }, replace: () => undefined }, host, hostName: 'vm1', limits, onChanged: () => undefined });

beforeEach(async () => {
  sockets = [];
  onSocket = (socket) => void socket.pipe(socket);
  child = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => child.listen(0, '127.0.0.1', resolve));
  list = [{ hostId, name: 'guest1', address: '127.0.0.1', port: (child.address() as AddressInfo).port }];
  host = createSimulatedHost();
  relay = start();
});

afterEach(async () => {
  relay.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => child.close(resolve));
});

/** One stream: what is sent goes through `queue`. */
function stream(from = relay, first: RelayRequest = { hostId }): { queue: EventQueue<RelayRequest>; answers: AsyncGenerator<RelayResponseInput>; stop: AbortController } {
  const queue = createEventQueue<RelayRequest>();
  const stop = new AbortController();
  return { queue, answers: from.pass(first, queue, stop.signal), stop };
}

async function collect(answers: AsyncGenerator<RelayResponseInput>): Promise<string> {
  let text = '';
  for await (const answer of answers) text += answer.end === true ? '<end>' : Buffer.from(answer.data ?? '').toString();
  return text;
}

describe('a stream to a child', () => {
  it('carries bytes both ways, and each side ends on its own', async () => {
    onSocket = (socket) => {
      let got = '';
      socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
      socket.on('end', () => socket.end(`heard ${got}`));
    };
    const { queue, answers } = stream();
    const all = collect(answers);
    queue.push({ data: Buffer.from('one ') });
    queue.push({ data: Buffer.from('two') });
    queue.push({ end: true });
    queue.end();
    expect(await all).toBe('heard one two<end>');
    expect(relay.status()).toMatchObject({ openStreams: 0, streams: 1, bytesToChildren: 7, bytesFromChildren: 13, refusals: 0 });
  });

  it('waits for a coordinator that does not read', async () => {
    let written = 0;
    onSocket = (socket) => {
      const more = (): void => {
        while (socket.write(Buffer.alloc(64 * 1024))) written += 64 * 1024;
        written += 64 * 1024;
      };
      socket.on('drain', more);
      more();
    };
    const { answers, stop } = stream();
    await answers.next();
    let last = -1;
    await until(() => {
      const still = written === last;
      last = written;
      return still;
    }, { timeoutMs: 10_000, everyMs: 300, what: 'the child to be held back' });
    expect(relay.status()?.bytesFromChildren).toBeLessThan(256 * 1024);
    stop.abort();
    await answers.return(undefined);
  });

  it('ends after a silence', async () => {
    relay.close();
    relay = start({ ...defaultRelayLimits, idleMs: 100 });
    await expect(collect(stream().answers)).rejects.toMatchObject({ code: 'RELAY_FAILED' });
  });

  it('ends after its longest time, however busy it is', async () => {
    relay.close();
    relay = start({ ...defaultRelayLimits, longestMs: 200 });
    onSocket = (socket) => {
      const beat = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(beat));
    };
    await expect(collect(stream().answers)).rejects.toMatchObject({ code: 'RELAY_FAILED' });
  });

  it('ends when the child is taken off the list', async () => {
    const { answers } = stream();
    const ended = collect(answers);
    await until(() => sockets.length === 1, { timeoutMs: 5000, what: 'the connection' });
    list = [];
    relay.replaced();
    await expect(ended).rejects.toMatchObject({ code: 'RELAY_FAILED', fields: { reason: 'it is not allowed any more' } });
  });

  it('is refused from the ninth at a time on, and counted', async () => {
    const streams = Array.from({ length: 8 }, () => stream());
    const ended = streams.map(({ answers }) => collect(answers).catch(() => undefined));
    await until(() => sockets.length === 8, { timeoutMs: 5000, what: 'eight connections' });
    await expect(collect(stream().answers)).rejects.toMatchObject({ code: 'BUSY' });
    expect(relay.status()).toMatchObject({ openStreams: 8, refusals: 1 });
    for (const { stop } of streams) stop.abort();
    await Promise.all(ended);
    expect(relay.status()).toMatchObject({ openStreams: 0 });
  });

  it.each<[string, RelayRequest, string]>([
    ['names no child', { data: Buffer.from('x') }, 'FIELD_MISSING'],
    ['names nonsense', { hostId: '../x' }, 'FIELD_INVALID'],
    ['names a host that is no child', { hostId: '01930000-0000-7000-8000-000000000002' }, 'RELAY_NOT_CHILD'],
  ])('is refused when it %s', async (_what, first, code) => {
    await expect(collect(stream(relay, first).answers)).rejects.toMatchObject({ code });
    expect(sockets).toEqual([]);
  });

  it('is refused when the policy does not allow it, and when nobody listens there', async () => {
    host.setPolicy('version 1\nallow relay\n');
    await expect(collect(stream().answers)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    host.setPolicy('version 1\nallow relay address=127.* port=1-65535\n');
    list = [{ ...list[0], port: 1 } as RelayChild];
    await expect(collect(stream().answers)).rejects.toMatchObject({ code: 'RELAY_FAILED', fields: { reason: 'connection refused' } });
  });
});
