import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './base.js';
import { startTimeOf } from './process.js';

const STATE_ROOT = '/run/reeve-lab';

/** Everything needed to take a lab away without its owner: written before the first of these things is made. */
export interface LabRecord {
  readonly id: string;
  /** /run/reeve-lab/ID: the record, the lab's view of the control groups, the hosts' console logs. */
  readonly stateDir: string;
  /** Where the hosts' own layers are, on the cache's disk. */
  readonly layersDir: string;
  readonly netns: string;
  /** The lab's control group below `stateDir`/cgroup: every process of the lab is in it or below. */
  readonly cgroupDir: string;
  readonly ownerPid: number;
  readonly ownerStart: string;
}

/** Claims a free id for a lab of this process and writes its record. */
export function createRecord(name: string): LabRecord {
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(name)) throw new Error(`Lab name ${JSON.stringify(name)} must match ^[a-z][a-z0-9-]{0,19}$`);
  mkdirSync(STATE_ROOT, { recursive: true });
  const plain = `${name}-${String(process.pid)}`;
  let id = plain;
  for (let n = 2; existsSync(join(STATE_ROOT, id)); n++) id = `${plain}-${String(n)}`;
  const stateDir = join(STATE_ROOT, id);
  const ownerStart = startTimeOf(process.pid);
  if (ownerStart === undefined) throw new Error('Cannot read this process in /proc');
  const record: LabRecord = {
    id, stateDir, ownerStart,
    layersDir: join(cacheDir(), `layers-${id}`),
    netns: `reeve-${id}`,
    cgroupDir: join(stateDir, 'cgroup', `reeve-lab-${id}`),
    ownerPid: process.pid,
  };
  mkdirSync(stateDir);
  writeFileSync(join(stateDir, 'lab.json.new'), `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(join(stateDir, 'lab.json.new'), join(stateDir, 'lab.json'));
  return record;
}

/** The records of labs whose owner is gone. The start time tells a reused pid from the owner. */
export function listAbandoned(): LabRecord[] {
  if (!existsSync(STATE_ROOT)) return [];
  return readdirSync(STATE_ROOT).flatMap((id) => {
    const file = join(STATE_ROOT, id, 'lab.json');
    if (!existsSync(file)) {
      // The owner died, or is at this moment, between mkdir and rename: nothing else was made yet.
      const pid = Number(/^[a-z][a-z0-9-]*?-(\d+)(-\d+)?$/.exec(id)?.[1]);
      if (startTimeOf(pid) === undefined) rmSync(join(STATE_ROOT, id), { recursive: true, force: true });
      return [];
    }
    const record = JSON.parse(readFileSync(file, 'utf8')) as LabRecord;
    return startTimeOf(record.ownerPid) === record.ownerStart ? [] : [record];
  });
}
