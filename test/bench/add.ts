import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabHost } from '../lab/lab.js';
import { executeOk } from '../lab/process.js';
import type { TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { installDebian } from '../support/debian.js';
import { add, allowKey, bootBare, prepareOperator } from '../support/ssh-host.js';
import type { Figure } from './report.js';
import { inTurns } from './round.js';

const rounds = { warmUp: 1, rounds: 5 };

/**
 * From a machine with nothing but sshd to a healthy agent by one `reeve host add`, beside ansible-playbook(1) copying the same two packages to the same
 * machine, installing them and starting the unit: no facts gathered, no joining, nothing proved.
 */
export async function benchAdd(fleet: TestFleet): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-bench-add-'));
  try {
    const operator = await prepareOperator(fleet);
    const bare = await bootBare(fleet, 'bare', operator);
    await installDebian(bare, ['python3']);
    await executeOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'key')]);
    await allowKey(bare, 'root', `${operator}\n${(await executeOk(['cat', join(folder, 'key.pub')])).trim()}`);
    const play = await writePlay(folder, bare);
    const seconds = { add: [] as number[], ansible: [] as number[] };
    /** Times the work alone: making the machine untouched again is not part of it. */
    const timed = async (name: keyof typeof seconds, work: () => Promise<unknown>): Promise<void> => {
      const startedAt = performance.now();
      await work();
      seconds[name].push((performance.now() - startedAt) / 1000);
      await forget(fleet, bare);
    };
    await inTurns(
      [
        { name: 'add', run: () => timed('add', () => addOnce(fleet, bare)) },
        { name: 'ansible', run: () => timed('ansible', () => fleet.lab.run(play.argv, { timeoutMs: 180_000, cwd: folder, env: play.env })) },
      ],
      rounds,
    );
    return [{
      id: 'add/host',
      title: 'from only sshd to a healthy agent: reeve host add',
      unit: 's',
      values: seconds.add.slice(rounds.warmUp),
      peers: [{ name: 'ansible installing the same packages', values: seconds.ansible.slice(rounds.warmUp) }],
      note: 'reeve also checks, joins and proves; ansible gathers no facts and only installs and starts',
    }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The machine as it was before, so that the next one finds it untouched. */
async function forget(fleet: TestFleet, bare: LabHost): Promise<void> {
  await fleet.reeve(['host', 'retire', 'bare', '--yes']);
  await bare.run(['dpkg', '--purge', 'reeve-agent', 'reeve-runtime'], { timeoutMs: 60_000 });
  // Joins from one address are limited to a few a minute; the limit is in memory.
  await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
  await fleet.waitCoordinator();
}

async function addOnce(fleet: TestFleet, bare: LabHost): Promise<void> {
  const added = await add(fleet, 'bare', bare, ['--policy', 'standard']);
  if (added.code !== 0) throw new Error(`reeve host add failed: ${added.stderr}`);
}

async function writePlay(folder: string, bare: LabHost): Promise<{ argv: string[]; env: Record<string, string> }> {
  const files = await debs('normal');
  const packages = ['reeve-runtime', 'reeve-agent'].map((name) => files.get(name) ?? '');
  const copies = packages.map((file, index) => `    - ansible.builtin.copy: {src: ${JSON.stringify(file)}, dest: /root/${String(index)}.deb}\n`).join('');
  writeFileSync(join(folder, 'hosts'), `bare ansible_host=${bare.address} ansible_user=root ansible_ssh_private_key_file=${join(folder, 'key')}\n`);
  writeFileSync(join(folder, 'play.yml'), `- hosts: all\n  gather_facts: false\n  tasks:\n${copies}    - ansible.builtin.command: {argv: [/usr/bin/dpkg, --install, /root/0.deb, /root/1.deb]}\n    - ansible.builtin.systemd_service: {name: reeve-privd.socket, enabled: true, state: started}\n    - ansible.builtin.file: {path: /root/0.deb, state: absent}\n    - ansible.builtin.file: {path: /root/1.deb, state: absent}\n`);
  return {
    argv: ['ansible-playbook', '-i', join(folder, 'hosts'), join(folder, 'play.yml')],
    env: { ANSIBLE_SSH_COMMON_ARGS: `-o UserKnownHostsFile=${join(folder, 'known_hosts')} -o StrictHostKeyChecking=accept-new`, ANSIBLE_LOCAL_TEMP: join(folder, 'tmp'), ANSIBLE_HOME: join(folder, 'home'), ANSIBLE_PIPELINING: '1' },
  };
}
