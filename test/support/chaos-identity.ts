import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { LabHost } from '../lab/lab.js';
import { prepareUnit, type ChaosUnit } from './chaos.js';

const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const clockFile = '/run/reeve-chaos/clock';

/** What lies in the agent's identity folder. */
export interface IdentityFolder {
  /** The folder `current` points at; empty: the host has no identity. */
  readonly current: string;
  /** Whole identities, in use or not. */
  readonly whole: readonly string[];
  /** Keys of which nothing came yet. */
  readonly staged: readonly string[];
  /** sha256 of the certificate in use; empty: none. */
  readonly certificate: string;
}

/** Reads it. */
export async function identityFolder(host: LabHost): Promise<IdentityFolder> {
  const script = `
    cd /var/lib/reeve-agent/identity 2>/dev/null || exit 0
    echo "current=$(readlink current)"
    echo "names=$(ls | grep -v '^current$' | tr '\\n' ' ')"
    echo "certificate=$(sha256sum current/certificate.pem 2>/dev/null | cut -d' ' -f1)"`;
  const text = await host.run(['/bin/sh', '-c', script]);
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  const names = value('names').split(' ').filter((name) => name !== '');
  return {
    current: value('current'),
    whole: names.filter((name) => /^[0-9]+$/.test(name)),
    staged: names.filter((name) => name.endsWith('.new')),
    certificate: value('certificate'),
  };
}

/** How many keys of a host the coordinator obeys, from a copy that `reeved backup` makes. */
export async function obeyedKeys(hub: LabHost, hostName: string): Promise<{ current: number; staged: number }> {
  await hub.run(['/bin/sh', '-c', 'rm -f /root/chaos.db && reeved backup /root/chaos.db']);
  const file = join(hub.rootDir, 'root/chaos.db');
  const db = new Sqlite(file);
  try {
    const count = db.prepare('SELECT count(*) FROM host_key JOIN host ON host.id = host_key.host_id WHERE host.name = ? AND host_key.state = ?').pluck();
    return { current: Number(count.get(hostName, 'current')), staged: Number(count.get(hostName, 'staged')) };
  } finally {
    db.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  }
}

/** Lets a unit run under another clock (faketime(1)) that `setClock` sets; failpoints can be armed in it too. */
export async function prepareClock(host: LabHost, unit: ChaosUnit): Promise<void> {
  await prepareUnit(host, unit);
  await host.put(library, library, 0o755);
  await host.write(`/run/systemd/system/${unit}.service.d/clock.conf`, `[Service]\nEnvironmentFile=-${clockFile}\n`);
  await host.run(['systemctl', 'daemon-reload']);
}

/** The clock that units of a host have from their next start on: so many days ahead, or behind when negative. */
export async function setClock(host: LabHost, days: number): Promise<void> {
  await host.write(clockFile, [...fakeClock(days), ''].join('\n'));
}

/** The variables that give a program such a clock. */
export function fakeClock(days: number): readonly string[] {
  const seconds = Math.round(days * 86_400);
  const faked = ['FAKETIME_DONT_FAKE_MONOTONIC=1', 'FAKETIME_DISABLE_SHM=1', 'FAKETIME_NO_CACHE=1'];
  return [`LD_PRELOAD=${library}`, `FAKETIME=${seconds < 0 ? '' : '+'}${String(seconds)}`, ...faked];
}

/**
 * A clock that can be stepped while a unit runs: so many days ahead of the true time from now on. The first call takes effect at the unit's next start,
 * later ones at once.
 */
export async function stepClock(host: LabHost, days: number): Promise<void> {
  const seconds = Math.round(days * 86_400);
  // Renamed into place: a program that reads the time in this moment must find the old or the new one.
  await host.write('/run/reeve-chaos/step.new', `${seconds < 0 ? '' : '+'}${String(seconds)}\n`);
  await host.run(['mv', '/run/reeve-chaos/step.new', '/run/reeve-chaos/step']);
  const [preload = '', , ...faked] = fakeClock(0);
  await host.write(clockFile, [preload, 'FAKETIME_TIMESTAMP_FILE=/run/reeve-chaos/step', ...faked, ''].join('\n'));
}
