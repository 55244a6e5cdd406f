import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CommandAnswer } from '../support/chaos.js';
import { hosts } from '../support/fleet.js';
import { errorsOf, type ToldError } from '../support/nat-setting.js';
import { until } from '../support/until.js';
import { allowMore, startWebFleet, type WebFleet } from '../support/web-fleet.js';
import { stageSites } from '../support/web-stage.js';

const SITES = 200;
const RELOADS = Number(process.env['REEVE_WEB_RELOADS'] ?? 100);
const name = (n: number): string => `s${String(n)}.example.org`;
const victim = name(0);

/** One way in which the web server cannot serve a site, though Reeve may be asked to. */
interface Corruption {
  readonly what: string;
  /** Makes it so; answers the arguments of `reeve vhost set web1 VICTIM`. */
  readonly make: (fleet: WebFleet) => Promise<readonly string[]>;
  /** What is told. */
  readonly told: RegExp;
  /** Puts the host right again; answers the arguments that put the site right. */
  readonly repair: (fleet: WebFleet) => Promise<readonly string[]>;
}

const snippet = (what: string, text: string, told: RegExp): Corruption => ({
  what,
  told,
  async make({ web }) {
    await web.run(['mkdir', '-p', '/etc/reeve/snippets']);
    await web.write('/etc/reeve/snippets/odd.conf', `${text}\n`, 0o644);
    const sha256 = (await web.run(['sha256sum', '/etc/reeve/snippets/odd.conf'])).slice(0, 64);
    await allowMore(web, [`vhost.snippet name=odd sha256=${sha256}`]);
    return ['--snippet', 'odd'];
  },
  repair: () => Promise.resolve(['--no-snippet', 'odd']),
});

const cert = (what: string, spoil: string, told: RegExp): Corruption => ({
  what,
  told,
  async make({ web }) {
    await web.run(['sh', '-c', `cp -aL /etc/ssl/reeve/one /root/one && ${spoil}`]);
    return ['--cert', 'one'];
  },
  async repair({ web }) {
    await web.run(['sh', '-c', 'cp -a /root/one/* /etc/ssl/reeve/one/ && rm -r /root/one']);
    return ['--no-cert'];
  },
});

const corruptions: readonly Corruption[] = [
  snippet('an upstream that does not resolve', 'location /up { proxy_pass http://nowhere.invalid; }', /nowhere\.invalid/),
  snippet('a directive that nobody knows', 'frobnicate on;', /frobnicate/),
  snippet('a location that is there twice', 'location = "/.well-known/reeve-probe" { return 200; }', /duplicate location/),
  snippet('a brace too many', 'location /x { return 200; } }', /unexpected/),
  cert('a certificate that is not there', 'rm /etc/ssl/reeve/one/cert.pem', /cert\.pem|edited|missing|altered/),
  cert('a key of another certificate', 'openssl ecparam -genkey -name prime256v1 -noout -out /etc/ssl/reeve/one/key.pem', /key|altered/),
  cert('a certificate that is none', 'echo nothing >/etc/ssl/reeve/one/cert.pem', /cert\.pem|altered/),
  {
    what: 'an authority that is none', told: /\.ca/,
    async make({ hub }) {
      await hub.write('/root/ca.pem', '-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n');
      return ['--client-ca', '/root/ca.pem', '--client-cert', 'mandatory'];
    },
    repair: () => Promise.resolve(['--no-client-ca']),
  },
  {
    what: 'a port that another program has', told: /8090/,
    async make({ web }) {
      await web.run(['systemd-run', '--quiet', '--unit=thief', '/usr/lib/reeve/node', '-e', 'require("http").createServer((_ask, answer) => answer.end()).listen(8090)']);
      await until(async () => (await web.exec(['curl', '-s', '-o', '/dev/null', 'http://127.0.0.1:8090/'])).code === 0, { timeoutMs: 10_000, everyMs: 100, what: 'the other program to listen' });
      return ['--listen', '443/tls', '--listen', '8090'];
    },
    async repair({ web }) {
      await web.run(['systemctl', 'stop', 'thief']);
      return ['--listen', '80', '--listen', '443/tls'];
    },
  },
  {
    what: 'an address that the host does not have', told: /203\.0\.113\.9/,
    make: () => Promise.resolve(['--listen', '443/tls', '--listen', '80', '--listen', '203.0.113.9:8091']),
    repair: () => Promise.resolve(['--listen', '80', '--listen', '443/tls']),
  },
  {
    what: 'a default server where somebody else has one', told: /default server/,
    make: () => Promise.resolve(['--default']),
    repair: () => Promise.resolve(['--no-default']),
  },
  {
    what: 'the name of a site of somebody else', told: /own\.example\.org/,
    make: () => Promise.resolve(['--alias', 'own.example.org']),
    repair: () => Promise.resolve(['--no-alias', 'own.example.org']),
  },
];

