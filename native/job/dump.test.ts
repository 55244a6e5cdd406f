/** Databases are dumped whole or not at all, and a dump is proved by loading it. Root only; the real part where PostgreSQL is installed. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { isRoot, jobId, makeStore, type Said, type Store } from './testing/store.js';

const snapshot = '2026-01-01T000000Z';
const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').map(Number).sort((a, b) => b - a) : [];
const bin = `/usr/lib/postgresql/${String(versions[0] ?? 0)}/bin`;
const hasPostgres = existsSync(join(bin, 'initdb')) && readFileSync('/etc/passwd', 'utf8').includes('\npostgres:');
const dumps = `reeve-backup/dump/${jobId}`;

/** A store whose /var/lib and /run are the test's own. */
function makeHost(): { s: Store; lib: string; run: string; dump: (engine: string, database: string, more?: readonly (readonly [string, string])[]) => Promise<Said> } {
  const s = makeStore();
  const [lib, run] = [join(s.dir, 'lib'), join(s.dir, 'run')];
  for (const path of [lib, run]) mkdirSync(path);
  return { s, lib, run, dump: (engine, database, more = []) => s.work('dump', [['engine', engine], ['database', database], ...more], { over: [[lib, '/var/lib'], [run, '/run']] }) };
}

describe.skipIf(!isRoot)('what is no dump', () => {
  let host: ReturnType<typeof makeHost>;
  beforeEach(() => { host = makeHost(); }, 120_000);
  afterEach(() => { host.s.close(); });

  test.each([['oracle', 'a'], ['postgresql', ''], ['postgresql', '-Fp'], ['mysql', 'a b'], ['postgresql', 'host=evil'], ['mysql', '../a'], ['postgresql', 'a'.repeat(64)]])('%s "%s" is refused', async (engine, database) => {
    for (const said of [await host.dump(engine, database), await host.s.work('load', [['engine', engine], ['database', database], ['snapshot', snapshot]])]) {
      expect(said).toMatchObject({ exit: 1, result: { ok: '0' } });
    }
    expect(readdirSync(host.lib)).toEqual([]);
  });

  test('a folder of dumps that is not root\'s alone, or is a link, is not used', async () => {
    mkdirSync(join(host.lib, 'reeve-backup'));
    symlinkSync('/tmp', join(host.lib, 'reeve-backup/dump'));
    expect((await host.dump('postgresql', 'a')).result['reason']).toContain('ELOOP');
    rmSync(join(host.lib, 'reeve-backup/dump'));
    mkdirSync(join(host.lib, 'reeve-backup/dump'), { mode: 0o755 });
    expect((await host.dump('postgresql', 'a')).result['reason']).toContain('EPERM');
  });

  test('one that fails leaves the one before as it was, and says what the program said', async () => {
    mkdirSync(join(host.lib, dumps), { recursive: true, mode: 0o700 });
    for (const engine of ['postgresql', 'mysql']) {
      writeFileSync(join(host.lib, dumps, `${engine}-a.dump`), 'before', { mode: 0o600 });
      const said = await host.dump(engine, 'a');
      expect(said).toMatchObject({ exit: 1, result: { ok: '0' } });
      if (engine === 'postgresql' && hasPostgres) expect(said.output).toContain('pg_dump');
      expect(readFileSync(join(host.lib, dumps, `${engine}-a.dump`), 'utf8')).toBe('before');
    }
    expect(readdirSync(join(host.lib, dumps)).sort()).toEqual(['mysql-a.dump', 'postgresql-a.dump']);
  });

  test('a dump that is not in the snapshot, or is a link there, cannot be loaded', async () => {
    const root = host.s.addSnapshot(snapshot, true);
    const load = (): Promise<Said> => host.s.work('load', [['engine', 'postgresql'], ['database', 'a'], ['snapshot', snapshot]]);
    expect((await load()).result).toMatchObject({ ok: '0' });
    mkdirSync(join(root, 'var/lib', dumps), { recursive: true });
    symlinkSync('/etc/shadow', join(root, 'var/lib', dumps, 'postgresql-a.dump'));
    host.s.own();
    expect((await load()).result).toMatchObject({ ok: '0' });
    rmSync(join(root, 'var/lib', dumps, 'postgresql-a.dump'));
    writeFileSync(join(root, 'var/lib', dumps, 'postgresql-a.dump'), 'no dump');
    host.s.own();
    expect((await load()).result).toMatchObject({ ok: '0' });
    expect(existsSync(join(host.s.folder, 'scratch'))).toBe(false);
  }, 120_000);
});

