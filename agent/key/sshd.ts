import { addStep, ask, note, problem, type KeyDraft } from './draft.js';

/** How long a change of sshd waits for its confirmation, s. */
const confirmS = 60;

/** Tells sshd of the files: the first time, when somebody altered that, and when other users' own files are not to be read. Ordinary changes of keys need none of it. */
export function planSshd(draft: KeyDraft): void {
  const { observed, accounts, hostName } = draft.input;
  const { sshd, pending } = observed;
  const exclusive = draft.users.filter((user) => user.exclusive).map(({ user }) => user).sort();
  const same = exclusive.join() === [...sshd.exclusive].sort().join();
  if (draft.users.length === 0 && (sshd.dropIn === 'absent' || sshd.dropIn === 'unknown')) return;
  if (same && (sshd.dropIn === 'confirmed' || sshd.dropIn === 'pending')) return;
  if (sshd.problem !== undefined) {
    problem(draft, sshd.problem.code, { ...sshd.problem.fields, host: hostName });
    return;
  }
  if (sshd.dropIn === 'pending') {
    problem(draft, 'CONFIRM_PENDING', { noun: 'key', when: pending === undefined ? 'soon' : new Date(pending.deadlineMs).toISOString() });
    return;
  }
  ask(draft, 'key.sshd', {});
  const there = exclusive.filter((user) => accounts.has(user));
  const probe = probeUser(draft);
  addStep(draft, 'sshd', {
    verb: 'key.sshd',
    request: { action: 'set', confirmS, ...(there.length === 0 ? {} : { exclusive: there.join() }), ...(probe === undefined ? {} : { probe }) },
    // It reverts by itself, and a second change of it would be refused until then.
    undo: undefined,
    final: false,
    removesAccess: false,
  });
  for (const user of new Set([...exclusive, ...sshd.exclusive])) {
    const [is, was] = [exclusive.includes(user), sshd.exclusive.includes(user)];
    const text = (only: boolean): string => (only ? 'not read' : 'read');
    if (is !== was) note(draft, user, 'update', [{ field: 'own files', from: text(was), to: text(is) }]);
  }
  if (sshd.dropIn !== 'confirmed') note(draft, 'sshd', sshd.dropIn === 'absent' ? 'create' : 'update', [{ field: 'drop-in', from: sshd.dropIn === 'absent' ? '' : sshd.dropIn, to: 'set' }]);
}

/** Who the test login is for: best one with a break-glass key, else root, else anybody with a key. */
function probeUser(draft: KeyDraft): string | undefined {
  const { manifest, accounts, fingerprint } = draft.input;
  const there = draft.users.filter(({ user, lines }) => accounts.has(user) && lines.length > 0);
  const glass = new Set(manifest.breakGlass);
  const found = there.find(({ lines }) => lines.some((line) => glass.has(fingerprint(line.key)))) ?? there.find(({ user }) => accounts.get(user) === 0) ?? there[0];
  return found?.user;
}
