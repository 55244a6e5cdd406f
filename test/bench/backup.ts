import type { LabHost } from '../lab/lab.js';
import type { TestFleet } from '../support/fleet.js';
import { allowPull, copyPlaces, cpuOf, makeFiles, peakOf, pull, resetPeak, watchProcesses } from '../support/bench-copy.js';
import { property } from './footprint.js';
import { summarise, type Figure } from './report.js';
import { inTurns } from './round.js';

/** Packages of Debian on both hosts. */
export const backupPackages: readonly string[] = ['rsync', 'openssh-server', 'openssh-client'];

/** About 1 GB; BENCH_BACKUP_PERCENT: that much of it. */
const percent = Number(process.env['BENCH_BACKUP_PERCENT'] ?? 100);
const size = { smallFiles: 200 * percent, largeFiles: 8, largeMb: percent };
const rounds = { warmUp: 1, rounds: Number(process.env['BENCH_BACKUP_ROUNDS'] ?? 5) };
const peer = 'rsync over ssh';
const work = ['rsync', 'reeve-job', 'pipe', 'ssh', 'sshd'];

interface Hosts {
  readonly source: LabHost;
  readonly store: LabHost;
}

/** What one copy took, s. */
interface Took {
  /** Until what was copied is on the disk under its name. */
  readonly copy: number;
  /** Processor time on both hosts. */
  readonly cpu: number;
}

/** What one of `reeve backup run` took beside that. */
interface RunTook extends Took {
  /** Of the whole run, with what follows the copy, s. */
  readonly run: number;
  /** Processor time of the two agents. */
  readonly agents: number;
}

interface Times<T> {
  readonly full: T[];
  readonly again: T[];
}

/**
 * 20,000 small files and some large ones from one host to another: into an empty store, and once more when nothing has changed, so that all of it is linked.
 *
 * Ours is a run from its begin, as the coordinator has noted it, to the moment at which the snapshot got its name in the store. In that time it lists the snapshots
 * that are there, signs a grant, confines and starts both sides, has them find each other, copies, writes the file system to the disk and publishes. Rotation comes
 * after it and is in "the whole run"; the proof that follows a first run is made before on a small one, and not again.
 * Theirs is rsync(1) pulling over ssh(1) with the same flags, then sync(1) of the file system that it has written to: so both end with data on the disk.
 */
export async function benchBackup(fleet: TestFleet, names: { readonly source: string; readonly store: string }): Promise<Figure[]> {
  const hosts = { source: fleet.host(names.source), store: fleet.host(names.store) };
  await allowPull(hosts.store, hosts.source);
  await hosts.store.run(['mkdir', '-p', '/srv/backup', copyPlaces.theirs]);
  await hosts.source.run(['/bin/sh', '-c', 'mkdir "$1" && echo first >"$1/first"', 'make', copyPlaces.data]);
  const added = await fleet.reeve(['backup', 'add', 'bench', '--from', `${names.source}:${copyPlaces.data}`, '--to', `${names.store}:${copyPlaces.ours}`, '--every', 'never', '--verify-days', '365', '--yes']);
  if (added.code !== 0) throw new Error(`the job was not made: ${added.stdout}${added.stderr}`);
  await runJob(fleet, hosts);
  const bytes = await makeFiles(hosts.source, size);
  const agents = await Promise.all([hosts.source, hosts.store].map(async (host) => ({ host, pid: await property(host, 'reeve-agent.service', 'MainPID'), peaks: [] as number[] })));
  const ours: Times<RunTook> = { full: [], again: [] };
  const theirs: Times<Took> = { full: [], again: [] };
  const reeve = async (): Promise<void> => {
    await clear(hosts);
    for (const { host, pid } of agents) await resetPeak(host, pid);
    ours.full.push(await runJob(fleet, hosts));
    ours.again.push(await runJob(fleet, hosts));
    for (const { host, pid, peaks } of agents) peaks.push(await peakOf(host, pid));
  };
  const rsync = async (): Promise<void> => {
    await clear(hosts);
    theirs.full.push(await pullOnce(hosts, 'one'));
    theirs.again.push(await pullOnce(hosts, 'two', 'one'));
  };
  await inTurns([{ name: 'reeve', run: reeve }, { name: 'rsync', run: rsync }], rounds);
  const memory = { ours: await watched(hosts, reeve), theirs: await watched(hosts, rsync) };
  return [
    ...figuresOf('full', `${(bytes / 1e9).toFixed(2)} GB in ${String(size.smallFiles + size.largeFiles)} files into an empty store`, { ours: ours.full, theirs: theirs.full }, bytes),
    ...figuresOf('unchanged', 'the same once more, nothing changed', { ours: ours.again, theirs: theirs.again }),
    ...agents.map(({ peaks }, index): Figure => {
      const side = (['source', 'store'] as const)[index] ?? '';
      return {
        id: `backup/memory/${side}`, title: `most memory of the agent of the ${side} in both`, unit: 'MB', values: peaks.slice(rounds.warmUp, rounds.warmUp + rounds.rounds), bar: { most: 128 },
        note: `its job's processes: ${memory.ours[index] ?? ''}; of ${peer}: ${memory.theirs[index] ?? ''}`,
      };
    }),
  ];
}

