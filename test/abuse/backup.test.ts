import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../shared/kit/id.js';
import { formatGrant, type BackupGrant } from '../../shared/model/backup-grant.js';
import { vis } from '../../shared/model/vis.js';
import { signRecord, type SignedRecord } from '../../shared/rpc/signed.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import type { LabHost } from '../lab/lab.js';
import { installProgram, parseCounts } from '../support/abuse-program.js';
import { startBackupCaller, type CallerAnswer, type CallerOrder, type Shown } from '../support/backup-caller-order.js';
import { aliveOf, runToEnd, waitQuiet } from '../support/backup-fleet.js';
import { shiftSnapshots } from '../support/backup-tree.js';
import { stolenRoots, type Issuer } from '../support/certificate-forge.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';
import { show } from '../support/wrong-certificate.js';

/** An agent as a thief of its files has it. */
interface Stolen {
  readonly shown: Shown;
  readonly uri: string;
  readonly fleetId: string;
  readonly hostId: string;
  readonly key: string;
}

async function stolenIdentity(host: LabHost): Promise<Stolen> {
  const folder = '/var/lib/reeve-agent/identity/current';
  const shown = { key: await host.read(`${folder}/key.pem`), certificate: await host.read(`${folder}/certificate.pem`) };
  const certificate = new X509Certificate(shown.certificate);
  const [, uri = '', fleetId = '', hostId = ''] = /^URI:(reeve:\/\/([^/]+)\/host\/(.+))$/.exec(certificate.subjectAltName ?? '') ?? [];
  return { shown, uri, fleetId, hostId, key: keyFingerprint(certificate.publicKey) };
}

/** What no snapshot of web may have. */
const secrets = { shadow: 'SHADOW-OF-WEB-4711', etc: 'ETC-OF-WEB-4711', root: 'ROOT-OF-WEB-4711' } as const;

/** What no terminal may get from a name: control characters but the end of a line, and what turns text around. */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/;

