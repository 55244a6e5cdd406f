import type { LabHost } from '../lab/lab.js';
import { containerHost, containerPackages } from '../support/container-fleet.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { benchAdd } from './add.js';
import { backupPackages, benchBackup } from './backup.js';
import { benchCommandLine } from './command-line.js';
import { benchContainer } from './container.js';
import { measureIdle, measureStart, sizeOfPackages } from './footprint.js';
import { benchJoin } from './join.js';
import { benchNat } from './nat.js';
import type { Figure, Skipped } from './report.js';
import { watchSteadyState } from './steady.js';
import { benchVhost } from './vhost.js';

/** Benches on real hosts with the packages installed; they need root. */
export const installedBenches: readonly string[] = ['add', 'join', 'footprint', 'steady', 'command-line', 'nat', 'vhost', 'backup', 'container'];

/** How long an agent has been left alone before its memory is read, s. */
const idleS = 60;

/** How long no process may be started, s. */
const steadyS = Number(process.env['BENCH_STEADY_S'] ?? 300);

/** Boots and installs three hosts and a coordinator once for all benches that were asked for; answers those that cannot run here. */
export async function benchInstalled(benches: readonly string[], tell: (figures: readonly Figure[]) => void): Promise<Skipped[]> {
  if (benches.length === 0) return [];
  const available = hosts;
  if (!available.ok) return benches.map((id) => ({ id, reason: available.reason }));
  const files = await debs('normal');
  const names = ['web1', 'web2', 'web3'].slice(0, benches.includes('join') ? 3 : benches.includes('backup') ? 2 : 1);
  const debian = [...(benches.includes('vhost') ? ['nginx-light'] : []), ...(benches.includes('backup') ? backupPackages : []), ...(benches.includes('container') ? containerPackages : [])];
  const fleet = await startFleet({ name: 'bench', hosts: names, join: false, ...(debian.length > 0 ? { debian } : {}), ...(benches.includes('container') ? { hostOptions: containerHost } : {}) });
  try {
    if (benches.includes('add')) tell(await benchAdd(fleet));
    if (benches.every((name) => name === 'add')) return [];
    const joined = await benchJoin(fleet, names);
    if (benches.includes('join')) tell(joined);
    const quietSince = Date.now();
    if (benches.includes('command-line')) tell(await benchCommandLine(fleet));
    if (benches.some((name) => ['footprint', 'steady'].includes(name))) await rest(quietSince + idleS * 1000 - Date.now());
    if (benches.includes('footprint')) {
      tell(sizeOfPackages(files));
      tell(await measureIdle(fleet.hub, names.map((name) => fleet.host(name)), idleS));
    }
    if (benches.includes('steady')) tell(await watchSteadyState(fleet.lab, first(fleet, names), steadyS));
    if (benches.includes('footprint')) tell([await measureStart(first(fleet, names))]);
    if (benches.includes('nat')) tell(await benchNat(fleet, names[0] ?? ''));
    if (benches.includes('vhost')) tell(await benchVhost(fleet, names[0] ?? ''));
    if (benches.includes('backup')) tell(await benchBackup(fleet, { source: names[0] ?? '', store: names[1] ?? '' }));
    if (benches.includes('container')) tell(await benchContainer(fleet, names[0] ?? ''));
    return [];
  } finally {
    fleet.close();
  }
}

function first(fleet: TestFleet, names: readonly string[]): LabHost {
  return fleet.host(names[0] ?? '');
}

async function rest(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
