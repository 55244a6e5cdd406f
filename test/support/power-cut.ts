/**
 * Power cuts of a disk that holds an inventory under load. The disk is an ext4 in a file on an XFS; a copy of that file by reflink, at a random moment, is
 * what a machine finds after its power failed. Each copy is mounted (ext4 replays its journal), opened as the coordinator opens it, and compared with what
 * was acknowledged before the copy began. Run in a mount namespace of its own: what it mounts ends with it. Arguments: full|normal CUTS.
 * Prints one line of JSON, a `PowerReport`.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { constants, mkdirSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { verifyAudit } from '../../coordinator/inventory/audit.js';
import { openDatabase, type Database } from '../../coordinator/inventory/database.js';
import { getGeneration } from '../../coordinator/inventory/generation.js';
import { findHost } from '../../coordinator/inventory/host.js';
import { listOperations, operationHosts } from '../../coordinator/inventory/operation.js';
import { until } from './until.js';

/** What the cuts showed. */
export interface PowerReport {
  readonly cuts: number;
  /** Acknowledged commits of the whole run. */
  readonly acknowledged: number;
  /** Acknowledged commits that were missing, summed over all cuts. */
  readonly lost: number;
  /** Cuts after which at least one was missing. */
  readonly cutsWithLoss: number;
  /** What was not whole: one line for each finding. */
  readonly damaged: readonly string[];
  /** From the power's return to an open inventory: mounting and opening, ms. */
  readonly recoveryP95Ms: number;
}

const run = promisify(execFile);
const writer = fileURLToPath(new URL('power-writer.ts', import.meta.url));

/** Nobody removes this folder: removing a mount point from outside while the namespace ends would keep what is mounted below it for ever. */
const folder = '/mnt';

async function makeDisk(): Promise<{ image: string; copies: string; mount: string }> {
  // In memory: a cut is made between the layers above, and a slow disk below them would only make the instrument slow.
  await run('mount', ['-t', 'tmpfs', '-o', 'size=2g', 'reeve-power', folder]);
  const [xfsImage, xfs, mount] = [join(folder, 'xfs.img'), join(folder, 'xfs'), join(folder, 'disk')];
  for (const path of [xfs, mount]) mkdirSync(path);
  await run('truncate', ['--size=1G', xfsImage]);
  await run('mkfs.xfs', ['-q', '-m', 'reflink=1', xfsImage]);
  await run('mount', ['-o', 'loop', xfsImage, xfs]);
  const image = join(xfs, 'disk.img');
  await run('truncate', ['--size=96M', image]);
  await run('mkfs.ext4', ['-q', '-F', image]);
  await run('mount', ['-o', 'loop', image, mount]);
  return { image, copies: xfs, mount };
}

/** What a machine finds after a cut, against what it had acknowledged. */
function inspect(db: Database, acknowledged: readonly string[]): { lost: number; damaged: string | undefined } {
  const integrity = db.pragma('integrity_check', { simple: true });
  if (integrity !== 'ok') return { lost: 0, damaged: `integrity_check: ${String(integrity)}` };
  const audit = verifyAudit(db);
  if (!audit.intact) return { lost: 0, damaged: `audit: ${audit.reason}` };
  const stored = listOperations(db, -1).map((row) => row.id);
  const wanted = getGeneration(db, findHost(db, 'web1').id, 'user')?.wanted ?? 0;
  const parts = stored.filter((id) => operationHosts(db, id).length === 1).length;
  if (new Set([stored.length, wanted, parts, audit.records]).size !== 1) {
    return { lost: 0, damaged: `half a commit: ${String(stored.length)} operations, ${String(parts)} parts, generation ${String(wanted)}, ${String(audit.records)} audit records` };
  }
  const known = new Set(stored);
  return { lost: acknowledged.filter((id) => !known.has(id)).length, damaged: undefined };
}

function startLoad(file: string, synchronous: string): { child: ChildProcess; acknowledged: string[]; complaints: string[] } {
  const child = spawn(process.execPath, ['--import', 'tsx', writer, file, synchronous], { stdio: ['pipe', 'pipe', 'pipe'] });
  const acknowledged: string[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    acknowledged.push(...lines);
  });
  const complaints: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => complaints.push(text));
  return { child, acknowledged, complaints };
}

async function main(synchronous: string, cuts: number): Promise<PowerReport> {
  const disk = await makeDisk();
  const load = startLoad(join(disk.mount, 'reeve.db'), synchronous);
  const taken: { copy: string; acknowledged: number }[] = [];
  await until(() => load.acknowledged.length >= 20, { timeoutMs: 60_000, what: 'the first commits' });
  for (let cut = 0; cut < cuts; cut += 1) {
    // The random moment is the point of the instrument; nothing is waited for.
    await wait(randomInt(100));
    const copy = join(disk.copies, `cut-${String(cut)}.img`);
    const acknowledged = load.acknowledged.length;
    await copyFile(disk.image, copy, constants.COPYFILE_FICLONE_FORCE);
    taken.push({ copy, acknowledged });
  }
  const damaged: string[] = [];
  const ended = new Promise((resolve) => load.child.once('close', resolve));
  if (load.child.exitCode !== null) damaged.push(`the load ended with ${String(load.child.exitCode)}: ${load.complaints.join('')}`);
  else {
    load.child.stdin?.end();
    await ended;
  }
  await run('umount', [disk.mount]);
  const mount = join(folder, 'copy');
  mkdirSync(mount);
  let [lost, cutsWithLoss] = [0, 0];
  const recoveriesMs: number[] = [];
  for (const { copy, acknowledged } of taken) {
    const startedAt = performance.now();
    await run('mount', ['-o', 'loop', copy, mount]);
    try {
      const db = openDatabase(join(mount, 'reeve.db'));
      recoveriesMs.push(performance.now() - startedAt);
      const found = inspect(db, load.acknowledged.slice(0, acknowledged));
      db.close();
      lost += found.lost;
      if (found.lost > 0) cutsWithLoss += 1;
      if (found.damaged !== undefined) damaged.push(`${basename(copy)}: ${found.damaged}`);
    } catch (error) {
      damaged.push(`${basename(copy)}: ${error instanceof Error ? error.message : String(error)}`);
    }
    await run('umount', [mount]);
    rmSync(copy);
  }
  const recoveryP95Ms = recoveriesMs.sort((x, y) => x - y)[Math.floor(recoveriesMs.length * 0.95)] ?? 0;
  return { cuts: taken.length, acknowledged: load.acknowledged.length, lost, cutsWithLoss, damaged, recoveryP95Ms: Math.round(recoveryP95Ms) };
}

const [synchronous = 'full', cuts = '200'] = process.argv.slice(2);
console.log(JSON.stringify(await main(synchronous, Number(cuts))));