describe.skipIf(!hosts.ok)('backups among hosts one of which is hostile', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let store: LabHost;
  let evil: LabHost;
  let managed: readonly LabHost[];
  let roots: { readonly control: Issuer; readonly agents: Issuer };
  let ids: { readonly web: Stolen; readonly store: Stolen; readonly evil: Stolen };
  /** Acts on the hub and on evil. */
  let callers: { readonly hub: Awaited<ReturnType<typeof startBackupCaller>>; readonly evil: Awaited<ReturnType<typeof startBackupCaller>> };
  let asCoordinator: Shown;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'abusebackup', hosts: ['web', 'store', 'evil'], debian: ['rsync', 'acl', 'attr'], resident: true });
    [web, store, evil] = ['web', 'store', 'evil'].map((name) => fleet.host(name)) as [LabHost, LabHost, LabHost];
    managed = [web, store, evil];
    await Promise.all([
      store.run(['mkdir', '-p', '/srv/backup']),
      evil.run(['mkdir', '-p', '/srv/restore']),
      web.run(['/bin/sh', '-c', [
        `useradd victim && usermod -p '${secrets.shadow}' victim && grep -q ${secrets.shadow} /etc/shadow`,
        `mkdir -p /etc/deep /root/deep && echo ${secrets.etc} >/etc/deep/file && echo ${secrets.etc} >/etc/file && echo ${secrets.root} >/root/deep/file && echo ${secrets.root} >/root/file`,
        'mkdir -p /srv/data/dir/deep /srv/data/tree/deep && cd /srv/data && for f in $(seq 300); do echo $f >dir/$f && echo $f >tree/$f; done && for f in dir/file dir/deep/file tree/file tree/deep/file file plain; do echo mine >$f; done',
      ].join(' && ')]),
    ]);
    const added = await fleet.reeve(['backup', 'add', 'web', '--from', 'web:/srv/data', '--to', 'store:/srv/backup/web', '--every', 'never', '--yes']);
    if (added.code !== 0) throw new Error(added.stderr);
    roots = stolenRoots(fleet.hub.outside('/var/lib/reeved'));
    const [webId, storeId, evilId] = await Promise.all([web, store, evil].map(stolenIdentity)) as [Stolen, Stolen, Stolen];
    ids = { web: webId, store: storeId, evil: evilId };
    asCoordinator = show({ uri: `reeve://${webId.fleetId}/role/coordinator`, root: roots.control, otherRoot: roots.agents, does: 'client', key: roots.agents.key });
    callers = { hub: await startBackupCaller(fleet.hub, '/usr/lib/reeve-coordinator'), evil: await startBackupCaller(evil, '/usr/lib/reeve-agent') };
  });
  afterAll(() => {
    callers.hub.close();
    callers.evil.close();
    fleet.close();
  });

  const control = (): Issuer['key'] => roots.control.key;
  const listening = async (host: LabHost): Promise<readonly string[]> => (await aliveOf(host)).filter((line) => line.startsWith('listens'));
  const fromEvil = (hello: string, shown?: Shown): Promise<CallerAnswer> => callers.evil.ask({ kind: 'dial', address: store.address, hello, ...(shown === undefined ? {} : { shown }) });

  /** A grant for web to send to store, as the coordinator would write it, and its signature by whom it should not be. */
  function grant(altered: Partial<BackupGrant> = {}, key = control()): { readonly run: string; readonly record: SignedRecord } {
    const now = Date.now();
    const run = newId(now);
    const what = { kind: 'backup', folders: ['/srv/data'], excludes: [], systemFolders: false, into: '/srv/backup/hand', snapshot: '2026-01-01T000000Z', basis: [] } as const;
    const side = ({ hostId, key: print }: Stolen): BackupGrant['sender'] => ({ host: hostId, key: print });
    const whole: BackupGrant = {
      fleet: ids.web.fleetId, run, job: '01900000-0000-7000-8000-00000000feed', notBefore: now - 60_000, notAfter: now + 120_000,
      sender: side(ids.web), receiver: side(ids.store), bandwidthKib: 0, seconds: 600, what, ...altered,
    };
    return { run, record: signRecord('grant', formatGrant(whole), key) };
  }
  type Start = Extract<CallerOrder, { kind: 'start' }>;
  const startOf = (name: string, { record }: { readonly record: SignedRecord }, altered: Partial<Start> = {}): Start =>
    ({ kind: 'start', name, address: store.address, shown: asCoordinator, side: 'receiver', grant: record.body, signature: record.signature, ...altered });
  const begin = (...order: Parameters<typeof startOf>): Promise<CallerAnswer> => callers.hub.ask(startOf(...order));

  test('no data port listens without a grant, nor after a run', async () => {
    for (const host of managed) expect(await listening(host)).toEqual([]);
    expect(await fromEvil('x', ids.evil.shown)).toMatchObject({ kind: '0', text: expect.stringContaining('ECONNREFUSED') as string });
    const run = await runToEnd(fleet, 'web');
    expect(run.state, run.reason).toBe('done');
    for (const host of managed) expect(await listening(host)).toEqual([]);
    expect(await fromEvil('x', ids.evil.shown)).toMatchObject({ kind: '0', text: expect.stringContaining('ECONNREFUSED') as string });
  });

  test('while a grant is live, nobody but the one whom it names gets a byte of rsync', async () => {
    const { run, record } = grant();
    expect(await begin('live', { record })).toMatchObject({ kind: 'ready' });
    expect(await callers.hub.ask({ kind: 'listen', name: 'live' })).toMatchObject({ kind: 'listening' });
    expect(await listening(store)).toHaveLength(1);
    const webPlace = { uri: ids.web.uri, root: roots.agents, otherRoot: roots.control, does: 'client', key: createPrivateKey(ids.web.shown.key) } as const;
    const hour = 3_600_000;
    const strangers: readonly (readonly [string, Shown | undefined, string])[] = [
      ['another agent', ids.evil.shown, `${run}\n`],
      ['the receiver itself', ids.store.shown, `${run}\n`],
      ['no certificate', undefined, `${run}\n`],
      ['an expired certificate', show(webPlace, { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - 2_000 }), `${run}\n`],
      ['a root of the same name', show(webPlace, { issuer: { ...roots.agents, key: roots.control.key } }), `${run}\n`],
      ['the root of the coordinator', show(webPlace, { issuer: roots.control }), `${run}\n`],
      ['the coordinator', asCoordinator, `${run}\n`],
      ['the right name with another key', show(webPlace, { key: createPrivateKey(ids.evil.shown.key) }), `${run}\n`],
      ['two names', show(webPlace, { names: [{ uri: ids.web.uri }, { uri: ids.evil.uri }] }), `${run}\n`],
      ['the right one, and another run', ids.web.shown, `${newId(Date.now())}\n`],
      ['the right one, and no run', ids.web.shown, 'x'.repeat(37)],
      ['the right one, and silence', ids.web.shown, ''],
    ];
    for (const [name, shown, hello] of strangers) expect(await fromEvil(hello, shown), name).toMatchObject({ kind: '0' });
    expect(await listening(store), 'it still waits for the right one').toHaveLength(1);
    const right = await fromEvil(`${run}\n`, ids.web.shown);
    expect(Number(right.kind), 'the instrument sees bytes').toBeGreaterThan(0);
    expect(await listening(store), 'the right one has come').toEqual([]);
    await callers.hub.ask({ kind: 'stop', name: 'live' });
    await waitQuiet(managed);
  });

  test('the mark of a live grant alone is worth nothing, nor is it to anybody but the one whom the grant names', async () => {
    const { record } = grant();
    expect(await begin('marked', { record })).toMatchObject({ kind: 'ready' });
    expect(await callers.hub.ask({ kind: 'listen', name: 'marked' })).toMatchObject({ kind: 'listening' });
    const mark = createHash('sha256').update(record.signature).digest('hex');
    const webPlace = { uri: ids.web.uri, root: roots.agents, otherRoot: roots.control, does: 'client', key: createPrivateKey(ids.web.shown.key) } as const;
    const strangers: readonly (readonly [string, Shown | undefined, string])[] = [
      ['the right one, with another mark', ids.web.shown, 'ab'.repeat(32)],
      ['the right one, with more than a mark', ids.web.shown, `${mark}\n${mark}`],
      ['another agent', ids.evil.shown, mark],
      ['the receiver itself', ids.store.shown, mark],
      ['no certificate', undefined, mark],
      ['an expired certificate', show(webPlace, { notBefore: Date.now() - 7_200_000, notAfter: Date.now() - 2_000 }), mark],
      ['a root of the same name', show(webPlace, { issuer: { ...roots.agents, key: roots.control.key } }), mark],
      ['the root of the coordinator', show(webPlace, { issuer: roots.control }), mark],
      ['the coordinator', asCoordinator, mark],
      ['the right name with another key', show(webPlace, { key: createPrivateKey(ids.evil.shown.key) }), mark],
      ['two names', show(webPlace, { names: [{ uri: ids.web.uri }, { uri: ids.evil.uri }] }), mark],
    ];
    const waits = (): Promise<unknown> => until(async () => (await listening(store)).length === 1, { timeoutMs: 20_000, what: 'the right one to be waited for' });
    for (const [name, shown, shownMark] of strangers) {
      await waits();
      expect(await callers.evil.ask({ kind: 'dial', address: store.address, hello: 'let me in', mark: shownMark, ...(shown === undefined ? {} : { shown }) }), name).toMatchObject({ kind: '0' });
    }
    await waits();
    const right = await callers.evil.ask({ kind: 'dial', address: store.address, hello: '', mark, shown: ids.web.shown });
    expect(Number(right.kind), 'the instrument sees bytes').toBeGreaterThan(0);
    expect(await listening(store), 'the right one has come').toEqual([]);
    await callers.hub.ask({ kind: 'stop', name: 'marked' });
    await waitQuiet(managed);
  });

  test('a grant is good once, in its time, for its host, whole, and from the coordinator only', async () => {
    const used = grant();
    expect(await begin('used', used)).toMatchObject({ kind: 'ready' });
    const refused = (rule: string): object => ({ kind: 'GRANT_REFUSED', text: expect.stringContaining(rule) as string });
    expect(await begin('again', used)).toMatchObject(refused('it was used before'));
    await callers.hub.ask({ kind: 'stop', name: 'used' });
    expect(await begin('again', used)).toMatchObject(refused('it was used before'));
    await store.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.waitState('store', 'connected');
    expect(await begin('again', used)).toMatchObject(refused('it was used before'));

    const now = Date.now();
    expect(await begin('late', grant({ notBefore: now - 60_000, notAfter: now - 1 }))).toMatchObject(refused('not good any more'));
    expect(await begin('early', grant({ notBefore: now + 60_000 }))).toMatchObject(refused('not good yet'));
    expect(await begin('other', grant(), { address: evil.address })).toMatchObject(refused('it is for another host'));
    expect(await begin('other side', grant(), { side: 'sender' })).toMatchObject(refused('it is for another host'));
    expect(await begin('other fleet', grant({ fleet: '7d444840-9dc0-41d1-b245-5ffdce74fad2' }))).toMatchObject(refused('it is of another fleet'));
    expect(await begin('other key', grant({ receiver: { host: ids.store.hostId, key: ids.evil.key } }))).toMatchObject(refused('another key'));
    for (const key of [roots.agents.key, createPrivateKey(ids.evil.shown.key)]) expect(await begin('forged', grant({}, key))).toMatchObject(refused('has not signed it'));
    const { record } = grant();
    const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    for (let at = 0; at < record.body.length; at += 29) expect(await begin('body', { record }, { grant: flipped(record.body, at) }), `byte ${String(at)}`).toMatchObject(refused('has not signed it'));
    for (let at = 0; at < record.signature.length; at += 7) expect(await begin('signature', { record }, { signature: flipped(record.signature, at) }), `byte ${String(at)}`).toMatchObject(refused('has not signed it'));

    // A good grant in the hands of an agent, and of nobody at all.
    const place = { uri: `reeve://${ids.web.fleetId}/role/coordinator`, root: roots.control, otherRoot: roots.agents, does: 'client', key: createPrivateKey(ids.evil.shown.key) } as const;
    for (const shown of [ids.evil.shown, ids.web.shown, undefined, show(place, { issuer: roots.agents }), show(place, { names: [{ uri: ids.evil.uri }] })]) {
      const { shown: _coordinator, ...order } = startOf('stranger', { record });
      expect((await callers.evil.ask({ ...order, ...(shown === undefined ? {} : { shown }) })).kind).toMatch(/^(?:HOST_UNREACHABLE|IDENTITY_REFUSED)$/);
    }
    expect(await begin('whole', { record }), 'and it is still good where it should be').toMatchObject({ kind: 'ready' });
    await callers.hub.ask({ kind: 'stop', name: 'whole' });
    await waitQuiet(managed);
  });

  test('a source that exchanges its files with links to what is not in the folder, and names them to fool people', async () => {
    const program = await installProgram(web, 'flip');
    await web.run(['/bin/sh', '-c', [
      'cd /srv/data && ln -s /etc dir.link && ln -s /root tree.link && ln -s /etc/shadow file.link',
      "printf x >\"$(printf 'new\\nFORGED-LINE')\" && printf x >\"$(printf 'esc\\033[31m\\033]0;title\\007')\" && printf x >\"$(printf 'right\\342\\200\\256fdp')\" && printf x >\"$(printf 'raw\\377\\300')\" && printf x >\"$(printf 'c1\\302\\233 5n')\"",
      "mkdir \"$(printf 'folder\\nFORGED-FOLDER')\" && printf x >\"$(printf 'folder\\nFORGED-FOLDER')/in\"",
      'mkfifo fifo && mknod null c 1 3 && mknod disk b 7 0 && cp /bin/true suid && chmod 4755 suid && cp /bin/true sgid && chmod 2755 sgid && chown 4711:4712 plain',
    ].join(' && ')]);
    const pairs = [['dir', 'dir.link'], ['tree', 'tree.link'], ['file', 'file.link']] as const;
    const attacks = pairs.map(([a, b]) => {
      const child = web.spawn([program, 'attack', `/srv/data/${a}`, `/srv/data/${b}`]);
      const out = child.stdout === null ? Promise.resolve('') : text(child.stdout);
      return async () => {
        child.stdin?.end();
        return parseCounts(await out).get('flips') ?? 0;
      };
    });
    const ends: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      const { state, reason } = await runToEnd(fleet, 'web');
      expect(['done', 'failed']).toContain(state);
      ends.push(reason === '' ? state : `${state} (${reason})`);
      await web.exec(['find', '/srv/data', '-type', 'f', '-exec', 'touch', '{}', '+']);
      await shiftSnapshots(store, '/srv/backup/web', 86_400);
    }
    const flips = await Promise.all(attacks.map((end) => end()));
    console.info(`hostile source: ${ends.join(', ')} during ${flips.join(' + ')} exchanges`);
    for (const count of flips) expect(count).toBeGreaterThan(1_000);
    const found = await store.exec(['grep', '-r', '-l', '-a', '-e', secrets.shadow, '-e', secrets.etc, '-e', secrets.root, '/srv/backup']);
    expect([found.code, found.stdout]).toEqual([1, '']);
    // Put right again, so that the rest is about one known tree.
    await web.run(['/bin/sh', '-c', 'cd /srv/data && if [ -L dir ]; then mv -T dir swap && mv -T dir.link dir && mv -T swap dir.link; fi && if [ -L tree ]; then mv -T tree swap && mv -T tree.link tree && mv -T swap tree.link; fi && if [ -L file ]; then mv -T file swap && mv -T file.link file && mv -T swap file.link; fi']);
    const last = await runToEnd(fleet, 'web');
    expect(last.state, last.reason).toBe('done');
    expect((await store.exec(['grep', '-r', '-q', '-a', '-e', secrets.shadow, '-e', secrets.etc, '-e', secrets.root, '/srv/backup'])).code).toBe(1);
    expect(await store.run(['find', '/srv/backup/web', '(', '-type', 'b', '-o', '-type', 'c', '-o', '-type', 'p', '-o', '-type', 's', '-o', '-type', 'l', '-o', '-perm', '/6000', '-o', '!', '-user', 'reeve-backup', ')', '-print'])).toBe('');

    for (const args of [['backup', 'log', 'web'], ['backup', 'log', 'web', '--list'], ['backup', 'ls', 'web', '/srv/data'], ['backup', 'ls', 'web', '/srv/data/dir'], ['backup', 'find', 'web', '*'], ['backup', 'show', 'web'], ['backup', 'list'], ['backup', 'snapshots', 'web']]) {
      const said = await fleet.reeve(args);
      expect(said.code, args.join(' ')).toBe(0);
      expect(`${said.stdout}${said.stderr}`, args.join(' ')).not.toMatch(unsafe);
      expect(`${said.stdout}${said.stderr}`, args.join(' ')).not.toMatch(/^FORGED/m);
    }
    const listed = (await fleet.reeve(['backup', 'ls', 'web', '/srv/data'])).stdout;
    for (const name of ['FORGED-LINE', 'FORGED-FOLDER', 'title', 'fdp', 'raw', 'c1']) expect(listed, 'names are there, made harmless').toContain(name);
  });

  test('a restore brings no device and no set-id bit, unless the policy of its host says so', async () => {
    const acting = ['(', '-type', 'b', '-o', '-type', 'c', '-o', '-perm', '/6000', ')', '-printf', '%P %y %m\\n'];
    const first = await fleet.reeve(['backup', 'restore', 'web', '--to', 'evil:/srv/restore/tame', '--yes']);
    expect(first.code, `${first.stdout}${first.stderr}`).toBe(0);
    expect(await evil.run(['find', '/srv/restore/tame', ...acting])).toBe('');
    expect(await evil.run(['stat', '-c', '%u:%g', '/srv/restore/tame/plain'])).toBe('4711:4712\n');
    expect(await evil.run(['readlink', '/srv/restore/tame/file.link'])).toBe('/etc/shadow\n');
    await evil.run(['/bin/sh', '-c', "echo 'allow backup.restore folder=/srv/restore/* setuid=yes,no device=yes,no' >>/etc/reeve/policy"]);
    const second = await fleet.reeve(['backup', 'restore', 'web', '--to', 'evil:/srv/restore/wild', '--yes']);
    expect(second.code, `${second.stdout}${second.stderr}`).toBe(0);
    expect((await evil.run(['find', '/srv/restore/wild', ...acting])).trim().split('\n').sort()).toEqual(['disk b 644', 'null c 644', 'sgid f 2755', 'suid f 4755']);
  });

  test('the policy of the destination says how many snapshots stay, and patterns that would be other rules are refused', async () => {
    const names = async (): Promise<readonly string[]> => (await fleet.json<{ snapshots: { snapshot: { name: string; complete: boolean } }[] }>(['backup', 'snapshots', 'web'])).snapshots.map(({ snapshot }) => snapshot.name);
    for (let count = 0; count < 3; count += 1) {
      await shiftSnapshots(store, '/srv/backup/web', 86_400);
      const run = await runToEnd(fleet, 'web');
      expect(run.state, run.reason).toBe('done');
    }
    await store.run(['sed', '-i', 's/^allow backup\\.prune$/allow backup.prune min-keep=3/', '/etc/reeve/policy']);
    const before = await names();
    expect(before.length).toBeGreaterThanOrEqual(4);
    const refused = await fleet.reeve(['backup', 'prune', 'web', ...before.slice(1), '--yes']);
    expect([refused.code, refused.stdout + refused.stderr]).toEqual([1, expect.stringContaining('min-keep')]);
    expect(await names()).toEqual(before);
    expect((await store.run(['ls', '/srv/backup/web/snapshots'])).trim().split('\n').sort()).toEqual([...before].sort());
    console.info(`prune of too many: ${(refused.stdout + refused.stderr).trim()}`);

    for (const exclude of ['+ secret', '- secret', '!', '. /etc/shadow', ': .filter', '; x', '# x', 'a\nb', 'x\u202ey', '../x', ' x']) {
      const said = await fleet.reeve(['backup', 'set', 'web', `--exclude=${exclude}`, '--yes', '--json']);
      expect(said.code, exclude).toBe(2);
      const { error } = JSON.parse(said.stdout) as { error: { code: string; fields: Record<string, string> } };
      expect(error, exclude).toMatchObject({ code: 'FIELD_INVALID', fields: { field: expect.stringContaining('exclude') as string, value: vis(exclude), rule: expect.stringContaining('pattern') as string } });
    }
    // With a word that would be a rule in a filter file: it is a pattern, and nothing is read.
    const merged = await fleet.reeve(['backup', 'set', 'web', '--exclude', 'merge /etc/shadow', '--yes']);
    expect(merged.code, merged.stderr).toBe(0);
    const merging = await runToEnd(fleet, 'web');
    expect(merging.state, merging.reason).toBe('done');
    // Read as a filter file, its lines would be in an error, or leave something out.
    expect((await fleet.reeve(['backup', 'log', 'web'])).stdout).not.toContain(secrets.shadow);
    const count = (host: LabHost, folder: string): Promise<string> => host.run(['/bin/sh', '-c', `find '${folder}' | wc -l`]);
    expect(await count(store, `/srv/backup/web/snapshots/${merging.snapshot}/srv/data`)).toBe(await count(web, '/srv/data'));
  });
});
