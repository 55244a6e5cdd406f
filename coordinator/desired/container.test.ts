import { describe, expect, it } from 'vitest';
import { podmanSpec, wanted } from '../../test/support/test-container.js';
import { desiredContainers, startedSpec, stoppedSpec, versionedSecrets, type ContainerRow } from './container.js';
import { cpuPercent, guestOf, judgeContainer, type JudgedContainer } from './container-judge.js';
import { parseObservedContainers, type ObservedContainer } from './container-observed.js';

const spec = podmanSpec();
const row: ContainerRow = { hostId: 'h', container: wanted('web', spec), by: 'root', addedAtMs: 1, generation: 1 };

function observed(more: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    name: 'web', engine: 'podman', managed: true, spec, state: 'running', reason: '', boot: true, edited: '', health: '', sinceMs: 1, pid: 1, cpuUs: 1, memory: 1, memoryMax: 0, memoryCounted: true, tasks: 1, disk: 0, image: '', address: '',
    bridge: '', id: 0, unit: '', pending: false, ...more,
  };
}

const judge = (more: Partial<JudgedContainer>): string => {
  const { status, reason } = judgeContainer({ hostName: 'web1', name: 'web', row, owed: undefined, observed: observed(), unasked: undefined, guest: '', ...more });
  return `${status}: ${reason}`;
};
const apply = 'reeve apply --on web1 --noun container';

describe('a container is judged', () => {
  it.each<[string, Partial<JudgedContainer>, string]>([
    ['as it should be', {}, 'ok: '],
    ['not healthy', { observed: observed({ health: 'unhealthy' }) }, 'ok: it is not healthy; see: reeve container logs web1 web'],
    ['asleep', { observed: observed({ state: 'sleeping' }) }, 'ok: '],
    ['to be told', { owed: 'connection refused' }, `pending: its host still has to be told (connection refused); to do it: ${apply}`],
    ['to be removed', { row: { ...row, container: { presence: 'absent', name: 'web', removeVolumes: false } }, owed: '' }, `pending: it is to be removed; to do it: ${apply}`],
    ['to be let go', { row: { ...row, container: { presence: 'released', name: 'web' } } }, `pending: it is to go on without Reeve; to do it: ${apply}`],
    ['of a host that does not answer', { observed: undefined, unasked: 'connection refused' }, 'unknown: connection refused'],
    ['gone', { observed: undefined }, `missing: it was removed by hand; to make it anew: ${apply}`],
    ['half gone', { observed: observed({ state: 'missing' }) }, `missing: it was removed by hand; to make it anew: ${apply}`],
    ['somebody else’s', { observed: observed({ managed: false, spec: undefined }) }, 'drift: somebody else made one of this name; to take it over: reeve container adopt web1 web'],
    ['altered by hand', { observed: observed({ edited: '/etc/x' }) }, 'drift: /etc/x was altered by hand; to write over it: reeve container set web1 web --overwrite'],
    ['in the middle of a change', { observed: observed({ pending: true }) }, `drift: a change of it was neither kept nor taken back; to settle it: ${apply}`],
    ['another one', { observed: observed({ spec: podmanSpec({ stopSeconds: 5 }) }) }, `drift: its host has it otherwise; to make it so: ${apply}`],
    ['unreadable', { observed: observed({ spec: undefined }) }, `drift: its host has it otherwise; to make it so: ${apply}`],
    ['failed', { observed: observed({ state: 'failed', reason: 'exit code 1' }) }, `drift: it failed (exit code 1); see: reeve container logs web1 web; to start it: ${apply}`],
    ['stopped by hand', { observed: observed({ state: 'stopped' }) }, `drift: it was stopped by hand; to start it: ${apply}`],
    ['started by hand', { row: { ...row, container: wanted('web', stoppedSpec(spec)) }, observed: observed({ spec: stoppedSpec(spec) }) }, `drift: it was started by hand; to stop it: ${apply}`],
    ['stopping as wanted', { row: { ...row, container: wanted('web', stoppedSpec(spec)) }, observed: observed({ spec: stoppedSpec(spec), state: 'stopping' }) }, 'ok: '],
    ['foreign', { row: undefined, observed: observed({ managed: false, spec: undefined }) }, 'foreign: Reeve does not manage it; to take it over: reeve container adopt web1 web'],
    ['ours, but wanted by nobody', { row: undefined }, 'foreign: nothing is wanted of it; to take it over: reeve container adopt web1 web'],
    ['a host', { row: undefined, guest: 'mail1' }, 'foreign: it is host "mail1"; to have Reeve manage the container, too: reeve container adopt web1 web'],
    ['of a name that is none of ours', { row: undefined, name: 'web_1', observed: observed({ name: 'web_1', managed: false }) }, 'foreign: Reeve does not manage it, and cannot take it over by this name'],
    ...['101', 'host', 'none'].map((name): [string, Partial<JudgedContainer>, string] => [`called ${name}`, { row: undefined, name, observed: observed({ name, managed: false }) }, 'foreign: Reeve does not manage it, and cannot take it over by this name']),
  ])('%s', (_what, more, expected) => {
    expect(judge(more)).toBe(expected);
  });

  it('and is not another one for the keys that it was made with, nor for its tag', () => {
    const key = `ssh-ed25519 ${Buffer.alloc(51, 1).toString('base64')}`;
    expect(judge({ observed: observed({ spec: { ...spec, tag: 'x', sshKeys: [key] } }) })).toBe('ok: ');
  });
});

