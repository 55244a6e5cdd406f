import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import type { Backup } from '../../shared/model/backup.js';
import type { Office } from '../office.js';
import { getHost } from '../inventory/host.js';
import { inspectFolders, type Inspected } from '../reconcile/backup-agent.js';

/** What one host is asked. */
interface Question {
  readonly role: 'send' | 'receive' | 'restore';
  readonly hostId: string;
  readonly folders: readonly string[];
}

/** What hosts are to do for a job, as far as that is not as before: what was allowed once is not asked again, so that a job can be switched off whatever its hosts say. */
function questionsOf(before: Backup | undefined, after: Backup): readonly Question[] {
  const { source, destination, folder, drill } = after;
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const questions: Question[] = [];
  if (after.folders.length > 0 && !same(before?.folders, after.folders)) questions.push({ role: 'send', hostId: source, folders: after.folders });
  if (before?.destination !== destination || before.folder !== folder) questions.push({ role: 'receive', hostId: destination, folders: [folder] });
  if (drill !== undefined && !same([before?.drill?.host, before?.drill?.folder], [drill.host, drill.folder])) questions.push({ role: 'restore', hostId: drill.host, folders: [drill.folder] });
  return questions;
}

/** Asks the hosts of a job whether they could do it; answers what there is to know of it, a line each: who could not be asked. Errors: what the agents say. */
export async function askHosts(office: Office, { jobId, before, after }: { readonly jobId: string; readonly before: Backup | undefined; readonly after: Backup }, signal: AbortSignal): Promise<string[]> {
  const notes = await Promise.all(questionsOf(before, after).map((question) => ask(office, jobId, question, signal)));
  return notes.flat();
}

async function ask({ db, fleet }: Office, jobId: string, { role, hostId, folders }: Question, signal: AbortSignal): Promise<string[]> {
  const host = getHost(db, hostId);
  if (host === undefined) return [];
  const unasked = (why: string): string[] => [`"${host.name}" could not be asked whether it allows this: ${why}`];
  if (host.state !== 'joined' || fleet.live(hostId).state !== 'connected') return unasked(fleet.live(hostId).reason);
  try {
    return toKnow(host.name, role, folders, await inspectFolders(fleet, host, { role, folders, jobId }, signal));
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'HOST_UNREACHABLE') return unasked(error.items.map(formatMessage).join('; '));
    throw error;
  }
}

/** Room of a file system below which people are told, bytes. */
const littleRoom = 1024 ** 3;

function toKnow(hostName: string, role: Question['role'], folders: readonly string[], { state, availableBytes }: Inspected): string[] {
  const folder = folders[0] ?? '';
  const notes: string[] = [];
  if (role === 'receive' && state === 'missing') notes.push(`the first run makes ${folder} on "${hostName}"`);
  if (role === 'receive' && state === 'ours') notes.push(`${folder} of "${hostName}" has snapshots of this job already`);
  if (role === 'restore' && state === 'missing') notes.push(`make ${folder} on "${hostName}": each drill restores to a folder of its own in it`);
  if (role !== 'send' && availableBytes < littleRoom) notes.push(`${folder} of "${hostName}" has room for ${String(Math.floor(availableBytes / 1024 ** 2))} MiB`);
  return notes;
}
