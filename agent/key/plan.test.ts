import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { testKey, testLine } from '../../test/support/test-key.js';
import { changesLeft } from '../../shared/model/change.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';
import { formatKeyFile, keyDigestModel } from '../../shared/model/key-file.js';
import { formatKeyLine, type KeyLine } from '../../shared/model/key.js';
import type { KeyManifest, UserKeys } from '../../shared/model/manifest.js';
import { evaluatePolicy, parsePolicy } from '../../shared/model/policy.js';
import type { ObservedUser } from '../../shared/model/user.js';
import { callHelper } from '../engine/apply.js';
import type { Plan } from '../engine/step.js';
import type { StoredStep } from '../journal/line.js';
import { policyProblem } from '../policy/policy.js';
import { boundOf } from './apply.js';
import { fingerprintOf } from './fingerprint.js';
import { loginAccounts, observeFiles, observeOwn, observePending, observeSessions, observeSshd, type ObservedKeys } from './observe.js';
import { planKeys } from './plan.js';

const names = ['ada', 'bob', 'carol', 'root'] as const;
const operationId = '01890000-0000-7000-8000-000000000000';
const hostId = '01890000-0000-7000-8000-00000000000a';
const now = Date.UTC(2026, 5, 1, 12, 0, 0, 250);
const day = 86_400_000;
const clock = { now: () => now, monotonic: () => 0 };

const account = (name: string, uid: number): ObservedUser => ({ name, uid, gid: uid, shell: '/bin/bash', comment: '', home: `/home/${name}`, groups: [], locked: false, marker: 'home', present: true });
const accounts = [account('ada', 20001), account('bob', 20002), account('carol', 20003)];

const line: fc.Arbitrary<KeyLine> = fc
  .record({
    number: fc.integer({ min: 1, max: 9 }), comment: fc.constantFrom('ada: grant 1', 'bob via ops: grant 2'), flags: fc.constantFrom<KeyLine['options']['flags']>([], ['restrict'], ['no-pty']),
    from: fc.constantFrom<readonly string[]>([], [], ['10.0.0.0/8']), expiresAtMs: fc.constantFrom(undefined, undefined, Math.floor(now / 1000) * 1000 + 2 * day, Math.floor(now / 1000) * 1000 + 400 * day),
  })
  .map(({ number, comment, ...options }) => testLine(number, comment, options));

const lines = fc.uniqueArray(line, { maxLength: 6, selector: ({ key }) => key.base64 });

const users: fc.Arbitrary<readonly UserKeys[]> = fc
  .tuple(...names.map((user) => fc.option(fc.record({ user: fc.constant(user), lines, exclusive: fc.boolean() }), { nil: undefined })))
  .map((list) => list.filter((user) => user !== undefined));

/** Any state of the managed files: ours, altered by hand, with lines that nobody can manage. */
const state = fc.tuple(...names.map((user) => fc.option(fc.record({ user: fc.constant<string>(user), lines, extra: fc.constantFrom('', '', '', 'command="id" ssh-ed25519 AAAA x\n', '# a note\n') }), { nil: undefined }))).map((list) => list.filter((file) => file !== undefined));

const dropIn = fc.constantFrom('absent' as const, 'confirmed' as const, 'altered' as const);

function manifestOf(wanted: readonly UserKeys[], over: Partial<KeyManifest> = {}): KeyManifest {
  return { hostId, version: 2, issuedAtMs: now, notAfterMs: now + day, users: wanted, removed: [], breakGlass: [], force: true, ...over };
}

function hostOf(files: readonly { user: string; lines: readonly KeyLine[]; extra: string }[], sshd: 'absent' | 'confirmed' | 'altered' = 'absent', policy = openPolicy): SimulatedHost {
  const host = createSimulatedHost({ users: accounts, clock, policy });
  for (const file of files) {
    host.keys.files.set(file.user, formatKeyFile(file.lines) + file.extra);
    host.keys.owned.add(file.user);
  }
  host.keys.sshd = { dropIn: sshd, exclusive: '', others: [] };
  return host;
}

async function observe(host: SimulatedHost, stored?: KeyManifest): Promise<ObservedKeys> {
  const sshd = await observeSshd(host.helper, operationId);
  const { passwd } = host.readAccounts();
  return {
    files: await observeFiles(host.helper, operationId), sshd, pending: await observePending(host.helper, operationId),
    stored: stored === undefined ? undefined : { version: stored.version, content: '', manifest: stored },
    own: await observeOwn(host.helper, operationId, loginAccounts(passwd, []), sshd.paths), sessions: await observeSessions(host.helper, operationId),
  };
}

