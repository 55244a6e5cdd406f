import { utf8Length } from './bytes.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { parseCron } from './cron.js';

/** The levels of a retention, finest first. */
export const backupLevels = ['hourly', 'daily', 'weekly', 'monthly'] as const;
export type BackupLevel = (typeof backupLevels)[number];

/** How many snapshots of each level are kept. */
export type BackupRetention = Readonly<Record<BackupLevel, number>>;

/** When a job runs by itself. */
export interface BackupSchedule {
  /** crontab(5), UTC; empty: as often as the finest level of the retention says. */
  readonly cron: string;
  /** The start is moved by 0 to so many minutes. */
  readonly windowMinutes: number;
}

/** A database that is dumped before a run. */
export interface BackupDump {
  readonly engine: 'postgresql' | 'mysql';
  readonly database: string;
}

/** A full restore by schedule. */
export interface BackupDrill {
  /** Name or id of a host. */
  readonly host: string;
  readonly folder: string;
  readonly everyDays: number;
}

/** A backup job. Hosts are names where a person wrote it, ids in the inventory. */
export interface Backup {
  readonly name: string;
  readonly source: string;
  /** Sorted, none below another. */
  readonly folders: readonly string[];
  readonly destination: string;
  readonly folder: string;
  readonly excludes: readonly string[];
  /** /proc, /sys, /dev and /run are copied, too. */
  readonly systemFolders: boolean;
  readonly schedule: BackupSchedule | undefined;
  readonly retention: BackupRetention;
  /** KiB a second; 0: as much as goes. */
  readonly bandwidthKib: number;
  readonly timeLimitMinutes: number;
  readonly dumps: readonly BackupDump[];
  readonly active: boolean;
  /** Less than this share of the last good run freezes the rotation, percent; 0: only nothing at all does. */
  readonly shrinkPercent: number;
  readonly verifyDays: number;
  readonly drill: BackupDrill | undefined;
}

/** As it comes over the wire. */
export interface WireBackup {
  readonly name: string;
  readonly source: string;
  readonly folders: readonly string[];
  readonly destination: string;
  readonly folder: string;
  readonly excludes: readonly string[];
  readonly systemFolders: boolean;
  readonly schedule: BackupSchedule | null;
  readonly retention: BackupRetention | null;
  readonly bandwidthKib: number;
  readonly timeLimitMinutes: number;
  readonly dumps: readonly { readonly engine: string; readonly database: string }[];
  readonly active: boolean;
  readonly shrinkPercent: number;
  readonly verifyDays: number;
  readonly drill: BackupDrill | null;
}

/** What is so when nobody says otherwise. */
export const usualBackup = {
  retention: { hourly: 0, daily: 7, weekly: 4, monthly: 6 },
  windowMinutes: 60,
  timeLimitMinutes: 1440,
  shrinkPercent: 50,
  verifyDays: 30,
} as const;

/** Most of each. */
export const mostBackup = { folders: 32, excludes: 200, excludeLength: 256, pathLength: 1024, dumps: 32, kept: 1000 } as const;

/** Folders that the kernel makes, which are left out. */
const kernelFolders = ['/proc', '/sys', '/dev', '/run'] as const;

const folderRule = 'an absolute path without "." or "..", control characters, *, ?, [ or \\, and without the last slash, at most 1024 bytes';
const excludeRule = 'a pattern of rsync(1) of 1 to 256 characters on one line, not beginning with "+ ", "- ", ". ", ": ", "!", ";" or "#"';

/** Whether a text holds a character that no path or pattern may: control characters, lone halves of a pair, and those that turn text around. */
function isOdd(text: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufffd]/u.test(text);
}

