import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { restoreLimits } from './limit.js';
import { executeSync } from './process.js';
import { listAbandoned, type LabRecord } from './record.js';

const KILL_DEADLINE_MS = 15_000;

/**
 * Takes a lab away, whatever state it is in: processes, mounts, control groups, network namespace, files. Blocking, so that it also
 * works in an exit handler; repeatable; two at once do no harm. Processes are found by the lab's control group alone, never by a
 * recorded pid, so a pid that was given to somebody else meanwhile is not touched.
 */
export function tearDown(record: LabRecord): void {
  killGroup(record.cgroupDir);
  unmountBelow(record.layersDir);
  if (existsSync(join('/run/netns', record.netns))) executeSync(['ip', 'netns', 'delete', record.netns]);
  removeGroups(record.cgroupDir);
  unmountBelow(record.stateDir);
  rmSync(record.layersDir, { recursive: true, force: true });
  rmSync(record.stateDir, { recursive: true, force: true });
  restoreLimits(dirname(record.stateDir));
}

/** Takes away the labs whose owner died without doing so; gives their ids. */
export function sweep(): string[] {
  return listAbandoned().map((record) => {
    tearDown(record);
    return record.id;
  });
}

/** Kills every process in a control group and below, and waits until all are gone (cgroup.kill, Linux 5.14). */
export function killGroup(dir: string): void {
  const deadline = Date.now() + KILL_DEADLINE_MS;
  do {
    try {
      writeFileSync(join(dir, 'cgroup.kill'), '1', { flag: 'r+' });
      if (readFileSync(join(dir, 'cgroup.events'), 'utf8').includes('populated 0')) return;
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  } while (Date.now() < deadline);
  throw new Error(`Processes in ${dir} did not end within ${String(KILL_DEADLINE_MS)} ms of SIGKILL`);
}

/**
 * Removes a control group and all below it, whose processes were killed. A program that was being started meanwhile may have entered only then: it is killed
 * too.
 */
export function removeGroups(dir: string, tries = 5): void {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroups(join(dir, entry.name));
    }
    rmdirSync(dir);
  } catch (error) {
    if (isGone(error)) return; // another sweep of the same lab was quicker
    if (tries === 0 || !(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
    killGroup(dir);
    removeGroups(dir, tries - 1);
  }
}

/** Unmounts everything mounted at or below a folder, innermost first. */
export function unmountBelow(dir: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').flatMap((line) => {
    const target = line.split(' ')[4];
    return target !== undefined && (target === dir || target.startsWith(`${dir}/`)) ? [target] : [];
  });
  for (const target of mounts.reverse()) {
    const done = executeSync(['umount', target]);
    if (done.code !== 0) executeSync(['umount', '--lazy', target]);
  }
}

/** ENODEV is what a file of a control group that is being removed answers. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENODEV');
}
