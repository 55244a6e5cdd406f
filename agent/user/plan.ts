import type { ErrorItem } from '../../shared/errors/error.js';
import { userFloors } from '../../shared/gen/privd.js';
import type { Change } from '../../shared/model/change.js';
import type { Account, ObservedUser, User } from '../../shared/model/user.js';
import type { Plan, Step } from '../engine/step.js';
import { renderFields } from './render.js';

/** What the host's policy says to a verb: undefined, or why not. */
export type Deny = (operation: string, args: Readonly<Record<string, string | undefined>>) => (ErrorItem & { readonly verdict: 'deny' | 'none' }) | undefined;

/** Everything a plan is computed from. */
export interface UserPlanInput {
  /** Sorted, names unique. */
  readonly wanted: readonly User[];
  /** At least all managed accounts. */
  readonly observed: readonly ObservedUser[];
  readonly accounts: {
    readonly passwd: readonly { readonly name: string; readonly uid: number }[];
    readonly groups: ReadonlySet<string>;
    readonly shells: ReadonlySet<string>;
  };
  readonly homeExists: (name: string) => boolean;
  readonly deny: Deny;
  readonly hostName: string;
}

/** The order of the work: what takes access away first, what cannot be taken back last. */
const phases = ['lock', 'adopt', 'make', 'release', 'remove'] as const;
type Phase = (typeof phases)[number];

/** Shells that refuse a login need not be in shells(5). */
const refusingShells: readonly string[] = ['/usr/sbin/nologin', '/sbin/nologin', '/bin/false', '/usr/bin/false'];

/** The work of one request, collected user by user. */
interface Draft {
  readonly input: UserPlanInput;
  readonly managed: ReadonlyMap<string, ObservedUser>;
  /** Accounts by name, as passwd(5) has them. */
  readonly uids: ReadonlyMap<string, number>;
  /** Who has a uid, or gets it in this plan. */
  readonly owners: Map<number, string>;
  readonly steps: { readonly phase: Phase; readonly step: Step; readonly subject: string }[];
  readonly changes: Change[];
  readonly problems: ErrorItem[];
}

/** What has to be done so that the managed accounts are as wanted. Pure; the same input gives the same plan. */
export function planUsers(input: UserPlanInput): Plan {
  const draft: Draft = {
    input,
    managed: new Map(input.observed.filter((user) => user.marker !== '').map((user) => [user.name, user])),
    uids: new Map(input.accounts.passwd.map((entry) => [entry.name, entry.uid])),
    // A uid that was given to an account which is only half there is still that account's.
    owners: new Map([...input.observed, ...input.accounts.passwd].map((entry) => [entry.uid, entry.name])),
    steps: [],
    changes: [],
    problems: [],
  };
  for (const user of input.wanted) planUser(draft, user);
  const ordered = phases.flatMap((phase) => draft.steps.filter((step) => step.phase === phase));
  const order = new Map(ordered.map(({ subject }, index) => [subject, index] as const).reverse());
  const changes = [...draft.changes].sort((a, b) => (order.get(a.subject) ?? 0) - (order.get(b.subject) ?? 0));
  return { steps: ordered.map(({ step }) => step), changes, problems: draft.problems };
}

function planUser(draft: Draft, user: User): void {
  const now = draft.managed.get(user.name);
  switch (user.presence) {
    case 'absent':
      planAbsent(draft, user, now);
      return;
    case 'released':
      planReleased(draft, user.name, now);
      return;
    case 'present':
    case 'locked':
      if (user.account.kind === 'adopted') planAdopted(draft, { name: user.name, presence: user.presence }, now);
      else if (now === undefined || isMissing(now)) planNew(draft, { ...user, account: user.account }, now);
      else planKept(draft, { ...user, account: user.account }, now);
  }
}

interface Made {
  readonly name: string;
  readonly presence: 'present' | 'locked';
  readonly account: Exclude<Account, { kind: 'adopted' }>;
}

/** Only a marker, or half an account, is there. */
function isMissing(now: ObservedUser): boolean {
  return now.marker === 'adding' || now.marker === 'removing' || (!now.present && !isAdopted(now));
}

function isAdopted(now: ObservedUser): boolean {
  return now.marker === 'adopted' || now.marker === 'adopted-keys';
}

function planAbsent(draft: Draft, user: { name: string; keepHome: boolean }, now: ObservedUser | undefined): void {
  const { name } = user;
  if (now === undefined) {
    if (draft.uids.has(name)) problem(draft, 'USER_FOREIGN', { value: name });
    return;
  }
  if (isAdopted(now)) {
    problem(draft, 'USER_PROTECTED', { value: name, rule: 'adopted: keys and lock only' });
    return;
  }
  ask(draft, 'user.remove', { name });
  addStep(draft, 'remove', name, { verb: 'user.remove', request: { name, keepHome: user.keepHome }, undo: undefined, final: true, removesAccess: true });
  change(draft, { kind: 'remove', subject: name, fields: [] });
}