interface PlanHow { stored?: KeyManifest; removalsOnly?: boolean; mode?: 'plan' | 'apply'; at?: number; policy?: string }

async function planFor(host: SimulatedHost, manifest: KeyManifest, how: PlanHow = {}): Promise<Plan> {
  const parsed = parsePolicy(how.policy ?? openPolicy);
  if (parsed.kind === 'problems') throw new Error('the test has a bad policy');
  const policy = { kind: 'usable' as const, policy: parsed.policy, digest: Buffer.alloc(32) };
  return planKeys({
    manifest, observed: await observe(host, how.stored), accounts: new Map(host.readAccounts().passwd.map(({ name, uid }) => [name, uid])), now: how.at ?? now,
    mode: how.mode ?? 'apply', removalsOnly: how.removalsOnly ?? false, fresh: true, bound: boundOf(policy),
    deny: (operation, args) => policyProblem(policy, 'web1', operation, args), fingerprint: fingerprintOf, hostName: 'web1',
  });
}

async function run(host: SimulatedHost, steps: readonly StoredStep[]): Promise<void> {
  for (const step of steps) await callHelper(host.helper, operationId, step);
  // The coordinator confirms.
  if (host.keys.pending !== undefined) {
    host.keys.pending = undefined;
    host.keys.sshd = { ...host.keys.sshd, dropIn: 'confirmed' };
  }
}

const contents = (host: SimulatedHost): Record<string, string> => Object.fromEntries([...host.keys.files].sort());
const wantedContents = (wanted: readonly UserKeys[]): Record<string, string> => Object.fromEntries(wanted.map((user) => [user.user, formatKeyFile(user.lines)]));

