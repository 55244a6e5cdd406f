import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** How many inotify instances one user of the machine may have (inotify(7)). */
const SETTING = '/proc/sys/fs/inotify/max_user_instances';
/** What it was before the first lab. */
const NOTE = '/run/reeve-lab-inotify';
/** The systemds of a dozen hosts and more watch more than one user may by default; they say only that they have too many open files. */
const WANTED = 1024;

/** Lets as many hosts run as labs have. Repeatable. */
export function raiseLimits(): void {
  const value = readFileSync(SETTING, 'utf8').trim();
  if (Number(value) >= WANTED) return;
  if (!existsSync(NOTE)) writeFileSync(NOTE, value);
  writeFileSync(SETTING, String(WANTED));
}

/** Puts the machine's own value back when the last lab is gone. Repeatable. */
export function restoreLimits(labs: string): void {
  if (!existsSync(NOTE) || (existsSync(labs) && readdirSync(labs).length > 0)) return;
  writeFileSync(SETTING, readFileSync(NOTE, 'utf8'));
  rmSync(NOTE, { force: true });
}
