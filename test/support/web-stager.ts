/**
 * Stands in for the command line, without its start, where many sites are to be stored: requests to the coordinator's VhostService as JSON, one on each line of
 * standard input; on each line of output how it ended and when each kind of event came first, ms after the request. Bundled into the coordinator's host.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../coordinator/cli/connect.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/VhostService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';

/** A site that always answers a text, stored; or a site that gets another title, made. */
export type SiteCall =
  | { readonly method: 'AddVhost'; readonly host: string; readonly name: string; readonly text: string }
  | { readonly method: 'SetVhost'; readonly host: string; readonly name: string; readonly title: string };

/** What came of it. */
export interface SiteAnswer {
  readonly outcome: string;
  readonly problem: string;
  readonly ms: Readonly<Partial<Record<'planned' | 'finished', number>>>;
}

const vhostService = serviceName<VhostServiceDefinition>('reeve.coordinator.v1.VhostService');
const api = connect('/run/reeved/api.sock', new AbortController().signal);

function start(call: SiteCall) {
  const operationId = newId(Date.now());
  if (call.method === 'SetVhost') return api.stream(vhostService, 'SetVhost', { options: { mode: 'CHANGE_MODE_APPLY', operationId }, host: call.host, name: call.name, edit: { title: call.title } });
  // Both with TLS and without: the same answer.
  const routes = [{ prefix: '/', status: { code: 200, text: call.text } }];
  return api.stream(vhostService, 'AddVhost', { options: { mode: 'CHANGE_MODE_STAGE', operationId }, host: call.host, vhost: { name: call.name, routes } });
}

for await (const text of createInterface({ input: process.stdin })) {
  let answer = await ask(JSON.parse(text) as SiteCall);
  // One caller may ask so often a second, which the sites that are made first are not held to.
  while (answer.problem.includes('RATE_LIMITED')) {
    await sleep(100);
    answer = await ask(JSON.parse(text) as SiteCall);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
api.close();

async function ask(call: SiteCall): Promise<SiteAnswer> {
  const ms: Record<string, number> = {};
  let [outcome, problem] = ['', ''];
  const began = performance.now();
  try {
    for await (const event of start(call)) {
      for (const kind of ['planned', 'finished'] as const) if (event[kind]) ms[kind] ??= performance.now() - began;
      if (event.finished) ({ outcome } = event.finished);
      if (event.host) problem = JSON.stringify(event.host.errors);
    }
  } catch (error) {
    problem = error instanceof ReeveError ? `${error.code}: ${error.message}` : String(error);
  }
  return { outcome, problem, ms };
}