describe.skipIf(!isRoot || !hasPostgres)('a dump of PostgreSQL', () => {
  let host: ReturnType<typeof makeHost>;
  let server: ChildProcess;
  const asPostgres = (...command: string[]): string => execFileSync('setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', ...command], { cwd: '/', stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const sql = (database: string, text: string): string => asPostgres(join(bin, 'psql'), '-X', '-q', '-A', '-t', '-h', join(host.run, 'postgresql'), '-d', database, '-c', text);
  beforeAll(async () => {
    host = makeHost();
    for (const path of [join(host.s.dir, 'pg'), join(host.run, 'postgresql')]) {
      mkdirSync(path);
      execFileSync('chown', ['postgres:postgres', path]);
    }
    asPostgres(join(bin, 'initdb'), '-D', join(host.s.dir, 'pg'), '-A', 'peer', '-N');
    server = spawn('setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--pdeathsig', 'KILL', join(bin, 'postgres'), '-D', join(host.s.dir, 'pg'), '-k', join(host.run, 'postgresql'), '-c', 'listen_addresses=', '-c', 'fsync=off'], { cwd: '/', stdio: 'ignore' });
    await vi.waitFor(() => sql('postgres', 'SELECT 1'), { timeout: 30_000, interval: 200 });
    sql('postgres', 'CREATE DATABASE shop');
    sql('shop', 'CREATE TABLE a (n int); INSERT INTO a SELECT generate_series(1, 1000); CREATE SCHEMA "S x"; CREATE TABLE "S x"."t\'""u" (n int); INSERT INTO "S x"."t\'""u" VALUES (1), (2); CREATE TABLE p (n int) PARTITION BY RANGE (n); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (3)');
  }, 120_000);
  afterAll(async () => {
    server.kill('SIGQUIT');
    await new Promise((done) => { server.once('exit', done); });
    host.s.close();
  });

  test('it is made, and loads, and what is in it is counted', async () => {
    const said = await host.dump('postgresql', 'shop');
    const file = join(host.lib, dumps, 'postgresql-shop.dump');
    expect(said).toMatchObject({ exit: 0, result: { ok: '1', bytes: String(statSync(file).size) } });
    expect([statSync(file).mode & 0o777, statSync(file).uid]).toEqual([0o600, 0]);
    const kept = join(host.s.addSnapshot(snapshot, true), 'var/lib', dumps);
    mkdirSync(kept, { recursive: true });
    writeFileSync(join(kept, 'postgresql-shop.dump'), readFileSync(file));
    mkdirSync(join(host.s.folder, 'scratch/data/left'), { recursive: true });
    host.s.own();
    const loaded = await host.s.work('load', [['engine', 'postgresql'], ['database', 'shop'], ['snapshot', snapshot]]);
    expect(loaded).toMatchObject({ exit: 0, result: { ok: '1', count: '4', rows: '1003' } });
    expect(existsSync(join(host.s.folder, 'scratch'))).toBe(false);
  }, 120_000);

  test('one that cannot be made is not there', async () => {
    expect(await host.dump('postgresql', 'none')).toMatchObject({ exit: 1, result: { ok: '0' }, output: expect.stringContaining('"none" does not exist') as string });
    expect(readdirSync(join(host.lib, dumps))).not.toContain('postgresql-none.dump.new');
  });

  test('what a dump wants to do outside of its sandbox, it cannot', async () => {
    sql('postgres', 'CREATE DATABASE evil');
    const mark = join(host.s.folder, 'snapshots', 'escaped');
    sql('evil', `CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COPY (SELECT 1) TO PROGRAM 'touch /escaped ${mark} 2> /dev/null; true'; RETURN 1; END $$; CREATE MATERIALIZED VIEW m AS SELECT f(); CREATE TABLE a (n int)`);
    expect(await host.dump('postgresql', 'evil')).toMatchObject({ result: { ok: '1' } });
    const kept = join(host.s.folder, 'snapshots', snapshot, 'var/lib', dumps);
    writeFileSync(join(kept, 'postgresql-evil.dump'), readFileSync(join(host.lib, dumps, 'postgresql-evil.dump')));
    host.s.own();
    const loaded = await host.s.work('load', [['engine', 'postgresql'], ['database', 'evil'], ['snapshot', snapshot]]);
    expect(loaded.result).toEqual({ ok: '1', count: '1', rows: '0' });
    expect(existsSync(mark) || existsSync('/escaped')).toBe(false);
  }, 120_000);

  test('when the agent goes, all of it ends', async () => {
    const servers = (): string => execFileSync('sh', ['-c', 'ps -eo args | grep "[/]scratch/data" || true']).toString();
    const kept = host.s.work('load', [['engine', 'postgresql'], ['database', 'shop'], ['snapshot', snapshot]], {
      begun: (connection) => void vi.waitFor(() => { expect(servers()).not.toBe(''); }, { timeout: 30_000, interval: 20 }).finally(() => connection.destroy()),
    });
    expect((await kept).exit).not.toBe(0);
    await expect.poll(servers).toBe('');
  }, 60_000);
});
