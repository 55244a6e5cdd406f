import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecResult, LabHost } from '../lab/lab.js';
import { executeOk } from '../lab/process.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { installDebian } from '../support/debian.js';
import { bootBare } from '../support/ssh-host.js';

const roles = join(import.meta.dirname, '../../packaging/ansible/roles');

describe.skipIf(!hosts.ok)('the Ansible role, with tokens of reeve host invite --from', () => {
  let fleet: TestFleet;
  let web: LabHost;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-ansible-'));
  const path = (name: string): string => join(folder, name);

  beforeAll(async () => {
    fleet = await startFleet({ name: 'ansible', hosts: [], join: false });
    await executeOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path('key')]);
    web = await bootBare(fleet, 'web', (await executeOk(['cat', path('key.pub')])).trim());
    await installDebian(web, ['python3']);
    const inventory = `all:\n  children:\n    webs:\n      hosts:\n        web: {ansible_host: ${web.address}}\n      vars: {ansible_user: root, ansible_ssh_private_key_file: ${path('key')}, reeve_policy: minimal}\n`;
    writeFileSync(path('hosts.yml'), inventory);
    const files = await debs('normal');
    const packages = ['reeve-runtime', 'reeve-agent'].map((name) => files.get(name) ?? '');
    writeFileSync(path('site.yml'), `- hosts: all\n  gather_facts: false\n  roles:\n    - {role: reeve_agent, reeve_agent_policy: standard, reeve_agent_debs: ${JSON.stringify(packages)}}\n`);
    await fleet.hub.write('/root/hosts.yml', inventory);
  });
  afterAll(() => {
    fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the playbook as a person on the lab's network does. */
  function play(...args: string[]): Promise<ExecResult> {
    const known = `-o UserKnownHostsFile=${path('known_hosts')} -o StrictHostKeyChecking=accept-new`;
    return fleet.lab.exec(['ansible-playbook', '-v', '-i', path('hosts.yml'), ...args, path('site.yml')], {
      timeoutMs: 240_000,
      cwd: folder,
      env: { ANSIBLE_ROLES_PATH: roles, ANSIBLE_SSH_COMMON_ARGS: known, ANSIBLE_LOCAL_TEMP: path('tmp'), ANSIBLE_HOME: path('home'), ANSIBLE_NOCOLOR: '1', ANSIBLE_LOG_PATH: path('log') },
    });
  }

  test('invites every host of an inventory into a file that nobody else can read', async () => {
    const invited = await fleet.reeve(['host', 'invite', '--from', '/root/hosts.yml', '--ttl', '24h', '--group-label', 'group', '--out', '/root/tokens.json']);
    expect(invited).toMatchObject({ code: 0, stderr: '' });
    expect(invited.stdout).toMatch(/^1 of 1 hosts are invited\.\nTheir tokens are in \/root\/tokens\.json/);
    expect(await fleet.hub.run(['stat', '-c', '%a', '/root/tokens.json'])).toBe('600\n');
    const tokens = await fleet.hub.read('/root/tokens.json');
    expect(JSON.parse(tokens)).toEqual({ reeve_tokens: { web: expect.stringMatching(/^reeve1_/) } });
    writeFileSync(path('tokens.json'), tokens, { mode: 0o600 });
    chmodSync(path('tokens.json'), 0o600);
  });

  test('without a token says which command makes one; with it the host is in, and no output has the token', async () => {
    const without = await play();
    expect(without.code).not.toBe(0);
    expect(without.stdout, without.stderr).toContain('There is no join token for web: run reeve host invite --from');
    const played = await play('--extra-vars', `@${path('tokens.json')}`);
    expect(played.code, played.stdout + played.stderr).toBe(0);
    await fleet.waitState('web', 'connected');
    expect(await web.read('/etc/reeve/policy')).toBe(await web.read('/usr/share/reeve/policy/standard'));
    const [host] = (await fleet.json<{ hosts: { labels: string[] }[] }>(['host', 'list'])).hosts;
    expect(host?.labels).toEqual(['group=webs']);
    const log = await executeOk(['cat', path('log')]);
    expect(log).toContain('Join');
    expect(played.stdout + played.stderr + log).not.toContain('reeve1_');
    expect((await web.exec(['find', '/var/cache/reeve-install'])).code).not.toBe(0);
  });

  test('on a host that has joined does nothing, and needs no token; one that is not started is started', async () => {
    const again = await play();
    expect(again.code, again.stdout).toBe(0);
    expect(again.stdout).toMatch(/changed=0 /);
    await web.run(['systemctl', 'stop', 'reeve-agent']);
    expect((await play()).stdout).toMatch(/changed=1 /);
    await fleet.waitState('web', 'connected');
    const invited = await fleet.reeve(['host', 'invite', '--from', '/root/hosts.yml', '--json']);
    expect(JSON.parse(invited.stdout)).toEqual({ hosts: [{ name: 'web', outcome: 'present' }] });
  });
});