describe('a plan of keys', () => {
  it('leads to what is wanted, and then is empty: apply(plan(a, b)) = b, plan(b, b) = nothing', async () => {
    await fc.assert(
      fc.asyncProperty(state, dropIn, users, async (before, sshd, wanted) => {
        const host = hostOf(before, sshd);
        const manifest = manifestOf(wanted);
        const plan = await planFor(host, manifest);
        expect(plan.problems).toEqual([]);
        await run(host, plan.steps);
        expect(contents(host)).toEqual(wantedContents(wanted));
        const exclusive = wanted.filter((user) => user.exclusive).map(({ user }) => user);
        expect(host.keys.sshd.exclusive).toBe(exclusive.join());
        if (wanted.length > 0) expect(host.keys.sshd.dropIn).toBe('confirmed');
        expect(await planFor(host, manifest, { stored: manifest })).toEqual({ steps: [], changes: [], problems: [] });
      }),
      { numRuns: 400 },
    );
  });

  it('under a hold only takes access away; the rest leads on from there to what is wanted', async () => {
    let [held, made] = [0, 0];
    await fc.assert(
      fc.asyncProperty(state, dropIn, users, async (before, sshd, wanted) => {
        const host = hostOf(before, sshd);
        const manifest = manifestOf(wanted);
        const full = await planFor(host, manifest);
        const part = await planFor(host, manifest, { removalsOnly: true });
        expect(part.problems).toEqual([]);
        expect(part.steps.filter((step) => !step.removesAccess)).toEqual([]);
        const removing = full.steps.filter((step) => step.removesAccess).map((step) => [step.verb, step.request]);
        expect(part.steps.map((step) => [step.verb, step.request]), 'all that removes access is in it').toEqual(removing);
        const left = changesLeft(full.changes, part.changes);
        const lets = (who: SimulatedHost): Set<string> => new Set([...who.keys.files].flatMap(([user, text]) => text.split('\n').filter((row) => row.includes('AAAA')).map((row) => `${user} ${row.slice(row.indexOf('AAAA'))}`)));
        const could = lets(host);
        await run(host, part.steps);
        expect([...lets(host)].filter((row) => !could.has(row)), 'nobody gains').toEqual([]);
        if (part.steps.length > 0) made += 1;
        if (left.length > 0) held += 1;
        await run(host, (await planFor(host, manifest)).steps);
        expect(contents(host)).toEqual(wantedContents(wanted));
      }),
      { numRuns: 400 },
    );
    expect(Math.min(held, made)).toBeGreaterThan(20);
  });

  it('can be taken back at every step, but for what was taken away', async () => {
    await fc.assert(
      fc.asyncProperty(state, users, fc.nat(8), async (before, wanted, stop) => {
        const host = hostOf(before, 'confirmed');
        const manifest = manifestOf(wanted.map((user) => ({ ...user, exclusive: false })));
        const plan = await planFor(host, manifest);
        const removals = plan.steps.filter((step) => step.verb === 'key.remove');
        const done = plan.steps.slice(0, stop);
        await run(host, done);
        await run(host, done.map((step) => step.undo).filter((undo) => undo !== undefined).reverse());
        const only = hostOf(before, 'confirmed');
        await run(only, done.filter((step) => removals.includes(step)));
        // What was altered by hand is not altered again.
        const lets = (who: SimulatedHost): Record<string, string[]> => Object.fromEntries([...who.keys.files].sort().map(([user, text]) => [user, text.split('\n').filter((row) => row.includes('ssh-ed25519 AAAAC3'))]));
        expect(lets(host)).toEqual(lets(only));
      }),
      { numRuns: 300 },
    );
  });

  it('asks the policy for exactly what it will do', async () => {
    await fc.assert(
      fc.asyncProperty(state, users, fc.subarray(openPolicy.trim().split('\n').slice(1)), async (before, wanted, allowed) => {
        const policy = ['version 1', ...new Set([...allowed, 'allow observe.key'])].join('\n');
        const host = hostOf(before, 'absent', policy);
        const plan = await planFor(host, manifestOf(wanted), { policy });
        if (plan.problems.length > 0) return;
        const parsed = parsePolicy(policy);
        if (parsed.kind === 'problems') throw new Error('the test has a bad policy');
        for (const { verb, request } of plan.steps) expect(evaluatePolicy(parsed.policy, verb, { name: request['name'] as string | undefined }).kind).toBe('allow');
        // The helper asks it once more, with what is in the files.
        await run(host, plan.steps);
      }),
      { numRuns: 200 },
    );
  });

  it('says who gains and who loses a key, by fingerprint and comment', async () => {
    const host = hostOf([{ user: 'ada', lines: [testLine(1), testLine(2)], extra: '' }], 'confirmed');
    const plan = await planFor(host, manifestOf([{ user: 'ada', lines: [testLine(2), testLine(3, 'carol: grant 9', { flags: ['restrict'] })], exclusive: false }]));
    const short = (number: number): string => `key ${formatFingerprint(fingerprintOf(testKey(number))).slice(0, 19)}`;
    expect(plan.changes).toEqual([
      { kind: 'update', noun: 'key', subject: 'ada', fields: [{ field: short(1), from: 'p1: grant 1', to: '' }, { field: short(3), from: '', to: 'carol: grant 9 (restrict)' }] },
    ]);
    expect(plan.steps.map(({ verb, removesAccess }) => [verb, removesAccess])).toEqual([['key.remove', true], ['key.put', false]]);
  });

  it('shows the keys of an account that is to come, and leaves them out until it is there', async () => {
    const host = hostOf([], 'confirmed');
    const manifest = manifestOf([{ user: 'zoe', lines: [testLine(1)], exclusive: false }]);
    expect((await planFor(host, manifest, { mode: 'plan' })).changes).toMatchObject([{ kind: 'create', subject: 'zoe', fields: [{ to: 'p1: grant 1' }] }]);
    expect(await planFor(host, manifest)).toEqual({ steps: [], changes: [], problems: [] });
  });

  it('tells sshd after the files are there, best tried with a break-glass user, and only when something of that changes', async () => {
    const host = hostOf([]);
    const manifest = manifestOf([{ user: 'ada', lines: [testLine(1)], exclusive: true }, { user: 'bob', lines: [testLine(2)], exclusive: false }], { breakGlass: [fingerprintOf(testKey(2))] });
    const plan = await planFor(host, manifest);
    expect(plan.steps.map((step) => step.verb)).toEqual(['key.put', 'key.put', 'key.sshd']);
    expect(plan.steps.at(-1)).toMatchObject({ request: { action: 'set', exclusive: 'ada', probe: 'bob', confirmS: 60 }, final: false, undo: undefined });
    await run(host, plan.steps);
    const more = manifestOf([{ user: 'ada', lines: [testLine(1), testLine(3)], exclusive: true }, { user: 'bob', lines: [testLine(2)], exclusive: false }]);
    expect((await planFor(host, more)).steps.map((step) => step.verb)).toEqual(['key.put']);
  });

  it('refuses another change of sshd while one waits, and lets keys be changed', async () => {
    const host = hostOf([], 'confirmed');
    host.keys.sshd = { dropIn: 'pending', exclusive: '', others: [] };
    host.keys.pending = { operation: '00'.repeat(16), deadlineMs: now + 30_000, before: { dropIn: 'absent', exclusive: '', others: [] } };
    const adopted = manifestOf([{ user: 'ada', lines: [testLine(1)], exclusive: true }]);
    expect((await planFor(host, adopted)).problems).toMatchObject([{ code: 'CONFIRM_PENDING', fields: { noun: 'key' } }]);
    const plain = await planFor(host, manifestOf([{ user: 'ada', lines: [testLine(1)], exclusive: false }]));
    expect(plain).toMatchObject({ problems: [], steps: [{ verb: 'key.put' }] });
  });

  it('refuses a file that is not ours', async () => {
    const host = hostOf([{ user: 'ada', lines: [testLine(1)], extra: '' }]);
    host.keys.owned.clear();
    expect((await planFor(host, manifestOf([{ user: 'ada', lines: [], exclusive: false }]))).problems).toMatchObject([{ code: 'KEY_FILE_FOREIGN', fields: { value: '/etc/ssh/reeve-keys.d/ada' } }]);
  });

  it('refuses keys of root with the lines that would allow them', async () => {
    const policy = openPolicy.replace('allow key.put root-keys=no,yes', 'allow key.put');
    const plan = await planFor(hostOf([], 'confirmed', policy), manifestOf([{ user: 'root', lines: [testLine(1)], exclusive: false }]), { policy });
    expect(plan.problems).toEqual([{ code: 'KEY_ROOT', fields: { host: 'web1' } }]);
  });
});

