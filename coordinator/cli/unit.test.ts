import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

describe('units', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    process.env['TZ'] = 'UTC';
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options: Parameters<typeof runCaptured>[2] = {}) => runCaptured(coordinator.socket, line, options);
  const modes = (): unknown[] => coordinator.requests.map(({ request }) => (request as { mode: string }).mode);

  it('are restarted after a question, which says on how many hosts', async () => {
    const ran = await run(['unit', 'restart', '--on', 'role=web', 'nginx.service'], { answer: 'y' });
    expect(ran).toMatchObject({ exit: 1, asked: ['Restart nginx.service on 2 hosts? [y/N] '] });
    expect(modes()).toEqual(['CHANGE_MODE_PLAN', 'CHANGE_MODE_APPLY']);
    expect(ran.out).toContain('allow unit.restart unit=nginx.service');
    expect(ran.out).toContain('4800');
  });

  it('are not restarted at a no, nor where nobody can be asked', async () => {
    expect(await run(['unit', 'restart', '--on', 'web1', 'nginx.service'], { answer: 'n' })).toMatchObject({ exit: 1 });
    expect(modes()).toEqual(['CHANGE_MODE_PLAN']);
    coordinator.requests.length = 0;
    expect(await run(['unit', 'restart', '--on', 'web1', 'nginx.service'])).toMatchObject({ exit: 2 });
    expect(await run(['unit', 'restart', '--on', 'web1', 'nginx.service', '--json'])).toMatchObject({ exit: 2 });
    expect(coordinator.requests).toEqual([]);
  });

  it('are not asked about when no host would restart them', async () => {
    coordinator.answers = { ...answers, 'UnitService.RestartUnits': () => [{ host: { hostId: 'a', hostName: 'web9', errors: [{ code: 'UNIT_PROTECTED', fields: { host: 'web9', value: 'ssh.service', rule: 'it lets people in' } }] } }, { finished: {} }] };
    const ran = await run(['unit', 'restart', '--on', 'web9', 'ssh.service'], { answer: 'y' });
    expect(ran).toMatchObject({ exit: 1, asked: [] });
    expect(ran.out).toContain('refused: web9: Unit "ssh.service" of host "web9" is never restarted by Reeve, whatever the policy says: it lets people in\n');
    expect(modes()).toEqual(['CHANGE_MODE_PLAN']);
  });

  it.each([
    ['nothing', [], 0], ['a host that is away', [{ code: 'HOST_UNREACHABLE', fields: {} }], 3], ['a refusal', [{ code: 'POLICY_DENIED', fields: {} }], 1], ['a mistake', [{ code: 'FIELD_INVALID', fields: {} }], 2],
    ['a host that is away, and a refusal', [{ code: 'HOST_UNREACHABLE', fields: {} }, { code: 'POLICY_DENIED', fields: {} }], 1], ['an old agent', [{ code: 'VERSION_UNSUPPORTED', fields: {} }], 1],
  ])('exit with the worst of what hosts say: %s', async (_name, errors, exit) => {
    const host = { hostId: 'a', hostName: 'web9', errors };
    coordinator.answers = { ...answers, 'UnitService.ListUnits': () => ({ hosts: [host] }), 'UnitService.RestartUnits': () => [{ host }, { finished: {} }] };
    expect((await run(['unit', 'status', '--on', 'all', 'a.service'])).exit).toBe(exit);
    expect((await run(['unit', 'restart', '--on', 'all', 'a.service', '--yes'])).exit).toBe(exit);
  });

  it('that ended in the middle are told as far as they are known', async () => {
    coordinator.answers = { ...answers, 'UnitService.RestartUnits': () => [{ host: { hostId: 'a', hostName: 'web9', errors: [{ code: 'UNIT_FAILED', fields: { value: 'it', rule: 'why' } }] } }] };
    const ran = await run(['unit', 'restart', '--on', 'all', 'a.service', '--yes']);
    expect(ran.exit).toBe(70);
    expect(ran.out).toContain('web9');
  });

  it.each([['unit', 'status', '--on', 'all', 'nginx'], ['unit', 'restart', '--on', 'all', '--yes', 'x@.service'], ['unit', 'status', 'nginx.service'], ['log', 'web1', '--unit', '../x.service'], ['log', 'web1', '--lines', '0'], ['log', 'WEB1']])('%s %s %s %s %s', async (...line) => {
    expect((await run(line)).exit).toBe(2);
    expect(coordinator.requests).toEqual([]);
  });
});

describe('reeve log', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    process.env['TZ'] = 'UTC';
    coordinator = await startCoordinator();
    coordinator.answers = answers;
  });
  afterAll(() => coordinator.close());

  it('shows time, unit, priority and message, and nothing that a terminal would obey', async () => {
    const { exit, out } = await runCaptured(coordinator.socket, ['log', 'web1']);
    expect(exit).toBe(0);
    expect(out.split('\n')[1]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d reeve-privd\.service err {5}it\\u\{1b\}\[2J hides\\u\{a\}and \\u\{202e\}turns$/);
    expect(out.split('\n')).toHaveLength(4);
    expect(out.split('\n')[2]?.endsWith(`${'x'.repeat(80)}…`)).toBe(true);
    expect(coordinator.requests.at(-1)?.request).toMatchObject({ host: 'web1', units: [], lines: 0, follow: false });
  });

  it('gives programs a document on each line', async () => {
    const { out } = await runCaptured(coordinator.socket, ['log', 'web1', '--json', '--follow', '-n', '5', '--unit', 'a.service', '--unit', 'b.timer']);
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ unit: 'reeve-privd.service', priority: 'err', message: 'it\u001b[2J hides\nand \u202eturns', cut: false, pid: 900 });
    expect(coordinator.requests.at(-1)?.request).toMatchObject({ units: ['a.service', 'b.timer'], lines: 5, follow: true });
  });
});
