/**
 * Acts on the wire of backups as anybody whose key it is given: calls RunRsync of an agent, and dials data ports. One order as JSON on each line of standard input, one answer on
 * each line of output. Bundled into hosts.
 */
import { createInterface } from 'node:readline';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/BackupService.js';
import type { RunRsyncRequestInput } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncRequest.js';
import type { RunRsyncResponse } from '../../shared/gen/proto/reeve/agent/v1/RunRsyncResponse.js';
import { agentPort, dataPort } from '../../shared/model/host.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { fromText, toText } from './abuse-text.js';
import type { CallerAnswer, CallerOrder, Shown } from './backup-caller-order.js';

const agentBackups = serviceName<BackupServiceDefinition>('reeve.agent.v1.BackupService');

/** Calls that are open, by name. */
interface Open {
  readonly channel: Channel;
  readonly events: AsyncGenerator<RunRsyncResponse>;
  send(message: RunRsyncRequestInput): void;
  stop(): void;
}

const open = new Map<string, Open>();

function openCall(address: string, shown: Shown | undefined): Open {
  const context = createSecureContext({ ...(shown === undefined ? {} : { key: shown.key, cert: shown.certificate }), minVersion: 'TLSv1.3' });
  const channel = openChannel({
    target: `ipv4:${address}:${String(agentPort)}`,
    credentials: credentials.createFromSecureContext(context, { rejectUnauthorized: false, checkServerIdentity: () => undefined }),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: address, reason }),
  });
  const waiting: RunRsyncRequestInput[] = [];
  let wake = (): void => undefined;
  let over = false;
  async function* messages(): AsyncGenerator<RunRsyncRequestInput> {
    while (!over) {
      const next = waiting.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else yield next;
    }
  }
  const stopping = new AbortController();
  return {
    channel,
    events: channel.duplex(agentBackups, 'RunRsync', messages(), { signal: stopping.signal }),
    send(message) {
      waiting.push(message);
      wake();
    },
    stop() {
      over = true;
      wake();
      stopping.abort();
      channel.close();
    },
  };
}

async function nextOf(call: Open): Promise<CallerAnswer> {
  try {
    const next = await call.events.next();
    if (next.done === true) return { kind: 'end', text: '' };
    const { ready, listening, unreachable, connected, result } = next.value;
    const kind = ready ? 'ready' : listening !== undefined ? 'listening' : unreachable !== undefined ? 'unreachable' : connected === true ? 'connected' : result ? 'result' : 'other';
    return { kind, text: unreachable ?? result?.reason ?? '' };
  } catch (error) {
    return error instanceof ReeveError ? { kind: error.code, text: error.message } : { kind: 'error', text: String(error) };
  }
}

/** A connection whose mark was taken. Rejects when it is closed instead. */
function showMark(address: string, mark: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port: dataPort }, () => socket.write(`${mark}\n`));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the mark was not taken')));
    socket.once('readable', () => {
      if (socket.read(1) !== null) resolve(socket);
    });
  });
}

async function dialData({ address, shown, hello, mark }: Extract<CallerOrder, { kind: 'dial' }>): Promise<CallerAnswer> {
  const under = mark === undefined ? { host: address, port: dataPort } : await showMark(address, mark).then((socket) => ({ socket }), (error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  if (under instanceof Error) return { kind: '0', text: under.message };
  return new Promise((resolve) => {
    let bytes = 0;
    let why = '';
    const socket = connect({ ...under, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...(shown === undefined ? {} : { key: shown.key, cert: shown.certificate }) });
    const timer = setTimeout(() => {
      why = 'still open';
      socket.destroy();
    }, 3_000);
    socket.once('secureConnect', () => socket.write(hello));
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    socket.on('error', (error: Error) => (why = error.message));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve({ kind: String(bytes), text: why });
    });
  });
}

async function obey(order: CallerOrder): Promise<CallerAnswer> {
  if (order.kind === 'dial') return dialData(order);
  if (order.kind === 'start') {
    const call = openCall(order.address, order.shown);
    open.set(order.name, call);
    call.send({ start: { side: order.side, grant: Buffer.from(order.grant), signature: Buffer.from(order.signature) } });
    const answer = await nextOf(call);
    if (answer.kind === 'ready') return answer;
    call.stop();
    open.delete(order.name);
    return answer;
  }
  const call = open.get(order.name);
  if (call === undefined) return { kind: 'error', text: `there is no call ${order.name}` };
  if (order.kind === 'listen') {
    call.send({ connect: { listen: true } });
    let answer = await nextOf(call);
    while (answer.kind === 'other') answer = await nextOf(call);
    return answer;
  }
  call.stop();
  open.delete(order.name);
  return { kind: 'stopped', text: '' };
}

for await (const text of createInterface({ input: process.stdin })) process.stdout.write(`${toText(await obey(fromText(text) as CallerOrder))}\n`);
process.exit(0);
