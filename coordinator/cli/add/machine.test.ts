import { describe, expect, it } from 'vitest';
import { looking } from '../ssh/command.js';
import type { Root } from '../ssh/root.js';
import { installedVersion, lookAtMachine } from './machine.js';

const status = (name: string, state: string, version: string): string => `Package: ${name}\nStatus: ${state}\nPriority: optional\nVersion: ${version}\nDescription: x\n`;
const digest = (letter: string): string => letter.repeat(64);

/** What a fresh Debian 12 answers. */
const fresh: Readonly<Record<string, string>> = {
  [looking.os]: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
  [looking.architecture]: 'amd64\n',
  [looking.libc]: 'glibc 2.36\n',
  [looking.systemd]: '/run/systemd/system\n',
  [looking.disk]: 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 10000000 1000 9000000 1% /\n/dev/vda1 10000000 1000 9000000 1% /\n',
};

const machine = (over: Readonly<Record<string, string>> = {}): Root => ({ run: (command) => Promise.resolve({ code: 0, stdout: { ...fresh, ...over }[command] ?? '', stderr: '' }) });

describe('a machine', () => {
  it('that is fresh can be taken in', async () => {
    expect(await lookAtMachine(machine(), 'web1')).toEqual({ architecture: 'amd64', installed: undefined, identity: undefined, policy: 'absent', active: false });
  });

  it('that is in says as what, and whether its policy is its own', async () => {
    const policies = (mine: string): string => `${mine}  /etc/reeve/policy\n${digest('a')}  /usr/share/reeve/policy/observe\n${digest('b')}  /usr/share/reeve/policy/web\n`;
    const answers = {
      [looking.installed]: `${status('reeve-runtime', 'install ok installed', '0.2.0')}\n${status('reeve-agent', 'install ok installed', '0.2.0')}`,
      [looking.identity]: '{"fleetId":"f","hostId":"h","hostName":"web1"}',
      [looking.active]: 'active\n',
    };
    expect(await lookAtMachine(machine({ ...answers, [looking.policy]: policies(digest('b')) }), 'web1')).toMatchObject({ installed: '0.2.0', identity: { fleetId: 'f', hostId: 'h', hostName: 'web1' }, policy: 'web', active: true });
    expect(await lookAtMachine(machine({ ...answers, [looking.policy]: policies(digest('c')) }), 'web1')).toMatchObject({ policy: 'edited' });
    expect(await lookAtMachine(machine({ ...answers, [looking.identity]: '{"fleetId":"\\u001b[2J","hostId":7' }), 'web1')).toMatchObject({ identity: undefined });
    expect(await lookAtMachine(machine({ ...answers, [looking.identity]: '{"fleetId":"\\u001b[2J","hostId":7}' }), 'web1')).toMatchObject({ identity: { fleetId: '', hostId: '', hostName: '' } });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['is no Debian', { [looking.os]: 'ID=fedora\n' }, /it is not of the Debian family \(os-release says "fedora"\)/],
    ['has an old C library', { [looking.libc]: 'glibc 2.24\n' }, /its C library is 2\.24, wanted 2\.28 or newer/],
    ['has another C library', { [looking.libc]: '' }, /its C library is not glibc/],
    ['runs without systemd', { [looking.systemd]: '' }, /systemd does not run there/],
    ['is full', { [looking.disk]: 'x\n/dev/vda1 10 1 204800 99% /\n/dev/vda1 10 1 204800 99% /\n' }, /its disk has 200 MiB free, wanted 300/],
    ['is full below /var', { [looking.disk]: 'x\n/dev/vda1 10 1 900000 9% /\n/dev/vdb1 10 1 51200 99% /var\n' }, /\/var has 50 MiB free, wanted 100/],
    ['says nothing of itself', { [looking.disk]: '', [looking.architecture]: 'a; b\n' }, /df does not say how much space is free; dpkg does not say what architecture it has/],
  ])('that %s is refused with the reason', async (_name, over, reason) => {
    await expect(lookAtMachine(machine(over), 'web1')).rejects.toMatchObject({ code: 'HOST_UNSUITABLE', fields: { rule: expect.stringMatching(reason) } });
  });

  it('of the family is taken as well as its parent', async () => {
    expect(await lookAtMachine(machine({ [looking.os]: 'ID=ubuntu\nID_LIKE=debian\n' }), 'web1')).toMatchObject({ architecture: 'amd64' });
  });
});

describe('the installed packages', () => {
  it.each([
    ['', undefined],
    [status('reeve-agent', 'install ok installed', '0.2.0'), undefined],
    [`${status('reeve-runtime', 'install ok installed', '0.2.0')}\n${status('reeve-agent', 'install ok unpacked', '0.2.0')}`, undefined],
    [`${status('reeve-runtime', 'install reinstreq half-installed', '0.2.0')}\n${status('reeve-agent', 'install ok installed', '0.2.0')}`, undefined],
    [`${status('reeve-runtime', 'install ok installed', '0.2.0')}\n${status('reeve-agent', 'hold ok installed', '0.2.0')}`, '0.2.0'],
  ])('count only when both are whole: case %#', (text, version) => {
    expect(installedVersion(text)).toBe(version);
  });
});