function planReleased(draft: Draft, name: string, now: ObservedUser | undefined): void {
  if (now === undefined) return;
  if (now.marker === 'adding' || now.marker === 'removing') {
    problem(draft, 'STATE_MOVED', { moved: `an earlier change of user "${name}" is not finished` });
    return;
  }
  ask(draft, 'user.release', { name });
  addStep(draft, 'release', name, { verb: 'user.release', request: { name }, undo: undefined, final: true, removesAccess: false });
  change(draft, { kind: 'update', subject: name, fields: [{ field: 'presence', from: presenceOf(now), to: 'released' }] });
}

function planAdopted(draft: Draft, user: { name: string; presence: 'present' | 'locked' }, now: ObservedUser | undefined): void {
  const { name, presence } = user;
  if (now !== undefined && !isAdopted(now)) {
    problem(draft, 'USER_KIND_FIXED', { value: name, owner: now.marker });
    return;
  }
  const uid = draft.uids.get(name);
  if (uid === undefined) {
    problem(draft, 'USER_ABSENT', { value: name });
    return;
  }
  const system = uid < userFloors.minUid || (userFloors.forbiddenUids as readonly number[]).includes(uid);
  if (system && presence === 'locked') {
    problem(draft, 'USER_PROTECTED', { value: name, rule: 'only its keys can be managed' });
    return;
  }
  const known = now ?? draft.input.observed.find((other) => other.name === name);
  if (now === undefined) {
    if (name.startsWith('reeve')) {
      problem(draft, 'USER_RESERVED', { value: name, rule: 'the name is reserved for Reeve itself' });
      return;
    }
    ask(draft, 'user.adopt', { name, system: system ? 'yes' : 'no' });
    addStep(draft, 'adopt', name, { verb: 'user.adopt', request: { name }, undo: { verb: 'user.release', request: { name } }, final: false, removesAccess: presence === 'locked' && known?.locked !== true });
  }
  const locked = known?.locked ?? false;
  if (!system) planLock(draft, { name, presence, locked }, now === undefined ? 'adopt' : undefined);
  const before = { presence: locked ? 'locked' : 'present', kind: now === undefined ? '' : 'adopted', uid: undefined, shell: '', comment: '', groups: [] };
  const after = system && locked ? 'locked' : presence;
  change(draft, { kind: 'update', subject: name, fields: renderFields(before, { presence: after, account: { kind: 'adopted' } }) });
}

function planNew(draft: Draft, user: Made, now: ObservedUser | undefined): void {
  const { name, account } = user;
  const uid = draft.uids.get(name);
  if (uid !== undefined && uid < userFloors.minUid) {
    problem(draft, 'USER_PROTECTED', { value: name, rule: 'its uid is below 1000' });
    return;
  }
  if (uid !== undefined && now === undefined) {
    problem(draft, 'USER_FOREIGN', { value: name });
    return;
  }
  checkShell(draft, account.shell);
  // A half-made account is taken down before it is made again; so are its group and home.
  const halfMade = now?.marker === 'adding' || now?.marker === 'removing';
  if (!halfMade && draft.input.accounts.groups.has(name)) problem(draft, 'USER_RESERVED', { value: name, rule: 'a group of that name already exists on the host' });
  if (!halfMade && account.kind === 'home' && draft.input.homeExists(name)) problem(draft, 'HOME_TAKEN', { value: `/home/${name}` });
  checkUid(draft, name, account.uid);
  ask(draft, 'user.add', { name, uid: account.uid === undefined ? undefined : String(account.uid), shell: account.shell, kind: account.kind });
  if (now?.marker === 'removing') {
    ask(draft, 'user.remove', { name });
    addStep(draft, 'make', name, { verb: 'user.remove', request: { name, keepHome: false }, undo: undefined, final: false, removesAccess: false });
  }
  const { kind, shell, comment } = account;
  addStep(draft, 'make', name, {
    verb: 'user.add',
    request: { name, shell, comment, kind, ...(account.uid === undefined ? {} : { uid: account.uid }) },
    undo: { verb: 'user.remove', request: { name, keepHome: false } },
    final: false,
    removesAccess: false,
  });
  planGroups(draft, name, [], account.groups);
  // Whether the helper made it usable or not: a new account is not expired.
  planLock(draft, { name, presence: user.presence, locked: false }, 'make');
  change(draft, { kind: 'create', subject: name, fields: renderFields(undefined, user) });
}

