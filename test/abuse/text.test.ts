import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { mainPid } from '../support/abuse-host.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** What turns, hides, moves and runs text on terminals (CVE-2021-25743 and its kind). */
const HOSTILE = '\u001b[2J\u001b]0;pwned\u0007\u001b]8;;http://evil.example/\u0007click\u009b31m\u202etxt.exe\u2066x\u2069\u200b\u2028\ufeff\u007f\b\b\r\ue000';
/** Control, bidirectional, invisible and private-use characters, but for newline and tab. */
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufeff]/u;
/** Our own colours, which a terminal gets. */
const COLOURS = /\u001b\[(?:[0-9]|3[0-9])m/g;
const COMMANDS = [['host', 'show', 'web'], ['user', 'observe', 'web'], ['status'], ['host', 'list'], ['user', 'list']] as const;

describe.skipIf(!hosts.ok)('a host that says hostile things of itself', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let reeved: number;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'text', hosts: ['web'] });
    web = fleet.host('web');
    reeved = await mainPid(fleet.hub, 'reeved.service');
  });
  afterAll(() => fleet.close());

  /** A command on a terminal of its own, and what came out of it. */
  async function onTerminal(args: readonly string[]): Promise<string> {
    const line = `/usr/bin/reeve ${args.join(' ')}`;
    const shown = await fleet.hub.run(['script', '--quiet', '--return', '--command', line, '/dev/null'], { env: { TERM: 'xterm-256color' }, timeoutMs: 120_000 });
    return shown.replaceAll('\r\n', '\n');
  }

  async function restartAgent(): Promise<void> {
    await web.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 90_000 });
    await until(async () => (await fleet.json<{ hosts: { state: string }[] }>(['host', 'list'])).hosts[0]?.state === 'connected', { timeoutMs: 60_000, everyMs: 250, what: 'the host to be back' });
  }

  async function expectClean(): Promise<string> {
    let all = '';
    for (const args of COMMANDS) {
      const shown = await onTerminal(args);
      expect(shown.replace(COLOURS, ''), args.join(' ')).not.toMatch(UNSAFE);
      const plain = await fleet.reeve(args);
      expect(plain.stdout + plain.stderr, args.join(' ')).not.toMatch(UNSAFE);
      const json = await fleet.reeve([...args, '--json']);
      expect(json.stdout + json.stderr, args.join(' ')).not.toMatch(UNSAFE);
      expect(() => JSON.parse(json.stdout) as unknown).not.toThrow();
      all += shown;
    }
    expect(await mainPid(fleet.hub, 'reeved.service'), 'reeved is the same process').toBe(reeved);
    return all;
  }

  test('is seen by the instrument when nothing is escaped, so that the next tests can fail', async () => {
    await fleet.hub.write('/root/hostile', HOSTILE);
    const raw = await fleet.hub.run(['script', '--quiet', '--return', '--command', 'cat /root/hostile', '/dev/null']);
    expect(raw.replaceAll('\r\n', '\n').replace(COLOURS, '')).toMatch(UNSAFE);
    expect(await onTerminal(['host', 'show', 'web']), 'colours are on').toMatch(COLOURS);
    expect(await expectClean()).toContain('connected');
  });

  test('reaches no terminal with escapes in os-release, host name and accounts', async () => {
    await web.write('/etc/os-release', `ID=debian\nVERSION_ID="${HOSTILE.replaceAll('\r', '')}"\nPRETTY_NAME="Begin ${HOSTILE.replaceAll('\r', '')} end"\n`);
    await web.run(['perl', '-e', 'my $n = "evil\\e[31m\\xe2\\x80\\xae"; syscall(170, $n, length $n) == 0 or die $!']);
    const passwd = await web.read('/etc/passwd');
    const field = HOSTILE.replace('http:', '');
    const accounts = [`evil:x:3000:3000:Comment ${field}:/home/${field}:/bin/${field}`, `na\u001b[31m\u202eme:x:3001:3001:Second:/home/n:/bin/sh`];
    await web.write('/etc/passwd', `${passwd}${accounts.join('\n')}\n`);
    await restartAgent();
    const shown = await expectClean();
    expect(shown).toContain('Begin');
    expect(shown).toContain('Comment');
    expect(shown).toContain('Second');
    await web.write('/etc/passwd', passwd);
  });

  test('is cut when it says a megabyte, and reeved goes on', async () => {
    const megabyte = 'A'.repeat(1024 * 1024);
    const passwd = await web.read('/etc/passwd');
    await web.write('/etc/os-release', `ID=debian\nPRETTY_NAME="Long ${megabyte}"\n`);
    await web.write('/etc/passwd', `${passwd}long:x:3002:3002:Long ${megabyte}:/home/long:/bin/sh\n`);
    await restartAgent();
    const shown = await expectClean();
    const observed = await fleet.reeve(['user', 'observe', 'web']);
    expect(observed, 'one account does not hide the others').toMatchObject({ code: 0, stderr: '' });
    expect(observed.stdout).toMatch(/^root +0 /m);
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThan(8192);
    expect(await fleet.hub.run(['journalctl', '--unit', 'reeved', '--no-pager', '--output', 'cat'])).toMatch(/facts .*(dropped|cut|altered|lossy)/i);
    await web.write('/etc/passwd', passwd);
    await web.write('/etc/os-release', 'ID=debian\nPRETTY_NAME="Honest again"\n');
    await restartAgent();
    await until(async () => (await onTerminal(['host', 'show', 'web'])).includes('Honest again'), { timeoutMs: 60_000, everyMs: 500, what: 'honest facts to be shown' });
  }, 200_000);
});
