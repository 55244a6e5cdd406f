import type { Option } from './command.js';

/** The options of a job but for where it copies from. */
export const jobOptions = {
  to: { kind: 'value', value: 'HOST:/FOLDER', text: 'The host and the folder that keep the snapshots' },
  exclude: { kind: 'list', value: 'PATTERN', text: 'What is left out, as rsync(1) has it: *.tmp, cache/; with a slash before it, relative to each folder; may be repeated' },
  'system-folders': { kind: 'flag', text: 'Copy /proc, /sys, /dev and /run, too' },
  every: { kind: 'value', value: 'WHEN', text: 'hourly, daily, weekly, monthly, never, or a line of crontab(5) in UTC (default: as often as the finest level that is kept)' },
  window: { kind: 'value', value: 'MINUTES', text: 'The start is moved by up to so many minutes, so that not all jobs begin at once (default: 60)' },
  keep: { kind: 'value', value: 'LEVEL=N,...', text: 'How many of hourly, daily, weekly, monthly are kept (default: daily=7,weekly=4,monthly=6); classic: 6, 7, 4 and 3, and a run every 4 hours' },
  bandwidth: { kind: 'value', value: 'KIB', text: 'Most KiB a second (default: 0, as much as goes)' },
  'time-limit': { kind: 'value', value: 'MINUTES', text: 'Longest time of a run (default: 1440)' },
  dump: { kind: 'list', value: 'ENGINE:DATABASE', text: 'A database that is dumped before each run: postgresql:NAME or mysql:NAME; may be repeated' },
  inactive: { kind: 'flag', text: 'It runs only by command' },
  shrink: { kind: 'value', value: 'PERCENT', text: 'A run that brings less than this share of the last good one freezes the rotation (default: 50; 0: only an empty one)' },
  'verify-days': { kind: 'value', value: 'DAYS', text: 'How old a proof of the snapshots may be until they are verified again (default: 30)' },
  drill: { kind: 'value', value: 'HOST:/FOLDER', text: 'A full restore is made there now and then, compared, and taken away; with --drill-days' },
  'drill-days': { kind: 'value', value: 'DAYS', text: 'How often, 1 to 365' },
} as const satisfies Record<string, Option>;

/** Options that take back what those of a job said. */
export const jobUndoOptions = {
  'no-exclude': { kind: 'flag', text: 'Nothing is left out' },
  'no-system-folders': { kind: 'flag', text: 'Leave /proc, /sys, /dev and /run out' },
  'no-dump': { kind: 'flag', text: 'No database is dumped' },
  active: { kind: 'flag', text: 'It runs by its schedule again' },
  'no-drill': { kind: 'flag', text: 'No full restore is made by itself' },
} as const satisfies Record<string, Option>;

/** Which of them exclude each other. */
export const jobUndoExclusive: readonly (readonly [string, string])[] = [
  ['exclude', 'no-exclude'], ['system-folders', 'no-system-folders'], ['dump', 'no-dump'], ['active', 'inactive'], ['drill', 'no-drill'], ['drill-days', 'no-drill'],
];

/** Options of what goes on for a while and can be looked at before. */
export const workOptions = {
  plan: { kind: 'flag', text: 'Only show what would be done' },
  yes: { kind: 'flag', text: 'Ask nothing' },
} as const satisfies Record<string, Option>;
