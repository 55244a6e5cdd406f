import {
  backupLevels, mostBackup, parseBackup, parseDump, parseExclude, usualBackup, type Backup, type BackupDump, type BackupLevel, type BackupRetention, type WireBackup,
} from '../../shared/model/backup.js';
import { parseCron } from '../../shared/model/cron.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { jobOptions, jobUndoOptions } from './backup-option.js';
import { parsePlace, parseSource, type Place, type Source } from './backup-place.js';
import type { Options } from './command.js';
import { parseNumber } from './number.js';

/** The arguments of a new job. */
export type JobArguments = Options<typeof jobOptions> & { readonly from: readonly string[] };

/** The arguments of one that is altered. */
export type JobEditArguments = JobArguments & Options<typeof jobUndoOptions> & { readonly thaw: boolean };

/** What was said of a job; undefined: nothing. */
export interface JobEdit {
  readonly source: Source | undefined;
  readonly destination: Place | undefined;
  readonly excludes: readonly string[] | undefined;
  readonly systemFolders: boolean | undefined;
  /** crontab(5); never: only by command. */
  readonly every: string | undefined;
  readonly windowMinutes: number | undefined;
  readonly retention: BackupRetention | undefined;
  readonly bandwidthKib: number | undefined;
  readonly timeLimitMinutes: number | undefined;
  readonly dumps: readonly BackupDump[] | undefined;
  readonly active: boolean | undefined;
  readonly shrinkPercent: number | undefined;
  readonly verifyDays: number | undefined;
  readonly drill: Place | 'none' | undefined;
  readonly drillDays: number | undefined;
}

/** Words for how often a job runs, as crontab(5) has them: weeks begin on Monday, as those of a retention do. */
const everyWords: Readonly<Record<string, string>> = { hourly: '0 * * * *', daily: '0 0 * * *', weekly: '0 0 * * 1', monthly: '0 0 1 * *' };

/** What many who made their snapshots with rsync and cron keep, and when they run. */
const classic = { retention: { hourly: 6, daily: 7, weekly: 4, monthly: 3 }, every: '0 */4 * * *' } as const;

/** A new job. Errors: FIELD_*. */
export function parseNewBackup(name: string, args: JobArguments): Backup {
  if (args.from.length === 0) throw fieldMissing('--from', 'the host that is backed up, and its folders: HOST:/folder,/folder');
  const edit = parseEdit(args);
  const source = edit.source?.host;
  if (source === undefined) throw fieldInvalid('--from', args.from[0] ?? '', 'HOST:/folder,/folder, e.g. web1:/srv/shop');
  if (edit.destination === undefined) throw fieldMissing('--to', 'the host and the folder that keep the snapshots: HOST:/folder');
  const usual: WireBackup = {
    name, source, folders: [], destination: '', folder: '', excludes: [], systemFolders: false, schedule: { cron: '', windowMinutes: usualBackup.windowMinutes }, retention: usualBackup.retention,
    bandwidthKib: 0, timeLimitMinutes: usualBackup.timeLimitMinutes, dumps: [], active: true, shrinkPercent: usualBackup.shrinkPercent, verifyDays: usualBackup.verifyDays, drill: null,
  };
  return alterBackup(usual, edit);
}

/** What becomes of a job. Errors: FIELD_*. */
export function parseBackupEdit(args: JobEditArguments): JobEdit {
  const edit: JobEdit = {
    ...parseEdit(args),
    ...(args['no-exclude'] ? { excludes: [] } : {}),
    ...(args['no-system-folders'] ? { systemFolders: false } : {}),
    ...(args['no-dump'] ? { dumps: [] } : {}),
    ...(args.active ? { active: true } : {}),
    ...(args['no-drill'] ? { drill: 'none' } : {}),
  };
  if (!args.thaw && Object.values(edit).every((value) => value === undefined)) throw fieldMissing('what is to be altered', 'at least one option; see: reeve backup set --help');
  return edit;
}

function parseEdit(args: JobArguments): JobEdit {
  const keep = args.keep === undefined ? undefined : parseKeep('--keep', args.keep);
  const number = (name: 'window' | 'bandwidth' | 'time-limit' | 'shrink' | 'verify-days' | 'drill-days', min: number, max: number): number | undefined => {
    const text = args[name];
    return text === undefined ? undefined : parseNumber(`--${name}`, text, { min, max });
  };
  return {
    source: args.from.length === 0 ? undefined : parseSource('--from', args.from),
    destination: args.to === undefined ? undefined : parsePlace('--to', args.to),
    excludes: args.exclude.length === 0 ? undefined : args.exclude.map((text) => parseExclude('--exclude', text)),
    systemFolders: args['system-folders'] ? true : undefined,
    every: args.every === undefined ? keep?.every : parseEvery('--every', args.every),
    windowMinutes: number('window', 0, 1440),
    retention: keep?.retention,
    bandwidthKib: number('bandwidth', 0, 100_000_000),
    timeLimitMinutes: number('time-limit', 1, 10_080),
    dumps: args.dump.length === 0 ? undefined : args.dump.map(parseDumpArgument),
    active: args.inactive ? false : undefined,
    shrinkPercent: number('shrink', 0, 99),
    verifyDays: number('verify-days', 1, 365),
    drill: args.drill === undefined ? undefined : parsePlace('--drill', args.drill),
    drillDays: number('drill-days', 1, 365),
  };
}

