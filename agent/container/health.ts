import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerSpec } from '../../shared/model/container.js';
import type { WorkPlace } from '../engine/ticket.js';
import { observeContainers } from './observe.js';
import { doWork } from './work.js';

/** Longest time that one question takes, ms. */
const answerMs = 3_000;

/** Pauses between two questions, ms. */
const pausesMs = [100, 200, 500, 1000] as const;

/** What people are told of one that does not answer. */
export type HealthAnswer = { readonly healthy: true } | { readonly healthy: false; readonly reason: string };

/** Asks a container once whether it is healthy; one without a check is. Errors: HELPER_UNREACHABLE, POLICY_DENIED for a check that is a command. */
export async function askHealth(place: WorkPlace, operationId: string, name: string, spec: ContainerSpec): Promise<HealthAnswer> {
  const { health } = spec;
  if (health === undefined) return { healthy: true };
  if (health.kind === 'command') {
    const { ok, reason } = await doWork(place, 'container.control', operationId, { name, action: 'health' });
    return ok ? { healthy: true } : { healthy: false, reason: `its check says: ${reason}` };
  }
  const { port } = health;
  const address = addressOf(spec, port);
  const where = `port ${String(port)} of ${address}`;
  if (health.kind === 'tcp') {
    const said = await place.host.checkReach(address, port, answerMs);
    return said === '' ? { healthy: true } : { healthy: false, reason: `${where} does not take a connection: ${said}` };
  }
  const answer = await place.host.askSite({ address, port, tls: false, name: 'localhost', path: health.path, timeoutMs: answerMs, bodyBytes: 0 });
  if (answer.kind === 'none') return { healthy: false, reason: `${where} does not answer "${health.path}": ${answer.reason}` };
  return answer.status >= 200 && answer.status < 400 ? { healthy: true } : { healthy: false, reason: `${where} answers "${health.path}" with status ${String(answer.status)}` };
}

/** Where a published port is asked from the host itself. */
function addressOf({ ports }: ContainerSpec, port: number): string {
  const address = ports.find((published) => published.protocol === 'tcp' && published.port === port)?.address ?? '0.0.0.0';
  return address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
}

/** Asks until it is healthy, for as long as it may take; empty, or why it is not. One that ends meanwhile is not waited for. */
export async function awaitHealth(place: WorkPlace, operationId: string, name: string, spec: ContainerSpec): Promise<string> {
  const { health } = spec;
  // Who asks one that sleeps wakes it.
  if (health === undefined || spec.idleSeconds !== undefined) return '';
  const { clock, helper } = place.host;
  const until = clock.monotonic() + health.startSeconds * 1000;
  for (let tries = 0; ; tries += 1) {
    const answer = await askHealth(place, operationId, name, spec);
    if (answer.healthy) return '';
    const now = (await observeContainers(helper, operationId, 'managed', name)).containers.find((container) => container.name === name);
    if (now === undefined || now.state === 'failed' || now.state === 'stopped' || now.state === 'missing') return `it ended: ${now?.reason ?? ''}`.replace(/: $/, '');
    const pauseMs = pausesMs[Math.min(tries, pausesMs.length - 1)] ?? 0;
    if (clock.monotonic() + pauseMs >= until) return `${answer.reason}, after ${String(health.startSeconds)} s`;
    await sleep(pauseMs);
  }
}