function figuresOf(id: string, title: string, took: { readonly ours: readonly RunTook[]; readonly theirs: readonly Took[] }, bytes?: number): Figure[] {
  const ours = took.ours.slice(rounds.warmUp, rounds.warmUp + rounds.rounds);
  const theirs = took.theirs.slice(rounds.warmUp, rounds.warmUp + rounds.rounds);
  const rate = (values: readonly Took[]): number[] => values.map(({ copy }) => (bytes ?? NaN) / 1e6 / copy);
  const seconds = (values: readonly Took[]): number[] => values.map(({ copy }) => copy);
  const whole = `whole run ${summarise(ours.map(({ run }) => run)).median.toFixed(2)} s`;
  const speed: Figure = bytes === undefined
    ? { id: `backup/${id}`, title, unit: 's', values: seconds(ours), peers: [{ name: peer, values: seconds(theirs) }], bar: { most: 1, peer }, note: whole }
    : { id: `backup/${id}`, title, unit: 'MB/s', values: rate(ours), peers: [{ name: peer, values: rate(theirs) }], bar: { least: 0.9, peer }, note: whole };
  const agents = summarise(ours.map((one) => one.agents)).median.toFixed(2);
  return [speed, {
    id: `backup/${id}/cpu`, title: '  processor time of both hosts', unit: 's', values: ours.map(({ cpu }) => cpu), peers: [{ name: peer, values: theirs.map(({ cpu }) => cpu) }],
    note: `of it both agents ${agents} s; ours is of the whole run`,
  }];
}

/**
 * Both stores empty, and nothing left to write. What was there is put aside and not removed: ext4 gives the inodes of removed files to nobody for a minute, and who
 * makes as many files within it pays for the search with twice the time, in turns one side and the other.
 */
async function clear({ store }: Hosts): Promise<void> {
  const script =
    'aside=$(mktemp -d /srv/aside.XXXXXX); for from in "$1/snapshots" "$1/info" "$1/trash" "$2"; do to="$aside/${from##*/}"; mkdir "$to"; for one in "$from"/*; do if [ -e "$one" ]; then mv "$one" "$to/"; fi; done; done; sync -f "$1"';
  await store.run(['/bin/sh', '-ec', script, 'clear', copyPlaces.ours, copyPlaces.theirs], { timeoutMs: 120_000 });
}

async function cpuOfAll({ source, store }: Hosts): Promise<{ readonly all: number; readonly agent: number }> {
  const [one, two] = await Promise.all([cpuOf(source), cpuOf(store)]);
  return { all: one.all + two.all, agent: one.agent + two.agent };
}

async function runJob(fleet: TestFleet, hosts: Hosts): Promise<RunTook> {
  const before = await cpuOfAll(hosts);
  const { run } = await fleet.json<{ run: { state: string; reason: string; way: string; snapshot: string; startedAt: string; endedAt: string } }>(['backup', 'run', 'bench']);
  const after = await cpuOfAll(hosts);
  if (run.state !== 'done' || run.way !== 'direct' || run.reason !== '') throw new Error(`the run is ${run.state} by way ${run.way}: ${run.reason}`);
  // Renaming changes the status of what was renamed (rename(2)).
  const published = Number((await hosts.store.run(['stat', '-c', '%.3Z', `${copyPlaces.ours}/snapshots/${run.snapshot}`])).trim());
  const began = Date.parse(run.startedAt) / 1000;
  return { copy: published - began, run: Date.parse(run.endedAt) / 1000 - began, cpu: after.all - before.all, agents: after.agent - before.agent };
}

async function pullOnce(hosts: Hosts, name: string, basis?: string): Promise<Took> {
  const before = await cpuOfAll(hosts);
  const copy = await pull(hosts.store, hosts.source, `${copyPlaces.theirs}/${name}`, basis === undefined ? undefined : `${copyPlaces.theirs}/${basis}`);
  return { copy, cpu: (await cpuOfAll(hosts)).all - before.all };
}

/** Processes that do the work on the source and on the store, each with its memory. */
async function watched({ source, store }: Hosts, task: () => Promise<void>): Promise<readonly string[]> {
  const watchers = await Promise.all([source, store].map((host) => watchProcesses(host, work)));
  await task();
  return Promise.all(watchers.map((close) => close()));
}
