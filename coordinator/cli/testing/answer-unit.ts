import type { UnitOnHostInput } from '../../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import type { UnitLogLineInput } from '../../../shared/gen/proto/reeve/type/v1/UnitLogLine.js';
import type { UnitStateInput } from '../../../shared/gen/proto/reeve/type/v1/UnitState.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const id = (number: number): string => `01930000-0000-7000-8000-${String(number).padStart(12, '0')}`;

const running: UnitStateInput = { unit: 'nginx.service', load: 'loaded', active: 'active', sub: 'running', result: 'success', sinceMs: nowMs - 7_200_000, mainPid: 4711, restarts: 0, memoryBytes: 12_582_912, exitStatus: 0, exitSignal: false };
const crashed: UnitStateInput = { ...running, active: 'failed', sub: 'failed', result: 'signal', sinceMs: nowMs - 60_000, mainPid: 0, restarts: 5, memoryBytes: 0, exitStatus: 9, exitSignal: true };
const missing: UnitStateInput = { unit: 'nginx.service', load: 'not-found', active: 'inactive', sub: 'dead', result: 'success' };

const on = (number: number, hostName: string, state: UnitStateInput | null, errors: UnitOnHostInput['errors'] = []): UnitOnHostInput => ({ hostId: id(number), hostName, state, errors });
const away = on(5, 'web5', null, [{ code: 'HOST_UNREACHABLE', fields: { host: 'web5', reason: 'connection refused' } }]);
const denied = on(4, 'web4', null, [{ code: 'POLICY_DENIED', fields: { host: 'web4', op: 'unit.restart', args: 'unit=nginx.service', line: 'allow unit.restart unit=nginx.service' } }]);
const failed = on(2, 'web2', null, [{ code: 'UNIT_FAILED', fields: { host: 'web2', value: 'The restart of unit "nginx.service"', rule: 'exit-code: its process ended with exit code 1' } }]);

/** Lines of the canned journal. */
export const logLines: readonly UnitLogLineInput[] = [
  { timeUs: nowMs * 1000 - 5_000_001, unit: 'reeve-agent.service', priority: 6, message: '{"level":"info","program":"reeve-agent","msg":"listening"}', identifier: 'node', pid: 812 },
  { timeUs: nowMs * 1000 - 4_000_000, unit: 'reeve-privd.service', priority: 3, message: 'it\u001b[2J hides\nand \u202eturns', identifier: 'reeve-privd', pid: 900 },
  { timeUs: nowMs * 1000 - 3_000_000, unit: 'reeve-agent.service', priority: 7, message: 'x'.repeat(80), cut: true, identifier: 'node', pid: 812 },
];

/** What the canned coordinator answers about units. */
export function unitAnswers(): Handlers {
  return {
    'UnitService.ListUnits': () => ({ hosts: [on(1, 'web1', running), on(2, 'web2', crashed), on(3, 'web3', missing), { ...denied, errors: [{ code: 'POLICY_DENIED', fields: { host: 'web4', op: 'unit.status', args: 'unit=nginx.service', line: 'allow unit.status unit=nginx.service' } }] }, away] }),
    'UnitService.RestartUnits': (request: { mode: string }) =>
      request.mode === 'CHANGE_MODE_PLAN'
        ? [{ host: away }, { host: on(2, 'web2', crashed) }, { host: on(1, 'web1', running) }, { host: denied }, { finished: { operationId: '' } }]
        : [{ host: failed }, { host: on(1, 'web1', { ...running, mainPid: 4800, sinceMs: nowMs - 1000 }) }, { host: denied }, { host: away }, { finished: { operationId: id(99) } }],
    'UnitService.FollowUnitLog': () => [{ lines: logLines.slice(0, 2) }, { lines: logLines.slice(2) }],
  };
}
