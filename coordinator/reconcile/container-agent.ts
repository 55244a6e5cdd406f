import { reeveError } from '../../shared/errors/error.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import type { ContainerWork } from '../../shared/gen/proto/reeve/agent/v1/ContainerWork.js';
import type { ContainerImageInput } from '../../shared/gen/proto/reeve/type/v1/ContainerImage.js';
import type { ContainerProgressInput } from '../../shared/gen/proto/reeve/type/v1/ContainerProgress.js';
import type { ContainerSnapshotInput } from '../../shared/gen/proto/reeve/type/v1/ContainerSnapshot.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { parseContainerHost, parseObservedContainers, type ObservedContainer } from '../desired/container-observed.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import { requireAble } from './able.js';
import { wholeOf } from './backup-entry.js';
import { containerNoun } from './container.js';

/** What an agent does with containers. */
export const agentContainers = serviceName<ContainerServiceDefinition>('reeve.agent.v1.ContainerService');

/** As much of the fleet as is needed to reach the agents. */
export type ContainerFleet = Pick<Fleet, 'call' | 'lane' | 'live'>;

/** Longest silence between two messages of a host that is at work, ms. */
const silenceMs = 120_000;

/** Longest text of a host, and most names in one row. */
const most = { text: 1024, names: 1000, outputBytes: 65_536 } as const;

/** What comes of a piece of work, checked; its texts stay hostile. */
export type WorkEvent =
  | { readonly kind: 'progress'; readonly progress: ContainerProgressInput }
  | { readonly kind: 'image'; readonly image: ContainerImageInput }
  | { readonly kind: 'snapshot'; readonly snapshot: ContainerSnapshotInput }
  | { readonly kind: 'output'; readonly output: Buffer }
  | { readonly kind: 'result'; readonly digest: string; readonly bytes: number; readonly note: string };

/** A piece of work on a host. */
export interface ContainerOrder {
  /** What it is, for people, in an error: "restart of container \"web\"". */
  readonly what: string;
  readonly signal: AbortSignal;
  /** It may say nothing for as long as it likes. */
  readonly quiet?: boolean;
  readonly open: (channel: Channel, signal: AbortSignal) => AsyncIterable<ContainerWork>;
}

/** Has an agent do a piece of work; the last event is the result. Errors: CONTAINER_FAILED, HOST_UNREACHABLE, VERSION_UNSUPPORTED, what the agent says. */
export async function* workOn(fleet: ContainerFleet, host: HostRow, { what, signal, quiet, open }: ContainerOrder): AsyncGenerator<WorkEvent> {
  requireAble(fleet.live(host.id), containerNoun);
  const lane = await fleet.lane(host);
  const silent = new AbortController();
  const failed = (rule: string): Error => reeveError('CONTAINER_FAILED', { value: what, host: host.name, rule });
  try {
    const events = open(lane.channel, AbortSignal.any([signal, silent.signal]))[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Only while the host is waited for: a slow reader is no silence of it.
        const timer = quiet === true ? undefined : setTimeout(() => silent.abort(), silenceMs);
        const next = await events.next().finally(() => clearTimeout(timer));
        if (next.done === true) break;
        const event = parseWork(next.value);
        if (event === undefined) continue;
        yield event;
        if (event.kind === 'result') return;
      }
    } finally {
      await events.return?.();
    }
  } catch (error) {
    if (silent.signal.aborted) throw failed('its agent says nothing any more');
    throw error;
  } finally {
    lane.release();
  }
  throw failed('its agent stopped in the middle');
}

function parseWork({ progress, image, snapshot, output, result }: ContainerWork): WorkEvent | undefined {
  const text = (value: string): string => value.slice(0, most.text);
  if (progress) return { kind: 'progress', progress: { text: text(progress.text), bytes: wholeOf(progress.bytes), total: wholeOf(progress.total) } };
  if (image) {
    if (!/^[0-9a-f]{64}$/.test(image.digest)) return undefined;
    const usedBy = image.usedBy.slice(0, most.names).map((name) => name.slice(0, 255));
    return { kind: 'image', image: { kind: text(image.kind), image: text(image.image), digest: image.digest, tag: text(image.tag), bytes: wholeOf(image.bytes), createdMs: wholeOf(image.createdMs), usedBy } };
  }
  if (snapshot) return { kind: 'snapshot', snapshot: { name: snapshot.name.slice(0, 255), createdMs: wholeOf(snapshot.createdMs), bytes: wholeOf(snapshot.bytes) } };
  if (output) return { kind: 'output', output: output.subarray(0, most.outputBytes) };
  return result ? { kind: 'result', digest: text(result.digest), bytes: wholeOf(result.bytes), note: text(result.note) } : undefined;
}

/** Most rows of one answer that are listened to. */
const mostRows = 10_000;

/** The images and archives of a host. Errors: as of workOn. */
export async function readImages(fleet: ContainerFleet, host: HostRow, signal: AbortSignal): Promise<readonly ContainerImageInput[]> {
  const images: ContainerImageInput[] = [];
  const work = workOn(fleet, host, { what: 'The list of images', signal, open: (channel, ended) => channel.stream<ContainerServiceDefinition, 'ListImages'>(agentContainers, 'ListImages', {}, { signal: ended }) });
  for await (const event of work) if (event.kind === 'image' && images.length < mostRows) images.push(event.image);
  return images;
}

/** The snapshots of a container, newest first. Errors: as of workOn. */
export async function readContainerSnapshots(fleet: ContainerFleet, host: HostRow, name: string, signal: AbortSignal): Promise<readonly ContainerSnapshotInput[]> {
  const snapshots: ContainerSnapshotInput[] = [];
  const open = (channel: Channel, ended: AbortSignal): AsyncIterable<ContainerWork> => channel.stream<ContainerServiceDefinition, 'ListContainerSnapshots'>(agentContainers, 'ListContainerSnapshots', { name }, { signal: ended });
  for await (const event of workOn(fleet, host, { what: 'The list of snapshots', signal, open })) if (event.kind === 'snapshot' && snapshots.length < mostRows) snapshots.push(event.snapshot);
  return snapshots.sort((a, b) => (b.createdMs as number) - (a.createdMs as number) || ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
}

/** What one host says of its containers. */
export interface Looked {
  readonly containers: readonly ObservedContainer[];
  readonly offers: { engines: string[]; ignoredLimits: string[] };
  /** There are more than are told. */
  readonly truncated: boolean;
}

/** Asks a host how its containers are, also those of others. Errors: what the agent says, HOST_*, VERSION_UNSUPPORTED. */
export async function lookAt(fleet: Pick<Fleet, 'call' | 'live'>, host: HostRow, asked: { readonly name?: string; readonly health?: boolean }, signal: AbortSignal): Promise<Looked> {
  requireAble(fleet.live(host.id), containerNoun);
  const said = await fleet.call(host, agentContainers, 'ObserveContainer', { all: true, name: asked.name ?? '', health: asked.health === true }, { deadlineMs: 20_000, signal });
  return { containers: parseObservedContainers(said.containers), offers: parseContainerHost(said.host), truncated: said.truncated };
}