/** The name of a job. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseBackupName(field: string, text: string): string {
  return parsePattern(field, text, /^[a-z0-9][a-z0-9._-]{0,63}$/, '1 to 64 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit');
}

/** A folder of a host. `root`: "/" is one, too. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseBackupFolder(field: string, text: string, { root } = { root: false }): string {
  if (text === '') throw fieldMissing(field, folderRule);
  if (text === '/' && root) return text;
  const parts = text.slice(1).split('/');
  const bad = !text.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..') || /[*?[\\]/.test(text) || isOdd(text) || utf8Length(text) > mostBackup.pathLength;
  if (bad) throw fieldInvalid(field, text, folderRule);
  return text;
}

/** Folders of a source: sorted, none below another. Errors: FIELD_INVALID. */
export function parseBackupFolders(field: string, texts: readonly string[]): readonly string[] {
  const folders = [...new Set(texts.map((text) => parseBackupFolder(field, text, { root: true })))].sort();
  if (folders.length > mostBackup.folders) throw fieldInvalid(field, `${String(folders.length)} folders`, `at most ${String(mostBackup.folders)} folders`);
  for (const folder of folders) {
    const above = folders.find((other) => other !== folder && isBelow(folder, other));
    if (above !== undefined) throw fieldInvalid(field, folder, `a folder that is not below another one of the job: it is below "${above}"`);
    const system = kernelFolders.find((other) => folder === other || isBelow(folder, other));
    if (system !== undefined) throw fieldInvalid(field, folder, `no folder of the kernel: it is in "${system}"`);
  }
  return folders;
}

/** Whether a path is below a folder. */
function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder === '/' ? '/' : `${folder}/`) && path !== folder;
}

/** A pattern that is left out (what rsync would take for another rule is refused). Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseExclude(field: string, text: string): string {
  if (text === '') throw fieldMissing(field, excludeRule);
  const unbalanced = (text.match(/\[/g) ?? []).length !== (text.match(/\]/g) ?? []).length;
  const stars = text.includes('***') && !(text.startsWith('/') && text.endsWith('/***') && text.indexOf('***') === text.length - 3);
  if (/^(?:[+\-.:] |[!;#])/.test(text) || isOdd(text) || text.length > mostBackup.excludeLength || text.trim() !== text) throw fieldInvalid(field, text, excludeRule);
  if (unbalanced) throw fieldInvalid(field, text, 'a pattern whose "[" and "]" belong together');
  if (stars) throw fieldInvalid(field, text, '"***" only at the end of a pattern that begins with "/"');
  if (text.split('/').includes('..')) throw fieldInvalid(field, text, 'a pattern without ".."');
  return text;
}

/** Whether a text is the name of a snapshot, which is its time. */
export function isSnapshotName(text: string): boolean {
  return snapshotTime(text) !== undefined;
}

/** The name of a snapshot. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseSnapshotName(field: string, text: string): string {
  const rule = 'the name of a snapshot, which is its time: 2026-01-31T090500Z';
  if (text === '') throw fieldMissing(field, rule);
  if (!isSnapshotName(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** When a snapshot was made, unix ms; undefined: it is no name of one. */
export function snapshotTime(name: string): number | undefined {
  const found = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2})([0-9]{2})([0-9]{2})Z$/.exec(name);
  if (found === null) return undefined;
  const iso = `${found[1] ?? ''}:${found[2] ?? ''}:${found[3] ?? ''}.000Z`;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The name of the database of a dump. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseDump(field: string, { engine, database }: { readonly engine: string; readonly database: string }): BackupDump {
  if (engine !== 'postgresql' && engine !== 'mysql') throw fieldInvalid(field, engine, '"postgresql" or "mysql"');
  return { engine, database: parsePattern(field, database, /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, 'the name of a database: 1 to 63 of letters, digits, "_" and "-", beginning with a letter or "_"') };
}

function parseRetention(wire: BackupRetention | null): BackupRetention {
  if (wire === null) return usualBackup.retention;
  const [hourly, daily, weekly, monthly] = backupLevels.map((level) => parseInteger(`retention ${level}`, wire[level], { min: 0, max: mostBackup.kept })) as [number, number, number, number];
  if (hourly + daily + weekly + monthly === 0) throw fieldInvalid('retention', '0', 'at least one level keeps a snapshot');
  return { hourly, daily, weekly, monthly };
}

