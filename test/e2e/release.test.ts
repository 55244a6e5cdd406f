import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { ensureLayer } from '../lab/layer.js';
import { fetchDebian } from '../support/debian.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { bridgeOf, frontPolicy, insideOf, reeveTable } from '../support/nat-fleet.js';
import { ask, installProbe, serve } from '../support/nat-probe.js';
import { letsIn, makeKey } from '../support/ssh-login.js';
import { until } from '../support/until.js';

/** What letting go of a host has to leave of one noun. A noun that is added later adds its row. */
interface ReleasedNoun {
  readonly noun: string;
  /** Makes what is managed, by the coordinator. */
  readonly make: (fleet: TestFleet, host: LabHost) => Promise<void>;
  /** What the host's own tools show of it: the same before the release and after purge and reboot. */
  readonly shown: (host: LabHost) => Promise<unknown>;
  /** Shows that it works without Reeve. */
  readonly works: (fleet: TestFleet, host: LabHost) => Promise<void>;
  /** Paths that are the noun's and stay on the host. */
  readonly stays: RegExp;
}

const password = 'correct horse';
const users = ['ada', 'collector', 'eve', 'byhand'] as const;

/** Logs in with a key over the network; gives what `id` says there. */
async function sshLogin(fleet: TestFleet, host: LabHost, user: string): Promise<{ code: number | null; stdout: string }> {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'ConnectTimeout=10'].flatMap((option) => ['-o', option]);
  return fleet.hub.exec(['ssh', ...options, '-i', '/root/login', `${user}@${host.address}`, 'id -un']);
}

/** Logs in with the password through PAM, as another user who may not without it. */
async function passwordLogin(host: LabHost, user: string, word: string): Promise<{ code: number | null; stdout: string }> {
  return host.exec(['runuser', '-u', 'byhand', '--', 'su', '--login', user, '--command', 'id -un'], { input: `${word}\n` });
}

const userNoun: ReleasedNoun = {
  noun: 'user',
  async make(fleet, host) {
    await host.run(['useradd', '--uid', '1500', '--create-home', '--shell', '/bin/bash', 'byhand']);
    const on = ['--on', host.name, '--yes'];
    await fleet.json(['user', 'add', 'ada', '--groups', 'www-data,audio', '--comment', 'Ada Lovelace', '--shell', '/bin/bash', ...on]);
    await fleet.json(['user', 'add', 'collector', '--system', ...on]);
    await fleet.json(['user', 'add', 'eve', ...on]);
    await fleet.json(['user', 'add', 'gone', ...on]);
    await fleet.json(['user', 'adopt', host.name, 'byhand', '--yes']);
    await fleet.hub.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/root/login']);
    const key = await fleet.hub.read('/root/login.pub');
    for (const user of ['ada', 'eve', 'byhand']) {
      await host.write(`/home/${user}/.ssh/authorized_keys`, key, 0o600);
      await host.run(['chmod', '700', `/home/${user}/.ssh`]);
      await host.run(['chown', '-R', `${user}:`, `/home/${user}/.ssh`]);
      await host.run(['chpasswd'], { input: `${user}:${password}\n` });
    }
    expect((await sshLogin(fleet, host, 'eve')).stdout, 'she could log in').toBe('eve\n');
    await fleet.json(['user', 'lock', 'eve', ...on]);
    await fleet.json(['user', 'remove', 'gone', ...on]);
  },
  shown: async (host) => Promise.all(users.map(async (user) => [
    (await host.run(['getent', 'passwd', user])).trim(), (await host.run(['getent', 'shadow', user])).trim(), (await host.run(['id', user])).trim(),
    (await host.exec(['stat', '-c', '%A %u:%g', `/home/${user}`])).stdout,
  ])),
  async works(fleet, host) {
    for (const user of ['ada', 'byhand']) expect((await sshLogin(fleet, host, user)).stdout, `${user} by key`).toBe(`${user}\n`);
    expect((await passwordLogin(host, 'ada', password)).stdout, 'ada by password').toContain('ada');
    expect((await passwordLogin(host, 'ada', 'wrong')).code).not.toBe(0);
    expect((await sshLogin(fleet, host, 'eve')).code, 'eve is locked').not.toBe(0);
    expect((await passwordLogin(host, 'eve', password)).code, 'eve is locked').not.toBe(0);
  },
  stays: /^\/(?:home\/|var\/mail\/|etc\/(?:passwd|shadow|group|gshadow|subuid|subgid)-?$)/,
};

