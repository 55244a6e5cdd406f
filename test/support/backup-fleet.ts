import { credentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import type { BackupRun } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { BackupRunEvent } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import { openChannel, serviceName } from '../../shared/rpc/client.js';
import type { LabHost } from '../lab/lab.js';
import type { TestFleet } from './fleet.js';
import { until } from './until.js';

const backupService = serviceName<BackupServiceDefinition>('reeve.coordinator.v1.BackupService');

/** Begins a run and does not wait for it; its id. */
export async function beginRun(fleet: TestFleet, job: string): Promise<string> {
  const { run } = await fleet.json<{ run: { id: string } }>(['backup', 'run', job, '--detach']);
  return run.id;
}

/** Runs a job to its end. */
export async function runToEnd(fleet: TestFleet, job: string): Promise<BackupRun> {
  return waitEnded(fleet, job, await beginRun(fleet, job));
}

/** A run as the coordinator has it now. */
export async function showRun(fleet: TestFleet, job: string, runId: string): Promise<BackupRun> {
  const { run } = await fleet.api.call(backupService, 'ShowBackupRun', { name: job, runId });
  if (run === null) throw new Error(`the coordinator has no run ${runId}`);
  return run;
}

/** The events of the run of a job that is under way, to its end; each with when it came, ms. */
export async function watchRun(fleet: TestFleet, job: string): Promise<readonly { readonly atMs: number; readonly event: BackupRunEvent }[]> {
  // The way to the coordinator that calls of one answer have.
  await fleet.api.call(backupService, 'ListBackups', {});
  const channel = openChannel({
    target: `unix:${fleet.hub.outside('/run/lab-api.sock')}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: fleet.hub.name, reason }),
  });
  try {
    const heard: { atMs: number; event: BackupRunEvent }[] = [];
    for await (const event of channel.stream(backupService, 'WatchBackup', { name: job }, { signal: AbortSignal.timeout(60_000) })) heard.push({ atMs: performance.now(), event });
    return heard;
  } finally {
    channel.close();
  }
}

/** Waits until a run has an end that stays. */
export async function waitEnded(fleet: TestFleet, job: string, runId: string, timeoutMs = 120_000): Promise<BackupRun> {
  return until(async () => {
    const run = await showRun(fleet, job, runId);
    return run.state === 'running' || run.state === 'unknown' ? undefined : run;
  }, { timeoutMs, everyMs: 50, what: `run ${runId} of ${job} to end` });
}

/** Waits until a copy is in the middle: so many bytes of it have come. */
export async function waitCopying(fleet: TestFleet, job: string, runId: string, bytes: number): Promise<BackupRun> {
  return until(async () => {
    const run = await showRun(fleet, job, runId);
    if (run.state !== 'running') throw new Error(`run ${runId} ended too early: ${run.state} ${run.reason}`);
    return run.progress?.phase === 'copying' && run.progress.bytes >= bytes ? run : undefined;
  }, { timeoutMs: 30_000, everyMs: 20, what: `run ${runId} of ${job} to have copied ${String(bytes)} bytes` });
}

/** What of runs is alive on a host: processes of rsync, reeve-job and reeve-carry, units, and the data port. Empty: nothing. */
export async function aliveOf(host: LabHost): Promise<readonly string[]> {
  const script = [
    "for c in /proc/[0-9]*/comm; do read -r name <\"$c\" && case $name in rsync|reeve-job|reeve-carry|pipe) echo \"process $name\";; esac; done 2>/dev/null",
    "systemctl list-units --no-legend --plain --state=active,activating,deactivating 'reeve-job@*' | sed 's/ .*//'",
    "ss -Hltn | awk '$4 ~ /:7424$/ { print \"listens \" $4 }'",
  ].join('\n');
  return (await host.run(['/bin/sh', '-c', script])).split('\n').filter((line) => line !== '');
}

/** Waits until nothing of a run is alive on any of the hosts. */
export async function waitQuiet(hosts: readonly LabHost[], timeoutMs = 10_000): Promise<void> {
  let alive: readonly string[] = [];
  await until(async () => {
    alive = (await Promise.all(hosts.map(async (host) => (await aliveOf(host)).map((line) => `${host.name}: ${line}`)))).flat();
    return alive.length === 0;
  }, { timeoutMs, everyMs: 50, what: 'nothing of a run to be alive' }).catch((error: unknown) => {
    throw new Error(`still alive: ${alive.join(', ')}`, { cause: error });
  });
}

/** All that a snapshot is on its disk: inode, kind, mode, owner, size and time of each entry, its attributes, and the digest of its content. Only how often it is linked is left out. */
export async function inodesOf(host: LabHost, folder: string): Promise<readonly string[]> {
  const script = [
    'cd "$1" || exit 1',
    "find . -printf '%p %i %y %m %U %G %s %T@\\n'",
    'getfattr --recursive --no-dereference --dump --match=- . 2>/dev/null | tr "\\n" " " | sha256sum',
    'find . -type f -print0 | sort -z | xargs -0 -r sha256sum',
  ].join('\n');
  return (await host.run(['/bin/sh', '-c', script, 'inodes', folder], { timeoutMs: 120_000 })).split('\n').sort();
}

/** What a copy has to have of a folder: each name with its kind, the times of files, and the digests of their content. */
export async function contentOf(host: LabHost, folder: string): Promise<readonly string[]> {
  const script = ['cd "$1" || exit 1', "find . -type f -printf '%p %s %T@\\n' -o -printf '%p %y\\n'", 'find . -type f -print0 | sort -z | xargs -0 -r sha256sum'].join('\n');
  return (await host.run(['/bin/sh', '-c', script, 'content', folder], { timeoutMs: 120_000 })).split('\n').sort();
}

/** Drops all packets between a host and another one, both ways, and without a word to either; the result lets them pass again. */
export async function cutFrom(host: LabHost, other: LabHost): Promise<() => Promise<void>> {
  const rules = [
    'table inet lab_cut {',
    `chain in { type filter hook input priority -300; ip saddr ${other.address} drop; }`,
    `chain out { type filter hook output priority -300; ip daddr ${other.address} drop; }`,
    '}',
  ].join('\n');
  await host.run(['nft', '-f', '-'], { input: rules });
  return async () => {
    await host.run(['nft', 'delete', 'table', 'inet', 'lab_cut']);
  };
}