function parseDumps(wires: WireBackup['dumps']): readonly BackupDump[] {
  const dumps = wires.map((dump) => parseDump('dump', dump)).sort((a, b) => (formatDump(a) < formatDump(b) ? -1 : 1));
  if (dumps.length > mostBackup.dumps) throw fieldInvalid('dump', `${String(dumps.length)} databases`, `at most ${String(mostBackup.dumps)} databases`);
  const twice = dumps.find((dump, at) => at > 0 && formatDump(dumps[at - 1] ?? dump) === formatDump(dump));
  if (twice !== undefined) throw fieldInvalid('dump', formatDump(twice), 'each database once');
  return dumps;
}

/** A dump as people write it: `postgresql:shop`. */
export function formatDump({ engine, database }: BackupDump): string {
  return `${engine}:${database}`;
}

function parseSchedule(wire: BackupSchedule | null): BackupSchedule | undefined {
  if (wire === null) return undefined;
  return { cron: wire.cron === '' ? '' : parseCron('schedule', wire.cron), windowMinutes: parseInteger('window', wire.windowMinutes, { min: 0, max: 1440 }) };
}

function parseDrill(wire: BackupDrill | null): BackupDrill | undefined {
  if (wire === null) return undefined;
  if (wire.host === '') throw fieldMissing('drill host', 'a host that a full restore is made to');
  return { host: wire.host, folder: parseBackupFolder('drill folder', wire.folder), everyDays: parseInteger('drill days', wire.everyDays, { min: 1, max: 365 }) };
}

/** A job from the wire. Hosts stay as they were named. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseBackup(wire: WireBackup): Backup {
  const dumps = parseDumps(wire.dumps);
  const folders = parseBackupFolders('folder', wire.folders);
  if (folders.length + dumps.length === 0) throw fieldMissing('folder', 'a folder of the source, or a database to dump');
  if (wire.source === '') throw fieldMissing('source', 'a host that is backed up');
  if (wire.destination === '') throw fieldMissing('destination', 'a host that keeps the snapshots');
  if (wire.excludes.length > mostBackup.excludes) throw fieldInvalid('exclude', `${String(wire.excludes.length)} patterns`, `at most ${String(mostBackup.excludes)} patterns`);
  return {
    name: parseBackupName('backup', wire.name),
    source: wire.source,
    folders,
    destination: wire.destination,
    folder: parseBackupFolder('destination folder', wire.folder),
    excludes: [...new Set(wire.excludes.map((text) => parseExclude('exclude', text)))],
    systemFolders: wire.systemFolders,
    schedule: parseSchedule(wire.schedule),
    retention: parseRetention(wire.retention),
    bandwidthKib: parseInteger('bandwidth', wire.bandwidthKib, { min: 0, max: 100_000_000 }),
    timeLimitMinutes: wire.timeLimitMinutes === 0 ? usualBackup.timeLimitMinutes : parseInteger('time limit', wire.timeLimitMinutes, { min: 1, max: 10_080 }),
    dumps,
    active: wire.active,
    shrinkPercent: parseInteger('shrink', wire.shrinkPercent, { min: 0, max: 99 }),
    verifyDays: wire.verifyDays === 0 ? usualBackup.verifyDays : parseInteger('verify days', wire.verifyDays, { min: 1, max: 365 }),
    drill: parseDrill(wire.drill),
  };
}

/** A job as the wire has it. */
export function formatBackup(backup: Backup): Omit<WireBackup, 'folders' | 'excludes' | 'dumps'> & { folders: string[]; excludes: string[]; dumps: BackupDump[] } {
  return {
    ...backup,
    folders: [...backup.folders],
    excludes: [...backup.excludes],
    dumps: backup.dumps.map((dump) => ({ ...dump })),
    schedule: backup.schedule === undefined ? null : { ...backup.schedule },
    retention: { ...backup.retention },
    drill: backup.drill === undefined ? null : { ...backup.drill },
  };
}