const keyNoun: ReleasedNoun = {
  noun: 'key',
  async make(fleet, host) {
    await makeKey(fleet.hub, 'desk');
    await fleet.json(['person', 'add', 'ada', '--yes']);
    await fleet.json(['key', 'add', 'ada', '/root/desk.pub', '--yes']);
    await fleet.json(['grant', 'add', 'ada', '--on', host.name, '--user', 'ada', '--yes']);
  },
  // The first line of a file says whose it is, which is what changes.
  shown: (host) => host.run(['sh', '-c', 'cd /etc/ssh && stat -c "%n %U:%G %a" reeve-keys.d reeve-keys.d/* && tail -n +2 reeve-keys.d/ada && tail -n +2 sshd_config.d/00-reeve-keys.conf && sshd -T | grep authorizedkeysfile']),
  works: async (fleet, host) => {
    expect(await letsIn(fleet.hub, host, 'ada', 'desk')).toBe(true);
    expect(await host.run(['head', '-n', '1', '/etc/ssh/reeve-keys.d/ada'])).toBe('# Left by Reeve: plain configuration, yours to edit.\n');
  },
  stays: /^\/etc\/ssh\/(?:reeve-keys\.d(?:\/ada)?|sshd_config\.d\/00-reeve-keys\.conf)$/,
};

const inside = insideOf(0);
/** The side of a host to the guests behind it. */
const guestsPort = (address: string) => ({ bridge: bridgeOf(0), name: 'guests', address: `${address}/24` });

const natNoun: ReleasedNoun = {
  noun: 'nat',
  async make(fleet, host) {
    const inner = await fleet.lab.boot('inner', { address: inside.guest(1).address, bridge: bridgeOf(0), network: { prefix: 24, gateway: inside.front } });
    await Promise.all([serve(inner, ['80']), serve(fleet.hub, ['5000']), installProbe(inner), installProbe(fleet.hub)]);
    await host.run(['sh', '-c', 'cat >>/etc/reeve/policy'], { input: frontPolicy });
    await fleet.json(['nat', 'masquerade', host.name, '--source', inside.network, '--yes']);
    await fleet.json(['nat', 'add', host.name, '--proto', 'tcp', '--port', '8080', '--to', `${inside.guest(1).address}:80`, '--yes']);
  },
  shown: async (host) => [await reeveTable(host), (await host.run(['sysctl', '-n', 'net.ipv4.ip_forward'])).trim()],
  async works(fleet, host) {
    const packets = async (): Promise<void> => {
      expect(await ask(fleet.hub, 'tcp', host.address, [8080])).toEqual([`inner saw ${fleet.hub.address} at 80`]);
      expect(await ask(fleet.host('inner'), 'tcp', fleet.hub.address, [5000])).toEqual([`hub saw ${host.address} at 5000`]);
    };
    await packets();
    const table = await reeveTable(host);
    await host.run(['systemctl', 'restart', 'nftables.service']);
    await until(async () => (await reeveTable(host)) === table, { timeoutMs: 10_000, what: 'the table to be there after nftables.service has flushed everything' });
    await packets();
  },
  stays: /^\/etc\/(?:nftables\.d(?:\/reeve-nat\.nft)?|sysctl\.d\/60-reeve-nat\.conf|systemd\/system\/(?:[a-z.-]+\.wants\/)?nat-forwards\.service|systemd\/system\/[a-z.-]+\.wants)$/,
};

/** Packages that the nouns below need. */
const debian = ['nginx-light', 'curl'];

const certNoun: ReleasedNoun = {
  noun: 'cert',
  async make(fleet, host) {
    await fleet.json(['cert', 'add', host.name, 'shop', '--self-signed', '--name', 'shop.example.org', '--yes']);
  },
  shown: (host) => host.run(['sh', '-c', 'cd /etc/ssl/reeve/shop && sha256sum cert.pem key.pem && stat -L -c "%n %a %U:%G" cert.pem key.pem']),
  async works(_fleet, host) {
    expect(await host.run(['sh', '-c', 'test -s /etc/ssl/reeve/shop/key.pem && head -n 1 /etc/ssl/reeve/shop/cert.pem'])).toBe('-----BEGIN CERTIFICATE-----\n');
  },
  stays: /^\/etc\/ssl\/reeve(?:\/.*)?$/,
};

