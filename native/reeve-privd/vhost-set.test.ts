/** Sets of sites for real, with a program that stands in for nginx: laid out, tested outside of the sandbox, parked, put in place, kept or taken back, let go. */
import { randomUUID } from 'node:crypto';
import { readdirSync, statSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { failsWith, isRoot, state } from './testing/namespace.js';
import { formatSet, site, siteText, startVhostHost, vhostPolicy, type SetEntry, type VhostHost } from './testing/vhost.js';

const current = '/etc/nginx/reeve/current';
const left = '# Left by Reeve: plain configuration, yours to edit.\n';
const bcrypt = `ada:$2b$10$${'a'.repeat(53)}\n`;

describe.skipIf(!isRoot)('sets of sites', () => {
  let host: VhostHost;
  beforeAll(async () => { host = await startVhostHost(); }, 180_000);
  afterAll(() => host.close(), 60_000);
  beforeEach(() => host.clear());

  const abc = (): SetEntry[] => ['a.example.org', 'b.example.org', 'c.example.org'].map((name) => site(name, name));
  const sets = (): string[] => host.list('/etc/nginx/reeve').filter((name) => name.startsWith('set-'));
  const inode = (file: string): number => statSync(`${host.privd.root}${current}/${file}`).ino;
  const modes = (folder: string): Record<string, string> => Object.fromEntries(readdirSync(`${host.privd.root}${folder}`).map((name) => {
    const { mode, uid, gid } = statSync(`${host.privd.root}${folder}/${name}`);
    return [name, `${(mode & 0o7777).toString(8)} ${String(uid)} ${String(gid)}`];
  }));

  test('a set is laid out and tested without a change of what serves, comes in place in one step, and the one before goes when it is settled', async () => {
    const before = host.files();
    const { set, parked, sandbox } = await host.check([
      ...abc(), { name: 'a.example.org.auth', put: bcrypt }, { name: 'a.example.org.auth12', put: bcrypt },
      { name: 'a.example.org.crt', put: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }, { name: 'a.example.org.key', put: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' },
    ]);
    expect([parked, sandbox]).toEqual([[], 'full']);
    expect(host.files()).toEqual(before);
    expect(host.serves()).toEqual({ default: 'default' });
    await host.apply(set);
    expect(host.serves()).toEqual({ default: 'default', 'a.example.org': 'a.example.org', 'b.example.org': 'b.example.org', 'c.example.org': 'c.example.org' });
    const workers = Number(host.privd.inside('id', '-g', 'www-data').trim());
    expect(modes(current)).toEqual({
      '00-reeve.conf': '644 0 0', 'a.example.org.conf': '644 0 0', 'b.example.org.conf': '644 0 0', 'c.example.org.conf': '644 0 0', 'a.example.org.crt': '644 0 0', 'a.example.org.key': '600 0 0',
      'a.example.org.auth': `640 0 ${String(workers)}`, 'a.example.org.auth12': `640 0 ${String(workers)}`,
    });
    expect(host.read('/etc/nginx/conf.d/reeve.conf')).toMatch(/^# Managed by Reeve.*\ninclude \/etc\/nginx\/reeve\/current\/\*\.conf;\n$/);
    const open = await host.observe();
    expect([Buffer.from(open.set).equals(Buffer.from(set)), open.operation.length]).toEqual([true, 16]);
    await host.settle(true);
    await host.settle(true);
    expect((await host.observe()).operation).toEqual(new Uint8Array());
    const [first, inodeB] = [host.current(), inode('b.example.org.conf')];
    expect(await host.make([...(await host.keeps('a.example.org', 'c.example.org')), site('c.example.org', 'new')])).toEqual([]);
    expect(host.serves()).toEqual({ default: 'default', 'b.example.org': 'b.example.org', 'c.example.org': 'new' });
    expect([inode('b.example.org.conf'), sets(), host.list(current)]).toEqual([inodeB, [host.current()], ['00-reeve.conf', 'b.example.org.conf', 'c.example.org.conf']]);
    expect(host.current()).not.toBe(first);
    expect(host.list(`${state}/vhost`)).toEqual([`${host.current()}.list`]);
  });

  test('what is not in its form is refused whole, and nothing is laid out', async () => {
    const before = host.files();
    const raw = (text: string): Promise<unknown> => host.privd.call('vhost.check', { set: Buffer.from(text) });
    for (const text of ['keep a.example.org.conf', 'put a.example.org.conf 5\nabc\n', 'put a.example.org.conf 3\nabcd\n', 'put a.example.org.conf 03\nabc\n', 'drop a.example.org.conf\n', '\n', `keep a.example.org.conf ${'0'.repeat(63)}\n`, `put a.example.org.conf ${'9'.repeat(30)}\nabc\n`]) {
      await failsWith(raw(text), 'FIELD_INVALID', { field: 'set' });
    }
    for (const name of ['../a.conf', 'a.example.org.sh', '.conf', '00-reeve.conf.x', 'a/b.conf', 'A.conf', 'a..b.conf', '-a.conf']) await failsWith(host.check([{ name, put: 'x' }]), 'FIELD_INVALID', { field: 'set', value: name });
    const [a, b] = [formatSet([site('a.example.org', 'a')]), formatSet([site('b.example.org', 'b')])];
    for (const bad of [Buffer.concat([b, a]), Buffer.concat([a, a])]) await failsWith(host.privd.call('vhost.check', { set: bad }), 'FIELD_INVALID', { field: 'set', rule: 'entries sorted by name, each once, are wanted' });
    await failsWith(host.check([{ name: 'a.example.org.conf', keep: '0'.repeat(64) }]), 'STATE_MOVED', { moved: 'a.example.org.conf' });
    await failsWith(host.apply(Buffer.alloc(32)), 'STATE_MOVED');
    await failsWith(host.apply(Buffer.alloc(31)), 'FIELD_INVALID');
    for (const take of ['relative', '/etc/../etc/nginx/x', '/etc/nginx/sites-enabled/']) await failsWith(host.check(abc(), { take }), 'FIELD_INVALID', { field: 'take' });
    for (const take of ['/etc/passwd', '/etc/nginx/nginx.conf', '/etc/nginx/sites-enabled/none', '/etc/nginx/sites-available/default']) await failsWith(host.check(abc(), { take }), 'VHOST_FOREIGN_FILE', { value: take });
    expect([host.files(), sets(), host.list('/etc/nginx/reeve')]).toEqual([before, [], []]);
  });

  test('each bad site is parked with its reason, as it was or left out, and all others are made', async () => {
    await host.make(abc());
    host.write('/etc/nginx/sites-enabled/own', 'server {\n  listen 80;\n  server_name own.example.org;\n  return 200 "mine";\n}\n');
    const tls = 'ssl_certificate "/etc/ssl/reeve/none/cert.pem";';
    const parked = await host.make([
      site('a.example.org', 'says: emerg unknown variable'), site('b.example.org', 'fine'), ...(await host.keeps('a.example.org', 'b.example.org')),
      site('d.example.org', 'd', { listen: '80 default_server' }), site('e.example.org', 'says: nowhere could not build server_names_hash'), site('f.example.org', 'f', { line: tls }),
      site('g.example.org', 'g', { line: 'frobnicate on;' }), site('h.example.org', 'h', { listen: '7422' }), site('i.example.org', 'i', { listen: '"203.0.113.9:80"' }), site('own.example.org', 'ours'),
      site('j.example.org', 'j', { line: 'error_page 502 504 @reeve_502;' }), site('z.example.org', 'z'),
    ]);
    const told = Object.fromEntries(parked.map(({ site: name, problem, before }) => [name, `${before ? 'before' : 'out'}: ${problem}`]));
    expect(told).toMatchObject({
      'a.example.org': 'before: unknown variable, in line 6 of a.example.org.conf',
      'd.example.org': 'out: a second default server, in line 2 of /etc/nginx/sites-enabled/default',
      'e.example.org': 'out: names that are too long or too many; nginx names no file',
      'f.example.org': expect.stringMatching(/^out: cannot load certificate "\/etc\/ssl\/reeve\/none\/cert\.pem": BIO_new_file/) as string,
      'g.example.org': expect.stringMatching(/^out: the helper refuses line 5 of g\.example\.org\.conf: /) as string,
      'h.example.org': expect.stringMatching(/^out: .*7420 to 7424/) as string,
      'i.example.org': 'out: the host does not have the address 203.0.113.9',
      'own.example.org': 'out: another site of the host has the name own.example.org where it listens',
    });
    expect(host.serves()).toMatchObject({ 'a.example.org': 'a.example.org', 'b.example.org': 'fine', 'c.example.org': 'c.example.org', own: 'mine', 'z.example.org': 'z' });
    expect(Object.keys(host.serves()).filter((name) => /^[defghi]\.|^own\./.test(name))).toEqual([]);
    expect((await host.observe()).file.map(({ name, state: is }) => `${name} ${is}`)).toContain('a.example.org.conf ok');
  });

  test('a port that another program has is no place for a site, one that nginx has is', async () => {
    await host.make([site('a.example.org', 'a', { listen: '8081' })]);
    const thief = host.privd.spawnAs(0, '/usr/bin/perl', '-MIO::Socket::INET', '-e', '@s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 8090) or die; $| = 1; print "on\n"; sleep 600');
    const own = host.privd.spawnAs(0, '/usr/bin/perl', '-MIO::Socket::INET', '-e', '@s = IO::Socket::INET->new(Listen => 5, LocalPort => 8081) or die; $| = 1; print "on\n"; sleep 600');
    await Promise.all([thief, own].map((child) => new Promise((done) => { child.stdout?.once('data', done); })));
    try {
      host.privd.inside('ip', 'link', 'set', 'lo', 'up');
      const listens = { 'b.example.org': '8090', 'c.example.org': '"127.0.0.1:8090"', 'd.example.org': '[::]:8090', 'e.example.org': '8081', 'f.example.org': '8082' };
      const parked = await host.make([...(await host.keeps()), ...Object.entries(listens).map(([name, listen]) => site(name, name, { listen }))]);
      expect(parked.map(({ site: name, problem }) => `${name}: ${problem}`)).toEqual(['b.example.org', 'c.example.org'].map((name) => `${name}: another program listens on port 8090 of the host`));
    } finally {
      thief.kill('SIGKILL');
      own.kill('SIGKILL');
    }
  });

  test('a site that nobody changed and that does not work any more is left out; when it is the others\' fault, nothing is changed', async () => {
    host.write('/etc/ssl/reeve/one/cert.pem', 'a certificate');
    const tls = { line: 'ssl_certificate "/etc/ssl/reeve/one/cert.pem";' };
    await host.make([...abc(), site('d.example.org', 'd', tls), site('e.example.org', 'e', tls)]);
    host.remove('/etc/ssl/reeve/one');
    const parked = await host.make([...(await host.keeps('a.example.org')), site('a.example.org', 'new')]);
    expect(parked.map(({ site: name, before }) => [name, before])).toEqual([['d.example.org', false], ['e.example.org', false]]);
    expect(host.serves()).toEqual({ default: 'default', 'a.example.org': 'new', 'b.example.org': 'b.example.org', 'c.example.org': 'c.example.org' });
    host.write('/etc/nginx/conf.d/zz.conf', '# secret\nfrobnicate secret;\n');
    const before = host.files();
    await failsWith(host.check([...(await host.keeps('a.example.org')), site('a.example.org', 'newer')]), 'VHOST_ENGINE', {
      rule: 'nginx does not take its configuration, and no site of Reeve\'s is to blame: a directive that nginx does not know, in line 2 of /etc/nginx/conf.d/zz.conf',
    });
    await failsWith(host.privd.call('proxy.reload', {}), 'VHOST_RELOAD', { rule: 'a directive that nginx does not know, in line 2 of /etc/nginx/conf.d/zz.conf' });
    expect(host.files()).toEqual(before);
    host.remove('/etc/nginx/conf.d/zz.conf');
    await host.privd.call('proxy.reload', {});
  });

  test('names of others that only a name server knows are no mistake, and neither is where they log; nothing of that is written', async () => {
    host.write('/etc/nginx/sites-enabled/own', 'access_log /srv/logs/own.log;\nserver {\n  server_name own;\n  proxy_pass http://one.invalid:80;\n  proxy_pass http://two.invalid;\n}\n');
    host.write('/srv/logs/other.log', 'kept');
    const before = host.files();
    expect((await host.check(abc())).parked).toEqual([]);
    expect([host.files(), host.list('/srv/logs')]).toEqual([before, ['other.log']]);
  });

  test('where nginx goes on with the old configuration, the old set is in place again', async () => {
    await host.make(abc());
    const { set } = await host.check([...(await host.keeps('a.example.org')), site('a.example.org', 'new')]);
    const [name, files] = [host.current(), host.list(current)];
    host.write('/run/refuse', '');
    const begun = Date.now();
    await failsWith(host.apply(set), 'VHOST_RELOAD', { rule: 'it read the new configuration, and went on with the old one' });
    expect(Date.now() - begun).toBeLessThan(5_000);
    expect([host.current(), host.list(current), host.serves()['a.example.org']]).toEqual([name, files, 'a.example.org']);
    host.remove('/run/refuse');
    await failsWith(host.apply(set), 'STATE_MOVED');
    await host.stopNginx();
    await failsWith(host.check(abc()), 'VHOST_ENGINE', { rule: 'nginx does not run' });
    await host.startNginx();
    expect(host.serves()['a.example.org']).toBe('a.example.org');
  });

  test('what was put in place can be taken back, the very first set too', async () => {
    const before = host.files();
    const { set } = await host.check(abc());
    await host.apply(set);
    expect(host.serves()['b.example.org']).toBe('b.example.org');
    await host.settle(false);
    await host.settle(false);
    expect([Object.keys(host.files()).filter((file) => file.startsWith('/etc/nginx')), host.serves(), sets()]).toEqual([Object.keys(before).filter((file) => file.startsWith('/etc/nginx')), { default: 'default' }, []]);
    await host.make(abc());
    const name = host.current();
    const { set: other } = await host.check([site('b.example.org', 'other')]);
    await host.apply(other);
    expect(host.serves()).toEqual({ default: 'default', 'b.example.org': 'other' });
    await host.settle(false);
    expect([host.current(), host.serves()['a.example.org'], sets()]).toEqual([name, 'a.example.org', [name]]);
  });

  test('a file of others goes in the same step, under a name that nothing includes, and comes back with the set before', async () => {
    host.write('/etc/nginx/sites-enabled/own', 'server {\n  listen 80;\n  server_name own.example.org;\n  return 200 "mine";\n}\n');
    host.write('/etc/nginx/conf.d/own2.conf', 'server {\n  listen 80;\n  server_name own2.example.org;\n  return 200 "mine";\n}\n');
    await host.privd.call('proxy.reload', {});
    const kept = { '/etc/nginx/sites-enabled/own': '.own.reeve-taken', '/etc/nginx/conf.d/own2.conf': 'own2.conf.reeve-taken', '/etc/nginx/sites-enabled/default': undefined };
    for (const [take, name] of Object.entries(kept)) {
      const folder = take.slice(0, take.lastIndexOf('/'));
      const [before, there] = [host.list(folder), host.read(take)];
      const name2 = take.endsWith('own2.conf') ? 'own2.example.org' : take.endsWith('own') ? 'own.example.org' : 'any.example.org';
      const ours = site(name2, 'ours', take.endsWith('default') ? { listen: '80 default_server' } : {});
      const checked = await host.check([ours], { take });
      expect(checked.parked, take).toEqual([]);
      await failsWith(host.apply(checked.set), 'STATE_MOVED');
      await host.apply(checked.set, { take });
      expect(host.list(folder), take).not.toContain(take.slice(folder.length + 1));
      if (name !== undefined) expect(host.list(folder), take).toContain(name);
      expect(Object.values(host.serves()), take).toContain('ours');
      await host.settle(false);
      expect([host.list(folder), host.read(take)], take).toEqual([before.filter((file) => file !== 'reeve.conf'), there]);
      expect(Object.values(host.serves()), take).not.toContain('ours');
    }
    host.privd.writePolicy(vhostPolicy.replace('allow vhost.adopt\n', ''));
    const { set } = await host.check([site('own.example.org', 'ours')], { take: '/etc/nginx/sites-enabled/own' });
    await failsWith(host.apply(set, { take: '/etc/nginx/sites-enabled/own' }), 'POLICY_DENIED');
    host.privd.writePolicy(vhostPolicy);
    await failsWith(host.apply(set, { take: '/etc/nginx/sites-enabled/own' }), 'STATE_MOVED', { moved: 'the policy of the host' });
    await host.make([site('own.example.org', 'ours')], '/etc/nginx/sites-enabled/own');
    expect([host.serves()['own.example.org'], host.list('/etc/nginx/sites-enabled')]).toEqual(['ours', ['.own.reeve-taken', 'default']]);
  });

  test('what was altered by hand stays as it is until it is written over, and is not put back when it was altered meanwhile', async () => {
    await host.make(abc());
    const file = `${current}/a.example.org.conf`;
    host.write(file, siteText('a.example.org', 'by hand'));
    host.remove(`${current}/c.example.org.conf`);
    expect((await host.observe()).file.map(({ name, state: is }) => `${name} ${is}`)).toEqual(['a.example.org.conf edited', 'b.example.org.conf ok', 'c.example.org.conf missing']);
    await host.make([...(await host.keeps('b.example.org')), site('b.example.org', 'new')]);
    expect(host.serves()).toEqual({ default: 'default', 'a.example.org': 'by hand', 'b.example.org': 'new' });
    expect((await host.observe()).file.map(({ name, state: is }) => `${name} ${is}`)).toEqual(['a.example.org.conf edited', 'b.example.org.conf ok', 'c.example.org.conf missing']);
    const { set } = await host.check([...(await host.keeps('b.example.org')), site('b.example.org', 'newer')]);
    host.privd.inside('sh', '-c', `sed 's/by hand/by hand again/' ${file} >${current}/.x && mv ${current}/.x ${file}`);
    await failsWith(host.apply(set), 'STATE_MOVED', { moved: 'a.example.org.conf' });
    expect(host.read(file)).toContain('by hand again');
    await host.make([...(await host.keeps('a.example.org', 'c.example.org')), site('a.example.org', 'ours again')]);
    expect([host.serves()['a.example.org'], (await host.observe()).file.map(({ state: is }) => is)]).toEqual(['ours again', ['ok', 'ok']]);
  });

  test('sites that were let go serve on, are nobody\'s, and stay when Reeve makes others again', async () => {
    await host.make(abc());
    const before = host.current();
    await host.privd.call('vhost.release', {});
    await host.privd.call('vhost.release', {});
    expect([host.current(), host.list(`${state}/vhost`)]).toEqual([before, []]);
    for (const file of [`${current}/a.example.org.conf`, `${current}/00-reeve.conf`, '/etc/nginx/conf.d/reeve.conf']) expect(host.read(file), file).toMatch(new RegExp(`^${left}`));
    expect(host.read(`${current}/a.example.org.conf`)).toBe(siteText('a.example.org', 'a.example.org').replace(/^.*\n/, left));
    const { file, foreign } = await host.observe();
    expect([file, foreign.map(({ name }) => name.join()).sort()]).toEqual([[], ['_', 'a.example.org', 'b.example.org', 'c.example.org']]);
    await host.make([site('d.example.org', 'd')]);
    expect(host.serves()).toEqual({ default: 'default', 'a.example.org': 'a.example.org', 'b.example.org': 'b.example.org', 'c.example.org': 'c.example.org', 'd.example.org': 'd' });
    await failsWith(host.check([...(await host.keeps()), site('a.example.org', 'new')]), 'VHOST_FOREIGN', { value: 'a.example.org', owner: `${current}/a.example.org.conf` });
    await host.make([...(await host.keeps()), site('a.example.org', 'new')], `${current}/a.example.org.conf`);
    expect([host.serves()['a.example.org'], host.list(current)]).toEqual(['new', ['00-reeve.conf', 'a.example.org.conf', 'a.example.org.conf.reeve-taken', 'b.example.org.conf', 'c.example.org.conf', 'd.example.org.conf']]);
  });

  test('without nginx, its line for us, or a link of ours in place, nothing is begun', async () => {
    host.write('/etc/nginx/nginx.conf', host.read('/etc/nginx/nginx.conf').replace('include /etc/nginx/conf.d/*.conf;', ''));
    await failsWith(host.check(abc()), 'VHOST_ENGINE', { rule: '/etc/nginx/nginx.conf does not include /etc/nginx/conf.d/*.conf' });
    await host.clear();
    host.write(`${current}/x`, '');
    await failsWith(host.check(abc()), 'VHOST_ENGINE', { rule: `${current} is there, and not a link that Reeve made` });
    await host.clear();
    host.write('/etc/nginx/reeve/x', '');
    symlinkSync('/etc', `${host.privd.root}${current}`);
    await failsWith(host.check(abc()), 'VHOST_ENGINE');
    host.remove(current);
    host.privd.inside('mv', '/usr/sbin/nginx', '/usr/sbin/nginx.away');
    try {
      await failsWith(host.check(abc()), 'VHOST_ENGINE', { rule: 'there is no /usr/sbin/nginx' });
    } finally {
      host.privd.inside('mv', '/usr/sbin/nginx.away', '/usr/sbin/nginx');
    }
  });

  test('killed anywhere: what is in place is the old set or the new one, whole, and a repeat finishes it', { timeout: 300_000 }, async () => {
    await host.make(abc());
    let round = 0;
    const again = async (call: () => Promise<unknown>): Promise<void> => {
      await call().catch(async (error: unknown) => {
        if ((error as { code?: string }).code !== 'HELPER_UNREACHABLE') throw error;
        const texts = host.list(current).filter((name) => name.endsWith('example.org.conf')).map((name) => host.read(`${current}/${name}`));
        expect([[String(round - 1), 3], [String(round), 3]]).toContainEqual([/text (\d+)/.exec(texts.join(''))?.[1] ?? '0', texts.length]);
        await call();
      });
    };
    const points = ['staged', 'tried', 'promised', 'named', 'joined', 'taken', 'linked', 'swapped', 'told', 'reloaded', 'settled', 'cleaned', 'returned'];
    for (const point of points) {
      round += 1;
      const operation = randomUUID();
      const armed = host.privd.armFailpoint(`vhost.${point}`);
      const keep = point !== 'returned';
      let set: Uint8Array = new Uint8Array();
      const entries = [...(await host.keeps('b.example.org')), site('b.example.org', `text ${String(round)}`)];
      await again(async () => { ({ set } = await host.check(entries, { operation })); });
      await again(() => host.apply(set, { operation }));
      await again(() => host.settle(keep, operation));
      expect(host.list(state).filter((name) => armed.endsWith(name)), point).toEqual([]);
      expect(host.serves()['b.example.org'], point).toBe(`text ${String(keep ? round : round - 1)}`);
      expect([sets(), host.list('/etc/nginx/reeve'), host.list(`${state}/vhost`)], point).toEqual([[host.current()], ['current', host.current()], [`${host.current()}.list`]]);
    }
    for (const point of ['left', 'released']) {
      host.privd.armFailpoint(`vhost.${point}`);
      await failsWith(host.privd.call('vhost.release', {}), 'HELPER_UNREACHABLE');
      await host.privd.call('vhost.release', {});
      expect([host.list(`${state}/vhost`), host.list(current).length], point).toEqual([[], 4]);
    }
  });
});
