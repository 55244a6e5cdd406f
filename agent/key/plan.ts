import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import { formatKeyFile, withOwnExpiry, type KeyFile } from '../../shared/model/key-file.js';
import type { KeyLine } from '../../shared/model/key.js';
import type { UserKeys } from '../../shared/model/manifest.js';
import type { Plan } from '../engine/step.js';
import { adoptionProblems } from './adoption.js';
import { addStep, ask, encodeText, note, phases, problem, type KeyDraft, type KeyPlanInput } from './draft.js';
import { planEndings } from './ending.js';
import { floorProblems } from './floor.js';
import { limitFields, renderKeys, renderProblems, sameLines } from './render.js';
import { planSshd } from './sshd.js';
import { staleness, stampLines } from './stamp.js';

/** What has to be done so that the keys of the host are those of the manifest. Pure; the same input gives the same plan. */
export function planKeys(input: KeyPlanInput): Plan {
  const { manifest, observed, accounts } = input;
  const users = manifest.users.filter(({ user }) => accounts.has(user) || input.mode === 'plan');
  const draft: KeyDraft = { input, users, steps: [], fields: new Map(), kinds: new Map(), problems: [] };
  const files = new Map(observed.files.map((file) => [file.user, file]));
  const wanted = new Map(users.map((user) => [user.user, user]));
  // A file of an account that is to come, or that went without Reeve: what is wanted there is nobody's access now.
  const absent = new Set(manifest.users.filter(({ user }) => !wanted.has(user)).map(({ user }) => user));
  const names = [...new Set([...wanted.keys(), ...files.keys()])].filter((name) => !absent.has(name)).sort();
  for (const name of names) planUser(draft, wanted.get(name), files.get(name));
  if (!manifest.force) draft.problems.push(...planFloor(draft, files, wanted));
  if (!input.removalsOnly) {
    draft.problems.push(...adoptionProblems(draft));
    planSshd(draft);
  }
  planEndings(draft);
  const ordered = phases.flatMap((phase) => draft.steps.filter((step) => step.phase === phase));
  return { steps: ordered.map(({ step }) => step), changes: changesOf(draft), problems: draft.problems };
}

function planUser(draft: KeyDraft, user: UserKeys | undefined, file: KeyFile | undefined): void {
  if (file !== undefined && !file.marked) {
    if (user !== undefined) problem(draft, 'KEY_FILE_FOREIGN', { value: file.path });
    return;
  }
  const name = user?.user ?? file?.user ?? '';
  const own = draft.input.observed.stored?.manifest?.users.find((other) => other.user === name)?.lines ?? [];
  const before = withOwnExpiry(file?.lines ?? [], own);
  if (user === undefined) {
    planGone(draft, name, before, file);
    return;
  }
  const uid = draft.input.accounts.get(name);
  const rootKeys = uid === 0 ? 'yes' : 'no';
  const { now, fresh } = draft.input;
  const lines = stampLines(user.lines, file?.lines ?? [], { now, fresh, boundS: draft.input.bound(name, rootKeys) });
  const kept = keptLines(file?.lines ?? [], lines);
  const fewer = file !== undefined && (!sameLines(kept, file.lines) || file.problems.length > 0);
  if (fewer) remove(draft, name, { content: encodeText(formatKeyFile(kept)) });
  const more = file === undefined || !sameLines(kept, lines) || (!fewer && !file.canonical);
  if (more && !draft.input.removalsOnly) put(draft, { name, rootKeys, lines, kept: file === undefined ? undefined : kept });
  const after = draft.input.removalsOnly ? keptLines(before, user.lines) : user.lines;
  if (file === undefined && draft.input.removalsOnly) return;
  note(draft, name, file === undefined ? 'create' : 'update', [
    ...renderProblems(file),
    ...renderKeys(before, after, draft.input.fingerprint),
    ...(file !== undefined && more && !fewer && !file.canonical && sameLines(kept, lines) ? [{ field: 'file', from: 'altered', to: 'as written' }] : []),
  ]);
}