/** A job, altered. Errors: FIELD_*. */
export function alterBackup(job: WireBackup, edit: JobEdit): Backup {
  const { source, destination } = edit;
  const host = source?.host;
  if (host !== undefined && host !== job.source) throw fieldInvalid('--from', host, `the host that the job backs up, "${job.source}": another host is backed up by a job of its own`);
  return parseBackup({
    ...job,
    folders: source?.folders ?? job.folders,
    destination: destination?.host ?? job.destination,
    folder: destination?.folder ?? job.folder,
    excludes: edit.excludes ?? job.excludes,
    systemFolders: edit.systemFolders ?? job.systemFolders,
    schedule: scheduleOf(job.schedule, edit),
    retention: edit.retention ?? job.retention,
    bandwidthKib: edit.bandwidthKib ?? job.bandwidthKib,
    timeLimitMinutes: edit.timeLimitMinutes ?? job.timeLimitMinutes,
    dumps: edit.dumps ?? job.dumps,
    active: edit.active ?? job.active,
    shrinkPercent: edit.shrinkPercent ?? job.shrinkPercent,
    verifyDays: edit.verifyDays ?? job.verifyDays,
    drill: drillOf(job.drill, edit),
  });
}

function scheduleOf(before: WireBackup['schedule'], { every, windowMinutes }: JobEdit): WireBackup['schedule'] {
  if (every === undefined && windowMinutes === undefined) return before;
  if (every === 'never' || (every === undefined && before === null)) {
    if (windowMinutes !== undefined) throw fieldInvalid('--window', String(windowMinutes), 'it goes with a schedule: --every');
    return null;
  }
  return { cron: every ?? before?.cron ?? '', windowMinutes: windowMinutes ?? before?.windowMinutes ?? usualBackup.windowMinutes };
}

function drillOf(before: WireBackup['drill'], { drill, drillDays }: JobEdit): WireBackup['drill'] {
  if (drill === 'none') return null;
  if (drill === undefined && drillDays === undefined) return before;
  const place = drill ?? before;
  const everyDays = drillDays ?? before?.everyDays;
  if (place === null) throw fieldMissing('--drill', 'where the full restore is made: HOST:/folder');
  if (everyDays === undefined) throw fieldMissing('--drill-days', 'how often the full restore is made, 1 to 365 days');
  return { host: place.host, folder: place.folder, everyDays };
}

function parseEvery(field: string, text: string): string {
  if (text === 'never') return text;
  const word = Object.hasOwn(everyWords, text) ? everyWords[text] : undefined;
  if (word === undefined && !text.includes(' ')) throw fieldInvalid(field, text, 'hourly, daily, weekly, monthly, never, or a line of crontab(5) in UTC');
  return word ?? parseCron(field, text);
}

/** What is kept, and how often a job runs where the word says that, too. */
function parseKeep(field: string, text: string): { readonly retention: BackupRetention; readonly every: string | undefined } {
  if (text === 'classic') return classic;
  const rule = 'classic, or hourly=N, daily=N, weekly=N and monthly=N, each at most once, with commas between them; a level that is not named keeps none';
  const found = new Map<BackupLevel, number>();
  for (const part of text.split(',')) {
    const [word = '', count = ''] = part.split('=');
    const level = backupLevels.find((name) => name === word);
    if (level === undefined || found.has(level) || part !== `${word}=${count}`) throw fieldInvalid(field, text, rule);
    found.set(level, parseNumber(`${field} ${level}`, count, { min: 0, max: mostBackup.kept }));
  }
  const [hourly = 0, daily = 0, weekly = 0, monthly = 0] = backupLevels.map((level) => found.get(level) ?? 0);
  if (hourly + daily + weekly + monthly === 0) throw fieldInvalid(field, text, 'at least one level keeps a snapshot');
  return { retention: { hourly, daily, weekly, monthly }, every: undefined };
}

function parseDumpArgument(text: string): BackupDump {
  const at = text.indexOf(':');
  if (at < 0) throw fieldInvalid('--dump', text, 'ENGINE:DATABASE, e.g. postgresql:shop');
  return parseDump('--dump', { engine: text.slice(0, at), database: text.slice(at + 1) });
}