describe.skipIf(!hosts.ok)(`${String(SITES)} sites, one of which is bad`, () => {
  let fleet: WebFleet;
  let reloads = 0;

  beforeAll(async () => {
    fleet = await startWebFleet('vhostmany', 'normal', true);
    await fleet.web.write('/etc/nginx/sites-enabled/own', 'server {\n  listen 80;\n  server_name own.example.org;\n  return 200 "mine";\n}\n');
    await fleet.web.run(['systemctl', 'reload', 'nginx']);
    await fleet.change(['cert', 'add', 'web1', 'one', '--self-signed', '--name', victim]);
    await stageSites(fleet.hub, 'web1', Array.from({ length: SITES }, (_, n) => ({ name: name(n), text: `site ${String(n)}` })));
    await fleet.change(['apply', '--on', 'web1', '--noun', 'vhost']);
  });
  afterAll(() => fleet.close());

  /** All that was told to go wrong, and what became of the command. */
  const spoil = async (args: readonly string[]): Promise<{ code: number | null; errors: ToldError[]; said: string }> => {
    // Only kept in the inventory: a command that plans is refused for the sake of its own site.
    const staged = await fleet.reeve(['vhost', 'set', 'web1', victim, ...args, '--stage', '--json']);
    if (staged.code !== 0) return { code: staged.code, errors: errorsOf(staged.stdout), said: staged.stdout + staged.stderr };
    const applied = await fleet.reeve(['apply', '--on', 'web1', '--noun', 'vhost', '--yes', '--json']);
    reloads += 1;
    return { code: applied.code, errors: errorsOf(applied.stdout), said: applied.stdout + applied.stderr };
  };

  test('the others answer all the time, whatever is wrong with it', async () => {
    const { web } = fleet;
    const sites = Array.from({ length: SITES - 1 }, (_, n) => n + 1).map((n) => ({ host: name(n), address: web.address, port: n % 2 === 0 ? 443 : 80, tls: n % 2 === 0, body: `site ${String(n)}` }));
    const polling = fleet.client.poll({ sites, fresh: 4, kept: 4, perSecond: 100 });
    for (const [round, { what, make, told, repair }] of corruptions.entries()) {
      const { code, errors, said } = await spoil(await make(fleet));
      expect(code, `${what}: ${said}`).toBe(1);
      expect(errors.map(({ message }) => message).join('\n'), what).toMatch(told);
      // Another site is changed meanwhile: the bad one stops nobody.
      const other = name(round + 1);
      const changed = await fleet.reeve(['vhost', 'set', 'web1', other, '--title', what, '--yes', '--json']);
      reloads += 1;
      expect(await web.read(`/etc/nginx/reeve/current/${other}.conf`), `${what}: ${changed.stdout}`).toBeTruthy();
      const repaired = await fleet.json<CommandAnswer>(['vhost', 'set', 'web1', victim, ...(await repair(fleet)), '--yes']);
      reloads += 1;
      expect(repaired.outcome, what).toBe('ok');
      expect(await fleet.secure(victim), what).toMatchObject({ status: 200, body: 'site 0' });
    }
    for (; reloads < RELOADS; reloads += 1) await fleet.json(['proxy', 'reload', 'web1']);
    const { requests, repeated, failed } = await polling.stop();
    console.log(`${String(corruptions.length)} ways to be bad, ${String(reloads)} reloads: ${String(requests)} requests to ${String(sites.length)} sites, ${String(repeated)} repeated, ${String(failed.length)} failed`);
    expect(failed).toEqual([]);
    expect(requests).toBeGreaterThan(1000);
    expect((await fleet.plain('own.example.org')).body).toBe('mine');
  });

  test('a change after which a site does not answer any more is undone, and told', async () => {
    const site = name(5);
    const undone = await fleet.reeve(['vhost', 'set', 'web1', site, '--to', 'http://127.0.0.1:9', '--yes', '--json']);
    expect([undone.code, errorsOf(undone.stdout)[0]?.code]).toEqual([1, 'VHOST_PROBE']);
    expect((await fleet.secure(site)).body).toBe('site 5');
    await fleet.change(['vhost', 'set', 'web1', site, '--status', '200', '--text', 'site 5']);
  });

  test('a web server that does not take the new configuration keeps the old one', async () => {
    const { web } = fleet;
    await web.run(['systemctl', 'stop', 'nginx']);
    const stopped = await fleet.reeve(['vhost', 'set', 'web1', name(6), '--title', 'six', '--yes', '--json']);
    expect([stopped.code, errorsOf(stopped.stdout)[0]?.code]).toEqual([1, 'VHOST_ENGINE']);
    await web.run(['systemctl', 'start', 'nginx']);
    expect((await fleet.secure(name(6))).body).toBe('site 6');
    await fleet.change(['apply', '--on', 'web1', '--noun', 'vhost']);
  });
});
