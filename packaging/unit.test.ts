import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const UNITS = join(import.meta.dirname, 'units');
const SCRIPTS = join(import.meta.dirname, 'debian');
const units = readdirSync(UNITS).sort();

/** The highest exposure each service may have, on systemd-analyze's scale of 0 to 10. */
const BARS = {
  'reeve-agent.service': 1.5, 'reeve-agent-upgrade.service': 3.5, 'reeved.service': 1.5, 'reeve-web.service': 1.5, 'reeve-privd.service': 5.0,
  'reeve-deadman.service': 2.0, 'reeve-deadman-boot.service': 2.0, 'reeve-sshd-check.service': 3.5, 'reeve-vhost-check.service': 4.2, 'reeve-nat.service': 3.0, 'reeve-cert-reload.service': 2.0, 'reeve-job@.service': 4.6, 'reeve-unit@.service': 1.5,
  // It runs podman and pct, which mount, map ids and enter namespaces.
  'reeve-container@.service': 6.9,
};

test('every service has a bar for its exposure', () => {
  expect(Object.keys(BARS).sort()).toEqual(units.filter((name) => name.endsWith('.service')));
});

test.each(Object.entries(BARS))('the exposure of %s is at most %d', (name, bar) => {
  const said = run('systemd-analyze', ['security', '--offline=true', '--no-pager', join(UNITS, name)]);
  const overall = /Overall exposure level for \S+: ([\d.]+)/.exec(said.stdout)?.[1];
  expect(overall, said.stderr).toBeDefined();
  expect(Number(overall)).toBeLessThanOrEqual(bar);
});

test('systemd knows every line of the units', () => {
  const said = run('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...units.map((name) => join(UNITS, name))]);
  const complaints = said.stderr.split('\n').filter((line) => line !== '' && !line.includes('is not executable: No such file or directory'));
  expect(complaints).toEqual([]);
});

test('the sandbox lines that later lines rely on are there', () => {
  const agent = readFileSync(join(UNITS, 'reeve-agent.service'), 'utf8');
  const coordinator = readFileSync(join(UNITS, 'reeved.service'), 'utf8');
  const helper = readFileSync(join(UNITS, 'reeve-privd.service'), 'utf8');
  for (const text of [agent, coordinator, helper]) expect(text).toMatch(/^NoNewPrivileges=yes$/m);
  for (const text of [agent, coordinator]) expect(text).toMatch(/^CapabilityBoundingSet=$/m);
  expect(helper).toMatch(/^RestrictAddressFamilies=AF_UNIX AF_NETLINK$/m);
  // Memory and load facts are outside the process part of /proc.
  expect(agent).not.toMatch(/^ProcSubset=/m);
  // Local callers are known by their uid, which a user namespace hides.
  expect(coordinator).not.toMatch(/^PrivateUsers=/m);
});

test('a unit of the early boot waits until nobody clears /tmp any more, below which systemd makes its /dev', () => {
  const early = units.filter((name) => /^DefaultDependencies=no$/m.test(readFileSync(join(UNITS, name), 'utf8')));
  expect(early).toEqual(['reeve-deadman-boot.service', 'reeve-nat.service']);
  for (const name of early) expect(readFileSync(join(UNITS, name), 'utf8')).toMatch(/^After=.*\bsystemd-tmpfiles-setup\.service\b/m);
});

test('a guest without mounts gives up every line that needs them, and no other', () => {
  const keys = (text: string): string[] => [...text.matchAll(/^(\w+)=/gm)].map((match) => match[1] ?? '');
  const given = keys(readFileSync(join(import.meta.dirname, 'container.conf'), 'utf8'));
  // What systemd.exec(5) does with a mount namespace; ProtectClock, ProtectHostname and PrivateUsers do not need one.
  const needsMounts = /^(?:ProtectSystem|ProtectHome|ProtectKernel\w+|ProtectControlGroups|ProtectProc|ProcSubset|Private(?:Tmp|Devices|IPC|Mounts|Network)|(?:ReadWrite|ReadOnly|Inaccessible|Exec|NoExec)Paths|Bind\w*Paths|TemporaryFileSystem)$/;
  const used = new Set(units.filter((name) => name.endsWith('.service')).flatMap((name) => keys(readFileSync(join(UNITS, name), 'utf8'))));
  expect([...used].filter((key) => needsMounts.test(key)).sort()).toEqual([...given].sort());
});

test('maintainer scripts are for a POSIX shell and stop at the first error', () => {
  for (const folder of readdirSync(SCRIPTS)) {
    for (const name of readdirSync(join(SCRIPTS, folder))) {
      const path = join(SCRIPTS, folder, name);
      expect(readFileSync(path, 'utf8')).toMatch(/^#!\/bin\/sh\n(#.*\n)+set -e\n/);
      expect(run('/bin/sh', ['-n', path])).toMatchObject({ status: 0, stderr: '' });
    }
  }
});

function run(file: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'reeve-unit-'));
  try {
    return spawnSync(file, args, { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', XDG_RUNTIME_DIR: runtimeDir } });
  } finally {
    rmSync(runtimeDir, { recursive: true, force: true });
  }
}
