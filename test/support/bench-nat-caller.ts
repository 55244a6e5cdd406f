/**
 * Stands in for the command line, without its start: a request to the coordinator's NatService as JSON on each line of standard input; on each line of output how it
 * ended and when each kind of event came first, ms after the request. Bundled into the coordinator's host.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../coordinator/cli/connect.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';

/** A change, but for the id that it gets. */
export type NatCall =
  | { readonly method: 'AddForward'; readonly host: string; readonly port: number; readonly to: string }
  | { readonly method: 'SetNat'; readonly host: string; readonly which: string; readonly enabled: boolean };

/** What came of it. */
export interface NatAnswer {
  readonly outcome: string;
  readonly problem: string;
  readonly ms: Readonly<Partial<Record<'planned' | 'waiting' | 'confirmed' | 'finished', number>>>;
}

const natService = serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService');
const api = connect('/run/reeved/api.sock', new AbortController().signal);

function start(call: NatCall) {
  const operationId = newId(Date.now());
  if (call.method === 'SetNat') return api.stream(natService, 'SetNat', { options: { mode: 'CHANGE_MODE_APPLY', operationId }, host: call.host, which: call.which, enabled: call.enabled });
  const forward = { protocol: 'NAT_PROTOCOL_TCP' as const, ports: { first: call.port, last: call.port }, toAddress: call.to, toPorts: { first: 80, last: 80 } };
  return api.stream(natService, 'AddForward', { options: { mode: 'CHANGE_MODE_STAGE', operationId }, host: call.host, forward });
}

for await (const text of createInterface({ input: process.stdin })) {
  let answer = await ask(JSON.parse(text) as NatCall);
  // One caller may ask so often a second, which the thousand forwards that are made first are not held to.
  while (answer.problem.includes('RATE_LIMITED')) {
    await sleep(100);
    answer = await ask(JSON.parse(text) as NatCall);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
api.close();

async function ask(call: NatCall): Promise<NatAnswer> {
  const ms: Record<string, number> = {};
  let [outcome, problem] = ['', ''];
  const began = performance.now();
  try {
    for await (const event of start(call)) {
      for (const kind of ['planned', 'waiting', 'confirmed', 'finished'] as const) if (event[kind]) ms[kind] ??= performance.now() - began;
      if (event.finished) ({ outcome } = event.finished);
      if (event.host) problem = JSON.stringify(event.host.errors);
    }
  } catch (error) {
    problem = error instanceof ReeveError ? `${error.code}: ${error.message}` : String(error);
  }
  return { outcome, problem, ms };
}