describe('a host that is a container', () => {
  const children = [{ name: 'mail1.example.org', address: '10.0.3.7' }, { name: 'web', address: undefined }];
  it('is found by its address before its name', () => {
    expect(guestOf(children, { name: 'web', addresses: ['10.0.3.7/24', ''] })).toBe('mail1.example.org');
    expect(guestOf(children, { name: 'web', addresses: ['', ''] })).toBe('web');
    expect(guestOf(children, { name: 'mail1', addresses: [] })).toBe('mail1.example.org');
    expect(guestOf(children, { name: 'mail', addresses: ['10.0.3.70/24'] })).toBe('');
  });
});

describe('what is wanted', () => {
  it('is told by name, also what is to go', () => {
    const rows: ContainerRow[] = [row, { ...row, container: { presence: 'absent', name: 'old', removeVolumes: true } }];
    expect(desiredContainers(rows, row.generation)).toMatchObject([{ name: 'old', presence: 'CONTAINER_PRESENCE_ABSENT', removeVolumes: true }, { name: 'web', presence: 'CONTAINER_PRESENCE_PRESENT', spec: { engine: 'podman' }, aside: false }]);
  });

  it('for the sake of a newer one keeps that one not waiting', () => {
    const newer = { ...row, container: { ...row.container, name: 'newer' }, generation: row.generation + 1 };
    expect(desiredContainers([row, newer], newer.generation)).toMatchObject([{ name: 'newer', aside: false }, { name: 'web', aside: true }]);
  });

  it('runs or is stopped from now on; one that runs without the host stays so', () => {
    expect([stoppedSpec(spec), startedSpec(stoppedSpec(spec)), startedSpec(podmanSpec({ boot: false }))].map(({ running, boot }) => [running, boot])).toEqual([[false, false], [true, true], [true, false]]);
  });

  it('has a version for each secret: a new one where a value came, else the one from before', () => {
    const before = podmanSpec({ secrets: [{ name: 'a', version: '1' }, { name: 'b', version: '2' }] });
    expect(versionedSecrets([{ name: 'a' }, { name: 'c' }, { name: 'b' }], new Map([['a', '8'], ['c', '9']]), before)).toEqual([{ name: 'a', version: '8' }, { name: 'c', version: '9' }, { name: 'b', version: '2' }]);
    expect(() => versionedSecrets([{ name: 'd' }], new Map(), before)).toThrow(expect.objectContaining({ code: 'FIELD_MISSING', fields: expect.objectContaining({ field: 'value of secret "d"' }) as object }) as Error);
  });
});

describe('processor time', () => {
  const look = { sinceMs: 1_000, cpuUs: 5_000_000, atMs: 100 };
  it.each([
    ['between two looks', look, { sinceMs: 1_000, cpuUs: 6_000_000, atMs: 2_100 }, 50],
    ['since it was started, at first', undefined, { sinceMs: 1_000, cpuUs: 4_500_000, atMs: 1 }, 50],
    ['since it was started anew', look, { sinceMs: 9_000, cpuUs: 100_000, atMs: 3_100 }, 10],
    ['of one that does not run', look, { sinceMs: 0, cpuUs: 0, atMs: 2_100 }, 0],
    ['of one that was started in the future', undefined, { sinceMs: 20_000, cpuUs: 7, atMs: 2_100 }, 0],
  ])('%s', (_what, before, now, percent) => {
    expect(cpuPercent(before, now, 10_000)).toBe(percent);
  });
});

it('what a host says is cut and checked', () => {
  const wire = { name: 'x', engine: 'podman', managed: true, spec: null, state: 'running', reason: 'r'.repeat(5000), boot: false, edited: '', health: '', sinceMs: -1, pid: Number.NaN, cpuUs: 1.5, memory: 2 ** 60, memoryMax: 7, memoryCounted: true, tasks: 1, disk: 0, image: '', address: '', bridge: '', id: 0, unit: '', pending: false };
  expect(parseObservedContainers([wire, { ...wire, name: '' }, { ...wire, name: 'odd', state: 'flying' }, { ...wire, name: 'a', spec: { engine: 'x' } as never }])).toMatchObject([{ name: 'a', spec: undefined }, { name: 'x', sinceMs: 0, pid: 0, cpuUs: 0, memory: 0, memoryMax: 7 }]);
  expect(parseObservedContainers([wire])[0]?.reason).toHaveLength(1024);
  expect(parseObservedContainers(Array.from({ length: 3000 }, (_none, n) => ({ ...wire, name: `c${String(n)}` })))).toHaveLength(2000);
});