/** What a site answers on the host, by its name, with and without TLS. */
async function siteAnswers(host: LabHost): Promise<string> {
  const get = (url: string): Promise<string> => host.run(['curl', '-sk', '--resolve', 'shop.example.org:80:127.0.0.1', '--resolve', 'shop.example.org:443:127.0.0.1', '-w', ' %{http_code} %{redirect_url} %{ssl_verify_result}', url]);
  return [await get('https://shop.example.org/a'), await get('http://shop.example.org/a'), await get('https://shop.example.org/private')].join('\n');
}

const vhostNoun: ReleasedNoun = {
  noun: 'vhost',
  async make(fleet, host) {
    await host.run(['sh', '-c', 'printf "allow vhost.write\\nallow vhost.serve\\nallow proxy.reload\\n" >>/etc/reeve/policy']);
    await fleet.json(['vhost', 'add', host.name, 'shop.example.org', '--cert', 'shop', '--status', '200', '--text', 'open', '--yes']);
    await fleet.json(['vhost', 'route', 'add', host.name, 'shop.example.org', '/private', '--status', '200', '--text', 'in', '--allow', '203.0.113.0/24', '--yes']);
  },
  shown: siteAnswers,
  async works(_fleet, host) {
    expect(await siteAnswers(host)).toMatch(/^open 200[^]*\n.* 301 https:\/\/shop\.example\.org\/a [^]* 403 /);
    await host.run(['nginx', '-t']);
    await host.run(['systemctl', 'reload', 'nginx']);
    expect(await host.run(['sh', '-c', 'head -n 1 /etc/nginx/reeve/current/shop.example.org.conf'])).toBe('# Left by Reeve: plain configuration, yours to edit.\n');
  },
  stays: /^\/etc\/nginx\/(?:reeve(?:\/.*)?|conf\.d\/reeve\.conf)$/,
};

/** One row for each noun. */
const nouns: readonly ReleasedNoun[] = [userNoun, keyNoun, natNoun, certNoun, vhostNoun];

/** All files of a host but those that a running system writes all the time, and dpkg's own books. */
async function files(host: LabHost): Promise<string[]> {
  const skip = ['/proc', '/sys', '/run', '/dev', '/tmp', '/root', '/var/log', '/var/cache', '/var/lib/apt', '/var/lib/dpkg', '/var/tmp'];
  const prune = skip.flatMap((path, index) => [...(index === 0 ? [] : ['-o']), '-path', path]);
  return (await host.run(['find', '/', '(', ...prune, ')', '-prune', '-o', '-print'], { timeoutMs: 120_000 })).split('\n').sort();
}

