import { reeveError } from '../../shared/errors/error.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { AddBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddBackupRequest.js';
import type { AddBackupResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/AddBackupResponse.js';
import type { RemoveBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveBackupRequest.js';
import type { SetBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetBackupRequest.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import type { Backup } from '../../shared/model/backup.js';
import { canonicalJson } from '../../shared/model/canonical.js';
import { formatChange, type Change } from '../../shared/model/change.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { BackupJob } from '../desired/backup.js';
import { backupChange } from '../desired/backup-change.js';
import { addAudit } from '../inventory/audit.js';
import { addBackup, removeBackup, setBackup, thawBackup } from '../inventory/backup.js';
import type { Database } from '../inventory/database.js';
import { addOperation, addOperationHost, closeOperation, getOperation, operationHosts, setOperationHost } from '../inventory/operation.js';
import { asIf, writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { requireIdle } from '../reconcile/backup-engine.js';
import { askHosts } from './backup-ask.js';
import { jobFor, parseJob } from './backup-job.js';
import type { OperatorCaller } from './caller.js';
import { parseChangeOptions } from './event.js';
import { nameFor } from './select.js';

type Context = CallContext<OperatorCaller>;

/** A command about one job. */
interface JobCommand {
  readonly verb: 'add' | 'set' | 'remove';
  readonly options: WireOptions | null;
  /** The job as it is; undefined: it is new. */
  readonly before: BackupJob | undefined;
  /** As it is to be; undefined: it goes. */
  readonly after: Backup | undefined;
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  readonly edit: (db: Database, jobId: string) => void;
}

/** Adds a job. */
export async function addJob(office: Office, context: Context, request: AddBackupRequest): Promise<AddBackupResponseInput> {
  const { db, clock } = office;
  const { principal } = context;
  const again = repeated(db, 'add', request.options, request.backup);
  if (again !== undefined) return again;
  const after = parseJob(db, principal, request.backup);
  const change = backupChange(undefined, after, nameFor(db, principal));
  return runCommand(office, context, {
    verb: 'add', options: request.options, before: undefined, after, notes: [],
    changes: change === undefined ? [] : [change],
    edit: (database, id) => addBackup(database, { id, backup: after, by: principal.account, addedAtMs: clock.now() }),
  }, request.backup);
}

/** Alters a job. */
export async function setJob(office: Office, context: Context, request: SetBackupRequest): Promise<AddBackupResponseInput> {
  const { db } = office;
  const { principal } = context;
  const detail = { name: request.name, backup: request.backup, thaw: request.thaw };
  const again = repeated(db, 'set', request.options, detail);
  if (again !== undefined) return again;
  const before = jobFor(db, principal, request.name);
  const after = parseJob(db, principal, request.backup);
  if (after.name !== before.backup.name) throw fieldInvalid('backup', after.name, `"${before.backup.name}": the name of a job stays`);
  if (after.source !== before.backup.source) throw fieldInvalid('source', request.backup?.source ?? '', 'the same host: the source of a job stays');
  const change = backupChange(before.backup, after, nameFor(db, principal));
  const thaws = request.thaw && before.frozen !== undefined;
  const thawed = { kind: 'update', noun: 'backup', subject: after.name, fields: [{ field: 'rotation', from: 'frozen', to: 'on' }] } as const;
  return runCommand(office, context, {
    verb: 'set', options: request.options, before, after,
    changes: [...(change === undefined ? [] : [change]), ...(thaws ? [thawed] : [])],
    notes: before.backup.destination === after.destination && before.backup.folder === after.folder ? [] : [stays(db, principal, before)],
    edit: (database, id) => {
      setBackup(database, id, after);
      if (thaws) thawBackup(database, id);
    },
  }, detail);
}

/** Removes a job. */
export async function removeJob(office: Office, context: Context, request: RemoveBackupRequest): Promise<AddBackupResponseInput> {
  const { db, backups } = office;
  const { principal } = context;
  const again = repeated(db, 'remove', request.options, request.name);
  if (again !== undefined) return again;
  const before = jobFor(db, principal, request.name);
  requireIdle(backups.engine.active(before.id), before);
  const change = backupChange(before.backup, undefined, nameFor(db, principal));
  return runCommand(office, context, {
    verb: 'remove', options: request.options, before, after: undefined, notes: [stays(db, principal, before)],
    changes: change === undefined ? [] : [change],
    edit: (database, id) => {
      requireIdle(backups.engine.active(id), before);
      removeBackup(database, id);
    },
  }, request.name);
}

function stays(db: Database, caller: OperatorCaller, { backup }: BackupJob): string {
  return `its snapshots stay in ${backup.folder} of "${nameFor(db, caller)(backup.destination)}"`;
}

/** What tells two commands apart. */
function hashOf(verb: string, detail: unknown): Buffer {
  return sha256(`reeve-backup-v1\0${verb}\0${canonicalJson(JSON.parse(JSON.stringify(detail)) as Parameters<typeof canonicalJson>[0])}`);
}

/** The answer to a command that was done before. Errors: OPERATION_REUSED. */
function repeated(db: Database, verb: string, wire: WireOptions | null, detail: unknown): AddBackupResponseInput | undefined {
  const { mode, operationId } = parseChangeOptions(wire);
  const operation = operationId === undefined || mode === 'plan' ? undefined : getOperation(db, operationId);
  if (operation === undefined) return undefined;
  if (!operation.requestHash.equals(hashOf(verb, detail))) throw reeveError('OPERATION_REUSED', { value: operation.id });
  return { changes: (operationHosts(db, operation.id)[0]?.changes ?? []).map(formatChange), notes: [], operationId: operation.id };
}

async function runCommand(office: Office, { principal, signal }: Context, command: JobCommand, detail: unknown): Promise<AddBackupResponseInput> {
  const { db, clock } = office;
  const { verb, before, after, changes, edit } = command;
  const { mode, operationId: given } = parseChangeOptions(command.options);
  const now = clock.now();
  const jobId = before?.id ?? newId(now);
  if (changes.length === 0) return { changes: [], notes: [], operationId: '' };
  asIf(db, () => edit(db, jobId));
  const asked = mode === 'stage' || after === undefined ? [] : await askHosts(office, { jobId, before: before?.backup, after }, signal);
  const answer = { changes: changes.map(formatChange), notes: [...asked, ...command.notes] };
  if (mode === 'plan') return { ...answer, operationId: '' };
  const operationId = given ?? newId(now);
  const hosts = [...new Set([after?.source ?? before?.backup.source ?? '', after?.destination ?? before?.backup.destination ?? ''])];
  const summary = `backup ${verb} ${after?.name ?? before?.backup.name ?? ''}`;
  writing(db, () => {
    addAudit(db, { timeMs: now, principal: principal.name, action: summary, arguments: JSON.stringify({ job: jobId, backup: after }), phase: 'ok', operationId, code: '' });
    addOperation(db, { id: operationId, summary, operator: principal.account, requestHash: hashOf(verb, detail), startedAtMs: now });
    for (const hostId of hosts) {
      const part = { operationId, hostId, noun: 'backup', generation: 0 };
      addOperationHost(db, part);
      setOperationHost(db, { ...part, outcome: 'ok', changes, errors: [], durationMs: 0 });
    }
    closeOperation(db, operationId, now);
    edit(db, jobId);
  });
  office.backups.keeper.look();
  return { ...answer, operationId };
}
