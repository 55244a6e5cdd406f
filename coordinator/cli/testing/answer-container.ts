import type { ChangeEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ContainerEventInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ContainerEvent.js';
import type { ContainerRowInput } from '../../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { HostResultInput } from '../../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { ContainerImageInput } from '../../../shared/gen/proto/reeve/type/v1/ContainerImage.js';
import type { ContainerSpecInput } from '../../../shared/gen/proto/reeve/type/v1/ContainerSpec.js';
import type { ObservedContainerInput } from '../../../shared/gen/proto/reeve/type/v1/ObservedContainer.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const digest = 'ab'.repeat(32);
const id = (number: number): string => `01930000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** An application of the canned fleet. */
export const shopSpec: ContainerSpecInput = {
  engine: 'podman', running: true, boot: true, image: `docker.io/library/nginx@sha256:${digest}`, tag: '1.27', command: ['nginx', '-g', 'daemon off;'], environment: [{ name: 'MODE', value: 'fast\u001b[2J' }],
  secrets: [{ name: 'token', version: id(7) }], ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }, { protocol: 'udp', address: '::1', port: 53, inside: 5353 }],
  volumes: [{ folder: '/srv/shop', target: '/data', readOnly: true }], restart: 'always', limits: { memory: 536_870_912, swap: 0, cpu: 150, tasks: 100 }, health: { httpPort: 8080, httpPath: '/', startSeconds: 30 }, stopSeconds: 5,
};

const mailSpec: ContainerSpecInput = { engine: 'lxc', running: true, boot: true, archive: digest, bridge: 'lxcbr0', address: '10.0.3.7/24', gateway: '10.0.3.1', restart: 'always', limits: { memory: 1_073_741_824 } };

const shop: ObservedContainerInput = {
  name: 'shop', engine: 'podman', managed: true, spec: shopSpec, state: 'running', boot: true, health: 'healthy', sinceMs: nowMs - 7_200_000, pid: 4711, cpuUs: 90_000_000, memory: 83_886_080, memoryMax: 536_870_912, memoryCounted: true,
  tasks: 5, disk: 12_582_912, unit: 'reeve-container-shop.service',
};

const rows: readonly ContainerRowInput[] = [
  { hostName: 'big1', name: 'mail', spec: mailSpec, observed: { name: 'mail', engine: 'lxc', managed: true, spec: mailSpec, state: 'failed', reason: 'exit code 1', address: '10.0.3.7/24', bridge: 'lxcbr0' }, guest: 'mail1', status: 'drift', reason: 'it failed (exit code 1); see: reeve container logs big1 mail' },
  { hostName: 'big1', name: 'old', observed: { name: 'old', engine: 'lxc', state: 'running', sinceMs: nowMs - 86_400_000, cpuUs: 1_000_000, memory: 1024, address: '10.0.3.9/24' }, status: 'foreign', reason: 'Reeve does not manage it; to take it over: reeve container adopt big1 old' },
  { hostName: 'web1', name: 'next', spec: { ...shopSpec, tag: '', running: false, boot: false }, status: 'pending', reason: 'its host still has to be told; to do it: reeve apply --on web1 --noun container' },
  { hostName: 'web1', name: 'shop', spec: shopSpec, observed: shop, status: 'ok' },
  { hostName: 'web2', name: 'shop', spec: { ...shopSpec, idleSeconds: 300 }, status: 'unknown', reason: 'Host "web2" cannot be reached: connection refused' },
];
const problems = [{ hostName: 'web2', reason: 'Host "web2" cannot be reached: connection refused' }];

/** A host that gets a container. */
const made: HostResultInput = {
  hostId: id(1), hostName: 'web1', outcome: 'OUTCOME_OK', noun: 'container', durationMs: 900,
  changes: [{ kind: 'CHANGE_KIND_CREATE', noun: 'container', subject: 'shop', fields: [{ field: 'image', to: 'docker.io/library/nginx:1.27' }, { field: 'ports', to: '0.0.0.0:8080 to 80/tcp' }, { field: 'memory', to: '512 MiB' }] }],
  notes: ['the kernel of the host does not keep memory'],
};
const altered = (subject: string, field: string, from: string, to: string): HostResultInput => ({ ...made, notes: [], changes: [{ kind: 'CHANGE_KIND_UPDATE', noun: 'container', subject, fields: [{ field, from, to }] }] });

const images: readonly ContainerImageInput[] = [
  { kind: 'lxc', digest: 'cd'.repeat(32), bytes: 134_217_728, createdMs: nowMs - 9_000_000_000, usedBy: ['mail'] },
  { kind: 'podman', image: 'docker.io/library/nginx', digest, tag: '1.27', bytes: 196_083_713, createdMs: nowMs - 86_400_000, usedBy: ['shop'] },
  { kind: 'podman', image: 'localhost/tool\u001b[2J', digest: 'ef'.repeat(32), bytes: 2_097_152, createdMs: nowMs - 3_600_000 },
];

const work = (text: string, finished: ContainerEventInput['finished']): ContainerEventInput[] => [{ progress: { text } }, { progress: { text, bytes: 1_048_576, total: 4_194_304 } }, { finished: finished ?? {} }];
const use = (hostName: string, cpuPercent: number) => ({ hostName, observed: shop, cpuPercent });

/** What the canned coordinator answers about containers. */
export function containerAnswers(changeEvents: (results: readonly HostResultInput[]) => (request: { options: { mode: string; operationId: string } }) => ChangeEventInput[]): Handlers {
  return {
    'ContainerService.AddContainer': changeEvents([made]),
    'ContainerService.SetContainer': changeEvents([altered('shop', 'memory', '512 MiB', '1 GiB')]),
    'ContainerService.StartContainer': changeEvents([altered('shop', 'state', 'stopped', 'running')]),
    'ContainerService.StopContainer': changeEvents([altered('shop', 'state', 'running', 'stopped')]),
    'ContainerService.RemoveContainer': changeEvents([{ ...made, notes: ['the folder /srv/shop stays'], changes: [{ kind: 'CHANGE_KIND_REMOVE', noun: 'container', subject: 'shop', fields: [] }] }]),
    'ContainerService.AdoptContainer': changeEvents([altered('old', 'managed', 'no', 'yes')]),
    'ContainerService.RestartContainer': () => work('restarting', { note: 'it ended by itself' }),
    'ContainerService.ListContainers': () => ({ rows, problems }),
    'ContainerService.ShowContainer': () => ({ row: rows[3], offers: { engines: ['podman', 'lxc'], ignoredLimits: ['memory', 'swap'] } }),
    'ContainerService.WatchContainers': () => [{ uses: [use('web1', 12.5)], problems }, { uses: [use('web1', 3.25), use('web2', 0)], problems: [] }],
    'ContainerService.FollowContainerLog': () => [{ output: Buffer.from('started\n\u001b[2Jred \u202eodd, h') }, { output: Buffer.from([0xc3]) }, { output: Buffer.from([0xa4, 0x0a, 0xff]) }, { finished: {} }],
    'ContainerService.SnapshotContainer': () => work('copying', { note: 'it ran meanwhile: it is as after a loss of power' }),
    'ContainerService.ListContainerSnapshots': () => ({ snapshots: [{ name: 'before-update', createdMs: nowMs - 3_600_000, bytes: 1_073_741_824 }, { name: 'first', createdMs: nowMs - 864_000_000 }] }),
    'ContainerService.ListImages': () => ({ images }),
    'ContainerService.PullImage': () => work('fetching', { digest: `docker.io/library/nginx@sha256:${digest}`, bytes: 196_083_713 }),
    'ContainerService.ImportImage': () => work('importing', { digest: 'cd'.repeat(32), bytes: 134_217_728 }),
    'ContainerService.PruneImages': () => [{ image: images[2] }, { finished: {} }],
  };
}
