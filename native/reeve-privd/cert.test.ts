/** Certificates for real, as root in namespaces of their own: what is put in place, what is refused, and what a crash leaves. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createHash, createPublicKey, randomUUID } from 'node:crypto';
import { makeSelfSigned } from '../../agent/cert/self-signed.js';
import { certPoints } from '../../test/support/chaos-points.js';
import { failsWith, isRoot, startPrivd, state, type Privd } from './testing/namespace.js';

const folder = '/etc/ssl/reeve';
const policy = 'version 1\nallow observe.cert\nallow cert.write group=games\nallow cert.unit unit=dovecot.service,postfix.service\nallow cert.release\n';

interface Pair { readonly pem: Buffer; readonly key: Buffer; readonly spki: Buffer }

function pair(name: string): Pair {
  const { certPem, keyPem } = makeSelfSigned({ names: [name], days: 90, now: Date.now() });
  const spki = createHash('sha256').update(createPublicKey(keyPem).export({ type: 'spki', format: 'der' })).digest();
  return { pem: Buffer.from(certPem), key: Buffer.from(keyPem), spki };
}

describe.skipIf(!isRoot)('certificates', () => {
  let privd: Privd;
  /** What the unit outside of the sandbox was asked, and what it answers. */
  let asked: string[];
  let answers: (unit: string) => string;
  let outside: NodeJS.Timeout;

  beforeAll(async () => {
    privd = await startPrivd();
    outside = setInterval(() => {
      const at = `${privd.root}${state}/cert-reload`;
      if (!existsSync(`${at}/request`)) return;
      const [id = '', mode = '', unit = ''] = readFileSync(`${at}/request`, 'utf8').split('\n');
      unlinkSync(`${at}/request`);
      asked.push(`${mode} ${unit}`);
      writeFileSync(`${at}/.answer`, `${id}\n${answers(unit.slice('unit='.length))}\n`, { mode: 0o600 });
      renameSync(`${at}/.answer`, `${at}/result`);
    }, 5);
  }, 120_000);
  afterAll(async () => {
    clearInterval(outside);
    await privd.close();
  }, 60_000);
  beforeEach(async () => {
    asked = [];
    answers = () => 'status=ok\nreason=';
    privd.writePolicy(policy);
    rmSync(`${privd.root}/etc/nginx/reeve`, { recursive: true, force: true });
    for (const { name } of (await privd.call('observe.cert', {})).cert) await privd.call('cert.remove', { cert: name });
    for (const name of kept()) rmSync(`${privd.root}${state}/cert/${name}`);
    rmSync(`${privd.root}${folder}`, { recursive: true, force: true });
  });

  const path = (name: string): string => `${privd.root}${folder}/${name}`;
  const kept = (): string[] => readdirSync(`${privd.root}${state}/cert`).sort();
  const marks = (): string[] => readdirSync(`${privd.root}${state}/owned/cert`).sort();
  const mode = (file: string): string => {
    const { mode: bits, uid, gid } = statSync(file);
    return `${(bits & 0o7777).toString(8)} ${String(uid)}:${String(gid)}`;
  };
  const keep = ({ spki, key }: Pair): Promise<unknown> => privd.call('cert.key', { spki, key });
  const put = (cert: string, { pem, spki }: Pair, more: { group?: string; units?: string; note?: string } = {}, operation = randomUUID()): Promise<unknown> => privd.call('cert.put', { cert, pem, spki, note: 'supplied', ...more }, operation);
  const seen = async (name: string) => (await privd.call('observe.cert', {})).cert.find((row) => row.name === name);
  const made = async (name: string, of = pair(`${name}.example`)): Promise<Pair> => {
    await keep(of);
    await put(name, of);
    return of;
  };
  const site = (text: string): void => {
    mkdirSync(`${privd.root}/etc/nginx/reeve/set-x`, { recursive: true });
    symlinkSync('set-x', `${privd.root}/etc/nginx/reeve/current`);
    writeFileSync(`${privd.root}/etc/nginx/reeve/set-x/www.example.org.conf`, text);
  };

  test('one is put in place with its key, in one step, and again without a change', async () => {
    const first = await made('site');
    expect(readFileSync(path('site/cert.pem'))).toEqual(first.pem);
    expect(readFileSync(path('site/key.pem'))).toEqual(first.key);
    expect([mode(path('')), mode(path('site')), mode(path('site/cert.pem')), mode(path('site/key.pem'))]).toEqual(['755 0:0', '755 0:0', '644 0:0', '600 0:0']);
    const target = readlinkSync(path('site'));
    expect(target).toMatch(/^\.site\.[0-9a-f]{16}$/);
    expect(await seen('site')).toEqual({
      name: 'site', pem: Uint8Array.from(first.pem), state: 'ok', note: 'supplied', group: '', units: '', owed: false,
      sha256: Uint8Array.from(createHash('sha256').update(first.pem).digest()), spki: Uint8Array.from(first.spki),
    });
    await put('site', first);
    expect(readlinkSync(path('site')), 'what is as wanted is not written again').toBe(target);
    const second = await made('site');
    expect(readFileSync(path('site/key.pem'))).toEqual(second.key);
    expect(readdirSync(path('')).filter((name) => name.startsWith('.'))).toEqual([readlinkSync(path('site'))]);
    await put('site', first);
    expect(readFileSync(path('site/key.pem')), 'the key that it had is kept').toEqual(first.key);
  });

  test('a group may read the key where the policy says so', async () => {
    const one = pair('a.example');
    await keep(one);
    await failsWith(put('site', one, { group: 'users' }), 'POLICY_DENIED', { line: 'allow cert.write name=site group=users' });
    await put('site', one, { group: 'games' });
    const gid = Number(privd.inside('getent', 'group', 'games').split(':')[2]);
    expect(mode(path('site/key.pem'))).toBe(`640 0:${String(gid)}`);
    await put('site', one);
    expect(mode(path('site/key.pem'))).toBe('600 0:0');
    privd.writePolicy(policy.replace('group=games', 'group=nonesuch'));
    await failsWith(put('site', one, { group: 'nonesuch' }), 'GROUP_ABSENT', { value: 'nonesuch' });
    privd.writePolicy(policy.replace('allow cert.write', 'allow cert.write name=mail'));
    await failsWith(put('site', one), 'POLICY_DENIED', { line: 'allow cert.write name=site' });
    await failsWith(privd.call('cert.remove', { cert: 'site' }), 'POLICY_DENIED');
  });

  test('what does not follow the grammar is refused, and nothing is written', async () => {
    const one = pair('a.example');
    await keep(one);
    for (const name of ['', '../x', '.site', 'a/b', 'Site', 'a'.repeat(65)]) await failsWith(put(name, one), 'FIELD_INVALID', { field: 'cert' });
    for (const pem of [one.key, Buffer.from('x'), Buffer.concat([one.pem, one.key]), Buffer.concat([Buffer.from('# x\n'), one.pem]), Buffer.from(one.pem.toString().repeat(17))]) await failsWith(put('site', { ...one, pem }), 'FIELD_INVALID', { field: 'pem' });
    for (const key of [one.pem, Buffer.from('x'), Buffer.concat([one.key, one.key]), Buffer.from(one.key.toString().replaceAll('PRIVATE', 'ENCRYPTED PRIVATE'))]) await failsWith(privd.call('cert.key', { spki: one.spki, key }), 'FIELD_INVALID', { field: 'key' });
    await failsWith(privd.call('cert.key', { spki: one.spki.subarray(1), key: one.key }), 'FIELD_INVALID', { field: 'spki' });
    await failsWith(put('site', one, { note: 'a\nb' }), 'FIELD_INVALID', { field: 'note' });
    for (const units of ['postfix', 'postfix.socket', 'reeve-agent.service', 'postfix.service,dovecot.service', '../x.service']) await failsWith(put('site', one, { units }), 'FIELD_INVALID', { field: 'units' });
    await failsWith(put('site', pair('b.example')), 'CERT_KEY', { value: 'site' });
    expect([existsSync(path('site')), marks()]).toEqual([false, []]);
  });

  test('units are reloaded, those only that the policy names; a reload that failed is owed', async () => {
    const one = pair('a.example');
    await keep(one);
    await failsWith(put('mail', one, { units: 'ssh.service' }), 'POLICY_DENIED', { op: 'cert.unit', line: 'allow cert.unit unit=ssh.service' });
    answers = (unit) => (unit === 'postfix.service' ? 'status=failed\nreason=Unit postfix.service not found.' : 'status=ok\nreason=');
    await failsWith(put('mail', one, { units: 'dovecot.service,postfix.service' }), 'TOOL_FAILED', { value: 'systemctl', rule: 'the reload of postfix.service: Unit postfix.service not found.' });
    expect(asked).toEqual(['mode=reload unit=dovecot.service', 'mode=reload unit=postfix.service']);
    expect(await seen('mail')).toMatchObject({ state: 'ok', owed: true, units: 'dovecot.service,postfix.service' });
    answers = () => 'status=ok\nreason=';
    const target = readlinkSync(path('mail'));
    await put('mail', one, { units: 'dovecot.service,postfix.service' });
    expect([asked.length, readlinkSync(path('mail'))]).toEqual([4, target]);
    expect(await seen('mail')).toMatchObject({ owed: false });
    await put('mail', one, { units: 'dovecot.service,postfix.service' });
    expect(asked).toHaveLength(4);
  });

  test.each<[string, (of: Pair) => void, object]>([
    ['another certificate', () => writeFileSync(path('site/cert.pem'), 'x'), { state: 'edited' }],
    ['another key', () => writeFileSync(path('site/key.pem'), 'x'), { state: 'edited', spki: new Uint8Array(0) }],
    ['a key that everybody reads', () => chmodSync(path('site/key.pem'), 0o644), { state: 'edited', spki: new Uint8Array(0) }],
    ['no certificate', () => rmSync(path('site/cert.pem')), { state: 'missing', pem: new Uint8Array(0) }],
    ['no key', () => rmSync(path('site/key.pem')), { state: 'missing', spki: new Uint8Array(0) }],
    ['no record', () => rmSync(path('site/.reeve')), { state: 'edited', note: '', spki: new Uint8Array(0) }],
    ['no link', () => rmSync(path('site')), { state: 'missing', note: '' }],
    ['nothing at all', () => rmSync(path(''), { recursive: true }), { state: 'missing', note: '' }],
    ['a link that leads elsewhere', () => { rmSync(path('site')); symlinkSync('/etc/letsencrypt/live/x', path('site')); }, { state: 'edited', note: '' }],
  ])('%s is told, and put right', async (_what, spoil, told) => {
    const one = await made('site');
    spoil(one);
    expect(await seen('site')).toMatchObject({ name: 'site', ...told });
    await put('site', one);
    expect(await seen('site')).toMatchObject({ state: 'ok', note: 'supplied' });
    expect(readFileSync(path('site/key.pem'))).toEqual(one.key);
    expect(readdirSync(path('')).sort()).toEqual([readlinkSync(path('site')), 'site'].sort());
  });

  test('what others made is never touched', async () => {
    const one = pair('a.example');
    await keep(one);
    mkdirSync(path('theirs'), { recursive: true });
    writeFileSync(path('theirs/cert.pem'), 'x');
    await failsWith(put('theirs', one), 'PATH_UNSAFE', { value: `${folder}/theirs` });
    rmSync(path('theirs'), { recursive: true });
    symlinkSync('.theirs.0123456789abcdef', path('theirs'));
    await failsWith(put('theirs', one), 'PATH_UNSAFE', { rule: 'it is there already, and not managed by Reeve: root moves it away' });
    await privd.call('cert.remove', { cert: 'theirs' });
    expect(lstatSync(path('theirs')).isSymbolicLink()).toBe(true);
    chmodSync(path(''), 0o777);
    await failsWith(put('site', one), 'PATH_UNSAFE', { value: folder });
    rmSync(path(''), { recursive: true });
    mkdirSync(`${privd.root}/srv/elsewhere`, { recursive: true });
    symlinkSync('/srv/elsewhere', path('').slice(0, -1));
    await failsWith(put('site', one), 'PATH_UNSAFE', { value: folder });
    await made('site').catch(() => undefined);
    expect(readdirSync(`${privd.root}/srv/elsewhere`)).toEqual([]);
    rmSync(`${privd.root}/srv/elsewhere`, { recursive: true });
    rmSync(path('').slice(0, -1));
  });

  test('one that a site uses is not taken away; a key that was taken away is kept for a day', async () => {
    const one = await made('site');
    site(`server {\n    ssl_certificate "${folder}/site/cert.pem";\n}\n`);
    await failsWith(privd.call('cert.remove', { cert: 'site' }), 'CERT_IN_USE', { value: 'site', owner: 'www.example.org' });
    const other = await made('site2');
    await privd.call('cert.remove', { cert: 'site2' });
    rmSync(`${privd.root}/etc/nginx/reeve`, { recursive: true });
    for (let i = 0; i < 2; i += 1) await privd.call('cert.remove', { cert: 'site' });
    expect([readdirSync(path('')), marks()]).toEqual([[], []]);
    expect(kept()).toEqual([one.spki.toString('hex'), other.spki.toString('hex')].sort());
    expect(mode(`${privd.root}${state}/cert/${one.spki.toString('hex')}`)).toBe('600 0:0');
    await put('site', one);
    const old = Date.now() / 1000 - 86_401;
    for (const { spki } of [one, other]) utimesSync(`${privd.root}${state}/cert/${spki.toString('hex')}`, old, old);
    const fresh = pair('c.example');
    await keep(fresh);
    expect(kept()).toEqual([fresh.spki.toString('hex')]);
    expect((await privd.call('observe.cert', {})).key).toEqual(Uint8Array.from(fresh.spki));
    await put('site', one);
    expect(await seen('site')).toMatchObject({ state: 'ok' });
  });

  test('letting go leaves certificates and keys as they are, and nothing of ours', async () => {
    const one = await made('site');
    await made('mail');
    rmSync(path('mail'));
    for (let i = 0; i < 2; i += 1) await privd.call('cert.release', {});
    expect([marks(), kept()]).toEqual([[], []]);
    expect(readFileSync(path('site/key.pem'))).toEqual(one.key);
    expect(readdirSync(path('site')).sort()).toEqual(['cert.pem', 'key.pem']);
    expect((await privd.call('observe.cert', {})).cert).toEqual([]);
    await failsWith(made('site'), 'PATH_UNSAFE');
  });

  test('kill -9 at every failpoint: the old one or the new one, whole, and a repeat finishes', { timeout: 120_000 }, async () => {
    site(`ssl_certificate "${folder}/site/cert.pem";`);
    const whole = (pairs: readonly Pair[]): void => {
      const now = readFileSync(path('site/cert.pem'));
      const found = pairs.find(({ pem }) => pem.equals(now));
      expect(readFileSync(path('site/key.pem'))).toEqual(found?.key);
    };
    const exercised = new Set<string>();
    const kill = async (point: string, attempt: () => Promise<unknown>): Promise<void> => {
      const armed = privd.armFailpoint(point);
      await failsWith(attempt(), 'HELPER_UNREACHABLE');
      expect(existsSync(armed), point).toBe(false);
      exercised.add(point);
    };
    const lone = pair('lone.example');
    await kill('cert.kept', () => keep(lone));
    await keep(lone);
    for (const point of certPoints.put) {
      const before = await made('site', pair(`${point}.before`));
      const after = pair(`${point}.after`);
      await keep(after);
      const operation = randomUUID();
      if (!exercised.has(point)) await kill(point, () => put('site', after, { units: 'postfix.service' }, operation));
      whole([before, after]);
      expect(['ok', 'missing']).toContain((await seen('site'))?.state);
      await put('site', after, { units: 'postfix.service' }, operation);
      whole([after]);
      expect(await seen('site')).toMatchObject({ state: 'ok', owed: false });
      expect(readdirSync(path('')).sort()).toEqual([readlinkSync(path('site')), 'site'].sort());
    }
    rmSync(`${privd.root}/etc/nginx/reeve`, { recursive: true });
    for (const point of certPoints.remove) {
      await made('site');
      await kill(point, () => privd.call('cert.remove', { cert: 'site' }));
      await privd.call('cert.remove', { cert: 'site' });
      expect([readdirSync(path('')), marks()]).toEqual([[], []]);
    }
    for (const point of certPoints.release) {
      const one = await made('site');
      await kill(point, () => privd.call('cert.release', {}));
      await privd.call('cert.release', {});
      expect([marks(), kept()]).toEqual([[], []]);
      whole([one]);
      rmSync(path(''), { recursive: true });
    }
    expect([...exercised].sort()).toEqual([...new Set(Object.values(certPoints).flat())].sort());
  });

  test('the audit names certificates and never a key', async () => {
    const one = await made('site');
    const text = readFileSync(`${privd.root}${state}/audit/audit.log`, 'utf8');
    expect(text).toContain('cert.put');
    for (const line of one.key.toString().split('\n').slice(1, -2)) expect(text).not.toContain(line);
    expect(text).not.toContain('PRIVATE');
  });
});