/** No keys are wanted any more: the file goes. */
function planGone(draft: KeyDraft, name: string, before: readonly KeyLine[], file: KeyFile | undefined): void {
  remove(draft, name, {});
  note(draft, name, 'remove', [...renderProblems(file), ...renderKeys(before, [], draft.input.fingerprint)]);
}

/** The lines that stay, as they stand but for an expiry that comes earlier. */
function keptLines(present: readonly KeyLine[], wanted: readonly KeyLine[]): readonly KeyLine[] {
  const targets = new Map(wanted.map((line) => [line.key.base64, line]));
  return present.flatMap((line) => {
    const target = targets.get(line.key.base64);
    if (target === undefined) return [];
    const [is, will] = [line.options.expiresAtMs ?? Infinity, target.options.expiresAtMs ?? Infinity];
    return [will < is ? { ...line, options: { ...line.options, expiresAtMs: target.options.expiresAtMs } } : line];
  });
}

function remove(draft: KeyDraft, name: string, content: { readonly content?: string }): void {
  ask(draft, 'key.remove', { name });
  addStep(draft, 'remove', { verb: 'key.remove', request: { name, ...content }, undo: undefined, final: false, removesAccess: true });
}

function put(draft: KeyDraft, of: { name: string; rootKeys: 'yes' | 'no'; lines: readonly KeyLine[]; kept: readonly KeyLine[] | undefined }): void {
  const { name, rootKeys, lines, kept } = of;
  const denied = draft.input.deny('key.put', { name, 'root-keys': rootKeys, 'max-stale': String(staleness(lines, draft.input.now)) });
  if (denied !== undefined && rootKeys === 'yes' && denied.verdict === 'none') problem(draft, 'KEY_ROOT', {});
  else if (denied !== undefined) draft.problems.push({ code: denied.code, fields: denied.fields });
  const undo = kept === undefined ? { verb: 'key.remove' as const, request: { name } } : { verb: 'key.put' as const, request: { name, content: encodeText(formatKeyFile(kept)) } };
  addStep(draft, 'put', { verb: 'key.put', request: { name, content: encodeText(formatKeyFile(lines)) }, undo, final: false, removesAccess: false });
}

function planFloor(draft: KeyDraft, files: ReadonlyMap<string, KeyFile>, wanted: ReadonlyMap<string, UserKeys>): readonly ErrorItem[] {
  const { manifest, observed, accounts, now } = draft.input;
  const alive = (lines: readonly KeyLine[]): readonly KeyLine[] => lines.filter(({ options }) => (options.expiresAtMs ?? Infinity) > now);
  const names = [...new Set([...files.keys(), ...wanted.keys()])].sort();
  return floorProblems({
    users: names.flatMap((user) => {
      const uid = accounts.get(user);
      const file = files.get(user);
      return uid === undefined ? [] : [{ user, uid, before: file?.marked === true ? alive(file.lines) : [], after: alive(wanted.get(user)?.lines ?? []) }];
    }),
    removed: new Set(manifest.removed.map((row) => row.fingerprint)),
    breakGlass: new Set([...manifest.breakGlass, ...(observed.stored?.manifest?.breakGlass ?? [])]),
    fingerprint: draft.input.fingerprint,
    hostName: draft.input.hostName,
  });
}

/** Removals first, as they are made first. */
function changesOf(draft: KeyDraft): readonly Change[] {
  const changes = [...draft.kinds].flatMap(([subject, kind]): Change[] => {
    const fields = limitFields(draft.fields.get(subject) ?? []);
    return kind === 'update' && fields.length === 0 ? [] : [{ kind, noun: 'key', subject, fields }];
  });
  const order = (change: Change): number => (change.kind === 'remove' ? 0 : change.subject === 'sshd' ? 2 : 1);
  return changes.sort((a, b) => order(a) - order(b));
}
