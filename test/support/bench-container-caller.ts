/**
 * Stands in for the command line, without its start: a request to the coordinator's ContainerService as JSON on each line of standard input; on each line of output
 * what came of it and how long it took. Bundled into the coordinator's host.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../coordinator/cli/connect.js';
import { ReeveError } from '../../shared/errors/error.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';

/** What is asked. */
export type ContainerCall =
  | { readonly method: 'ListContainers'; readonly host: string }
  | { readonly method: 'AddContainer'; readonly host: string; readonly name: string; readonly image: string; readonly command: readonly string[] }
  | { readonly method: 'StartContainer' | 'StopContainer'; readonly host: string; readonly name: string };

/** What came of it. */
export interface ContainerAnswer {
  /** Why it failed; empty: it did not. */
  readonly problem: string;
  /** ListContainers: how many. */
  readonly rows: number;
  readonly ms: number;
}

const service = serviceName<ContainerServiceDefinition>('reeve.coordinator.v1.ContainerService');
const api = connect('/run/reeved/api.sock', new AbortController().signal);

function start(call: Exclude<ContainerCall, { method: 'ListContainers' }>) {
  const about = { options: { mode: 'CHANGE_MODE_APPLY' as const, operationId: newId(Date.now()) }, host: call.host, name: call.name };
  if (call.method === 'AddContainer') return api.stream(service, 'AddContainer', { ...about, spec: { engine: 'podman', image: call.image, command: [...call.command], running: true } });
  return api.stream(service, call.method, about);
}

for await (const text of createInterface({ input: process.stdin })) {
  let answer = await ask(JSON.parse(text) as ContainerCall);
  // One caller may ask so often a second, which the containers that are made first are not held to.
  while (answer.problem.includes('RATE_LIMITED')) {
    await sleep(100);
    answer = await ask(JSON.parse(text) as ContainerCall);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
api.close();

async function ask(call: ContainerCall): Promise<ContainerAnswer> {
  const began = performance.now();
  let [problem, rows] = ['', 0];
  try {
    if (call.method === 'ListContainers') rows = (await api.call(service, 'ListContainers', { selector: call.host })).rows.length;
    else {
      for await (const event of start(call)) {
        if (event.host && event.host.outcome !== 'OUTCOME_OK') problem = JSON.stringify(event.host.errors);
      }
    }
  } catch (error) {
    problem = error instanceof ReeveError ? `${error.code}: ${error.message}` : String(error);
  }
  return { problem, rows, ms: performance.now() - began };
}
