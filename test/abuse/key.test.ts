import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivdReply } from '../../shared/gen/privd.js';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { bootAgentHost, setPolicy } from '../support/abuse-host.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { fromText } from '../support/abuse-text.js';
import { hosts } from '../support/fleet.js';

const HEAD = '# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n';
const blob = (number: number): Buffer => Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), createHash('sha256').update(String(number)).digest()]);
const line = (number: number): string => `ssh-ed25519 ${blob(number).toString('base64')} ada: grant ${String(number)}`;
const content = (...lines: readonly string[]): Buffer => Buffer.from(HEAD + lines.map((text) => `${text}\n`).join(''));
const fingerprint = (number: number): Uint8Array => createHash('sha256').update(blob(number)).digest();

describe.skipIf(!hosts.ok)('a taken-over agent and keys, with the helper in its sandbox as it is shipped', () => {
  let lab: Lab;
  let host: LabHost;
  let helper: HelperCaller;

  beforeAll(async () => {
    lab = await startLab({ name: 'keys' });
    host = await bootAgentHost(lab, 'host');
    await setPolicy(host, 'standard');
    helper = await callHelper(host);
    for (const name of ['ada', 'bob']) expect(await helper.call('user.add', { name, shell: '/bin/sh', kind: 'home' })).toMatchObject({ code: 'OK' });
    const own = ['ada', 'bob'].map((name) => `install -d -o ${name} -g ${name} -m 700 /home/${name}/.ssh && printf '%s\\n%s\\n' '${line(1)}' '${line(2)}' >/home/${name}/.ssh/authorized_keys && chown ${name}: /home/${name}/.ssh/authorized_keys`);
    await host.run(['/bin/sh', '-c', ['mkdir -p /etc/ssh /root/.ssh', `echo '${line(1)}' >/root/.ssh/authorized_keys`, ...own].join(' && ')]);
  }, 600_000);
  afterAll(() => {
    helper.close();
    lab.close();
  });

  const replyOf = (reply: string | undefined): PrivdReply<'observe.key'> => fromText(reply ?? '') as PrivdReply<'observe.key'>;

  test('writes the file of a managed account and shows it, and reads and purges as each account, root too', async () => {
    expect(await helper.call('key.put', { name: 'ada', content: content(line(1)) })).toMatchObject({ code: 'OK' });
    expect(await host.read('/etc/ssh/reeve-keys.d/ada')).toBe(content(line(1)).toString());
    expect(await host.run(['stat', '-c', '%U:%G %a', '/etc/ssh/reeve-keys.d', '/etc/ssh/reeve-keys.d/ada'])).toBe('root:root 755\nroot:root 644\n');
    expect(replyOf((await helper.call('observe.key', { scope: 'managed' })).reply).file).toMatchObject([{ user: 'ada', marked: true, problem: '' }]);
    for (const [name, home] of [['ada', '/home/ada'], ['bob', '/home/bob'], ['root', '/root']] as const) {
      const seen = await helper.call('observe.key', { scope: 'own', name, patterns: '.ssh/authorized_keys' });
      expect(seen).toMatchObject({ code: 'OK' });
      const file = `${home}/.ssh/authorized_keys`;
      expect(replyOf(seen.reply).file).toMatchObject([{ user: name, path: file, problem: '' }]);
      const before = await host.read(file);
      expect(await helper.call('key.purge', { name, path: file, blobs: fingerprint(1) })).toMatchObject({ code: 'OK', reply: '{"removed":1}' });
      expect(await host.read(file)).toBe(before.replace(`${line(1)}\n`, ''));
      expect(await host.run(['stat', '-c', '%U', file])).toBe(`${name}\n`);
    }
  });

  test('gets no key for root, for accounts of others, with a command, or beyond max-stale, and no file of others', async () => {
    const put = (name: string, ...lines: readonly string[]): Promise<unknown> => helper.call('key.put', { name, content: content(...lines) });
    await host.run(['useradd', '--create-home', 'mate']);
    expect(await put('root', line(3))).toMatchObject({ code: 'KEY_ROOT' });
    expect(await put('mate', line(3))).toMatchObject({ code: 'USER_FOREIGN' });
    expect(await put('daemon', line(3))).toMatchObject({ code: 'USER_FOREIGN' });
    expect(await put('bob', `command="id" ${line(3)}`)).toMatchObject({ code: 'KEY_LINE', fields: { value: '2' } });
    expect(await helper.call('key.remove', { name: 'ada', content: content(line(3)) })).toMatchObject({ code: 'STATE_MOVED' });
    for (const path of ['/home/bob/.ssh/authorized_keys', '/etc/shadow', '/root/.ssh/authorized_keys']) {
      expect(await helper.call('key.purge', { name: 'ada', path, blobs: fingerprint(2) })).toMatchObject({ code: 'PATH_UNSAFE' });
    }
    await host.run(['/bin/sh', '-c', 'ln -sf /etc/shadow /home/ada/.ssh/authorized_keys2']);
    const seen = await helper.call('observe.key', { scope: 'own', name: 'ada', patterns: '.ssh/authorized_keys2' });
    expect(replyOf(seen.reply)).toMatchObject({ file: [{ problem: 'the user may not read it' }], line: [] });
    await setPolicy(host, `${await host.read('/usr/share/reeve/policy/minimal')}allow key.put max-stale=3600\n`);
    expect(await put('ada', line(1))).toMatchObject({ code: 'POLICY_DENIED', fields: { line: 'allow key.put name=ada root-keys=no max-stale=4294967295' } });
    expect(await host.run(['ls', '-A', '/etc/ssh/reeve-keys.d'])).toBe('ada\n');
    expect(await helper.call('key.remove', { name: 'ada' })).toMatchObject({ code: 'OK' });
    expect(await host.run(['ls', '-A', '/etc/ssh/reeve-keys.d', '/var/lib/reeve-privd/owned/key'])).toBe('/etc/ssh/reeve-keys.d:\n\n/var/lib/reeve-privd/owned/key:\n');
  });
});