describe('an adoption', () => {
  const wanted = (...numbers: number[]): KeyManifest => manifestOf([{ user: 'ada', lines: numbers.map((number) => testLine(number)), exclusive: true }]);
  const own = (text: string): SimulatedHost => {
    const host = hostOf([], 'confirmed');
    host.keys.own.set('ada', text);
    return host;
  };
  const row = (number: number): string => `${formatKeyLine(testLine(number, 'ada@laptop'))}\n`;

  it('goes ahead when every key that lets in now is among those that are wanted', async () => {
    const host = own(`# mine\n\n${row(1)}${row(2)}`);
    expect(await planFor(host, wanted(1, 2, 3))).toMatchObject({ problems: [], steps: [{ verb: 'key.put' }, { verb: 'key.sshd', request: { exclusive: 'ada' } }] });
  });

  it.each<[string, string, string]>([
    ['a key that is not wanted', row(1) + row(5), 'line 2 of /home/ada/.ssh/authorized_keys has a key that is not among those that are wanted'],
    ['a line that cannot be managed', `${row(1)}command="id" ssh-ed25519 AAAA\n`, 'line 2 of /home/ada/.ssh/authorized_keys cannot be managed'],
    ['other options', `from="10.0.0.0/8" ${row(1)}`, 'the key of line 1 of /home/ada/.ssh/authorized_keys is wanted with other options'],
  ])('is refused for %s', async (_name, text, rule) => {
    expect((await planFor(own(text), wanted(1))).problems).toEqual([{ code: 'KEY_ADOPT_LOSES', fields: { host: 'web1', value: 'ada', rule: expect.stringContaining(rule) as string } }]);
  });

  it('is refused for a file that cannot be read', async () => {
    const host = own(row(1));
    host.keys.unreadable.add('ada');
    expect((await planFor(host, wanted(1))).problems).toMatchObject([{ code: 'KEY_ADOPT_LOSES', fields: { rule: expect.stringContaining('cannot be read') as string } }]);
  });

  it('does not count keys that have ended or were taken away by name', async () => {
    const host = own(`expiry-time="20260101000000Z" ${row(8)}${row(9)}`);
    const manifest = { ...wanted(1), removed: [{ fingerprint: fingerprintOf(testKey(9)), purge: false, endSessions: false }] };
    expect((await planFor(host, manifest)).problems).toEqual([]);
  });
});

describe('the digest of keys', () => {
  it('is of the lines without stamps, with their own expiries', async () => {
    const own = testLine(1, 'x', { expiresAtMs: Date.UTC(2027, 0, 1) });
    const stamped = (at: number): KeyLine[] => [testLine(1, 'x', { expiresAtMs: at }), testLine(2, 'y', { expiresAtMs: at })];
    const digest = async (file: readonly KeyLine[]): Promise<unknown> => {
      const observed = await observe(hostOf([{ user: 'ada', lines: file, extra: '' }]));
      return keyDigestModel({ files: observed.files, sshd: observed.sshd, stored: true, ownLines: () => [own, testLine(2, 'y')] });
    };
    const plain = await digest([own, testLine(2, 'y')]);
    expect(await digest(stamped(now - 250 + day))).toEqual(plain);
    expect(await digest(stamped(now - 250 + 2 * day))).toEqual(plain);
    expect(await digest(stamped(Date.UTC(2028, 0, 1))), 'later than its own end').not.toEqual(plain);
    expect(await digest([own])).not.toEqual(plain);
  });
});