describe.skipIf(!hosts.ok)('a host that is released', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let plain: LabHost;
  const shown = (host: LabHost): Promise<unknown[]> => Promise.all(nouns.map((noun) => noun.shown(host)));
  let before: unknown[];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'release', hosts: [], debian });
    await fleet.lab.addBridge(bridgeOf(0));
    web1 = await fleet.addHost('web1', { ports: [guestsPort(inside.front)] });
    await fleet.join('web1');
    // What a host is that never had Reeve.
    plain = await fleet.lab.boot('plain', { ports: [guestsPort(inside.guest(99).address)], layer: await ensureLayer(await fetchDebian(debian)) });
    for (const noun of nouns) await noun.make(fleet, web1);
    before = await shown(web1);
  });
  afterAll(() => fleet.close());

  test('shows first what that means, and changes nothing by showing it', async () => {
    const plan = await fleet.reeve(['host', 'release', 'web1', '--plan']);
    expect(plan.code).toBe(0);
    expect(plan.stdout).toMatch(/~ user ada +presence present -> released/);
    expect(plan.stdout).toMatch(/~ user eve +presence locked -> released/);
    expect(plan.stdout).toMatch(/~ nat .*8080.* -> released/);
    expect(plan.stdout).toMatch(/~ host web1 +state managed -> released/);
    expect(await shown(web1)).toEqual(before);
    expect((await fleet.reeve(['host', 'release', 'web1'])).stderr, 'nobody can be asked here').toMatch(/add --yes/);
  });

  test('keeps everything as it is; the coordinator has retired it, and the host says that it is released', async () => {
    const answer = await fleet.json<{ outcome: string; hosts: { noun: string; outcome: string }[] }>(['host', 'release', 'web1', '--yes']);
    expect([answer.outcome, ...answer.hosts.map((row) => `${row.noun} ${row.outcome}`)]).toEqual(['ok', 'cert ok', 'host ok', 'key ok', 'nat ok', 'user ok', 'vhost ok']);
    expect(await shown(web1)).toEqual(before);
    expect((await fleet.json<{ hosts: unknown[] }>(['host', 'list'])).hosts).toEqual([]);
    expect((await fleet.json<{ users: unknown[] }>(['user', 'list'])).users).toEqual([]);
    expect((await web1.run(['find', '/var/lib/reeve-privd/owned/user', '-type', 'f']))).toBe('');
    expect(await web1.run(['reeve-agent', 'status'])).toMatch(/^released +on .*apt purge reeve-agent/m);
    await web1.run(['systemctl', 'restart', 'reeve-agent']);
    expect(await web1.run(['journalctl', '--unit=reeve-agent', '--output=cat', '--no-pager'])).toMatch(/this host was released/);
  });

  test('is purged: nothing of Reeve runs or is left but what belongs to the nouns, and the trash of homes, of which the purge says so', async () => {
    const purge = await web1.exec(['apt-get', 'purge', '--yes', 'reeve-agent', 'reeve-runtime'], { timeoutMs: 120_000, env: { DEBIAN_FRONTEND: 'noninteractive' } });
    expect(purge.code, purge.stdout + purge.stderr).toBe(0);
    expect(purge.stdout + purge.stderr).toMatch(/\/home\/\.reeve-trash holds the homes of removed users and is left/);
    expect(purge.stdout + purge.stderr).not.toMatch(/was not released/);
    await web1.reboot();
    expect((await web1.exec(['pgrep', '-u', 'reeve-agent'])).stdout).toBe('');
    expect((await web1.exec(['pgrep', '-f', 'reeve'])).stdout).toBe('');
    expect((await web1.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'reeve*'])).trim()).toBe('');
    expect((await web1.exec(['systemctl', 'list-unit-files', '--no-legend', 'reeve*'])).stdout.trim()).toBe('');
    expect((await web1.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
    expect(await web1.run(['dpkg', '--audit'])).toBe('');
    expect((await web1.exec(['dpkg-query', '--show', 'reeve*'])).stdout).toBe('');
    const had = new Set(await files(plain));
    const left = (await files(web1)).filter((path) => !had.has(path));
    expect(left.filter((path) => !nouns.some((noun) => noun.stays.test(path)))).toEqual([]);
    expect(left.filter((path) => /^\/home\/\.reeve-trash\/gone\.[0-9a-f]{32}$/.test(path))).toHaveLength(1);
  });

  test.each(nouns.map((noun, index) => [noun.noun, noun, index] as const))('after purge and reboot: %s is as it was, and works', async (_name, noun, index) => {
    expect(await noun.shown(web1)).toEqual(before[index]);
    await noun.works(fleet, web1);
  });

  test('a host that was purged without being released keeps its accounts too, and whoever purges it is told', async () => {
    const host = await fleet.addHost('web2');
    await fleet.join('web2');
    await fleet.json(['user', 'add', 'ada', '--on', 'web2', '--yes']);
    const account = await host.run(['getent', 'passwd', 'ada']);
    const purge = await host.exec(['dpkg', '--purge', 'reeve-agent', 'reeve-runtime'], { timeoutMs: 120_000 });
    expect(purge.code, purge.stderr).toBe(0);
    expect(purge.stderr).toMatch(/was not released.*reeve host release web2/s);
    expect(await host.run(['getent', 'passwd', 'ada'])).toBe(account);
    expect((await host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'reeve*'])).trim()).toBe('');
    await fleet.waitState('web2', 'lost');
    await fleet.json(['host', 'retire', 'web2', '--yes']);
  });
});