function planKept(draft: Draft, user: Made, now: ObservedUser): void {
  const { name, account } = user;
  if (now.marker !== account.kind) {
    problem(draft, 'USER_KIND_FIXED', { value: name, owner: isAdopted(now) ? 'adopted' : now.marker });
    return;
  }
  if (account.uid !== undefined && account.uid !== now.uid) problem(draft, 'USER_UID_FIXED', { value: name, owner: String(now.uid) });
  const shell = account.shell === now.shell ? undefined : account.shell;
  const comment = account.comment === now.comment ? undefined : account.comment;
  if (shell !== undefined) checkShell(draft, shell);
  if (shell !== undefined || comment !== undefined) {
    ask(draft, 'user.set', { name, shell });
    addStep(draft, 'make', name, {
      verb: 'user.set',
      request: { name, ...(shell === undefined ? {} : { shell }), ...(comment === undefined ? {} : { comment }) },
      undo: { verb: 'user.set', request: { name, ...(shell === undefined ? {} : { shell: now.shell }), ...(comment === undefined ? {} : { comment: now.comment }) } },
      final: false,
      removesAccess: false,
    });
  }
  planGroups(draft, name, now.groups, account.groups);
  planLock(draft, { name, presence: user.presence, locked: now.locked }, undefined);
  change(draft, { kind: 'update', subject: name, fields: renderFields({ ...now, presence: presenceOf(now), kind: now.marker }, user) });
}

function planGroups(draft: Draft, name: string, now: readonly string[], wanted: readonly string[]): void {
  const member = (group: string, action: 'add' | 'remove'): Step => ({
    verb: 'group.member',
    request: { name, group, action },
    undo: { verb: 'group.member', request: { name, group, action: action === 'add' ? 'remove' : 'add' } },
    final: false,
    removesAccess: action === 'remove',
  });
  for (const group of now.filter((old) => !wanted.includes(old))) {
    ask(draft, 'group.member', { name, group });
    addStep(draft, 'make', name, member(group, 'remove'));
  }
  for (const group of wanted.filter((added) => !now.includes(added))) {
    if (!draft.input.accounts.groups.has(group)) problem(draft, 'GROUP_ABSENT', { value: group });
    askGroup(draft, name, group);
    addStep(draft, 'make', name, member(group, 'add'));
  }
}

/** Locks before anything else is done, or right after the account was made or adopted; unlocks with the rest. */
function planLock(draft: Draft, user: { name: string; presence: 'present' | 'locked'; locked: boolean }, after: Phase | undefined): void {
  const { name } = user;
  if ((user.presence === 'locked') === user.locked) return;
  if (user.presence === 'locked') {
    ask(draft, 'user.lock', { name });
    addStep(draft, after ?? 'lock', name, { verb: 'user.lock', request: { name }, undo: undefined, final: false, removesAccess: after !== 'make' });
  } else {
    ask(draft, 'user.unlock', { name });
    addStep(draft, after ?? 'make', name, { verb: 'user.unlock', request: { name }, undo: { verb: 'user.lock', request: { name } }, final: false, removesAccess: false });
  }
}

function checkShell(draft: Draft, shell: string): void {
  if (!refusingShells.includes(shell) && !draft.input.accounts.shells.has(shell)) problem(draft, 'SHELL_ABSENT', { value: shell });
}

function checkUid(draft: Draft, name: string, uid: number | undefined): void {
  if (uid === undefined) return;
  const owner = draft.owners.get(uid);
  if (owner !== undefined && owner !== name) problem(draft, 'USER_UID_TAKEN', { value: String(uid), owner });
  draft.owners.set(uid, name);
}

function ask(draft: Draft, operation: string, args: Readonly<Record<string, string | undefined>>): void {
  const denied = draft.input.deny(operation, args);
  if (denied !== undefined) draft.problems.push({ code: denied.code, fields: denied.fields });
}

function askGroup(draft: Draft, name: string, group: string): void {
  const denied = draft.input.deny('group.member', { name, group });
  if (denied === undefined) return;
  const dangerous = (userFloors.dangerousGroups as readonly string[]).includes(group) || userFloors.dangerousPrefixes.some((prefix) => group.startsWith(prefix));
  if (dangerous && denied.verdict === 'none') problem(draft, 'GROUP_DANGEROUS', { value: group });
  else draft.problems.push({ code: denied.code, fields: denied.fields });
}

function problem(draft: Draft, code: ErrorItem['code'], fields: Readonly<Record<string, string>>): void {
  draft.problems.push({ code, fields: { ...fields, host: draft.input.hostName } });
}

function addStep(draft: Draft, phase: Phase, subject: string, step: Step): void {
  draft.steps.push({ phase, subject, step });
}

function change(draft: Draft, made: Omit<Change, 'noun'>): void {
  if (made.kind === 'update' && made.fields.length === 0) return;
  draft.changes.push({ ...made, noun: 'user' });
}

function presenceOf(now: ObservedUser): string {
  return now.locked ? 'locked' : 'present';
}
