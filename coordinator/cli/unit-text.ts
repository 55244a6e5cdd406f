import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy } from '../../shared/errors/error.js';
import type { UnitOnHost } from '../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import type { UnitState } from '../../shared/gen/proto/reeve/type/v1/UnitState.js';
import { formatAge } from '../../shared/model/duration.js';
import { vis } from '../../shared/model/vis.js';
import { itemOf } from './detail.js';
import { worstExit } from './exit.js';
import { formatBytes } from './size.js';
import { paint, renderTable, type Cell, type Tone } from './table.js';
import type { Terminal } from './terminal.js';

const tones: Readonly<Record<string, Tone>> = { active: 'green', failed: 'red', inactive: 'dim', activating: 'yellow', deactivating: 'yellow', reloading: 'yellow' };

/** `active`; of one that is not loaded, why: `not-found`. */
function stateCell({ load, active }: UnitState): Cell {
  if (load !== 'loaded') return { text: load, tone: 'red' };
  const tone = Object.hasOwn(tones, active) ? tones[active] : undefined;
  return tone === undefined ? active : { text: active, tone };
}

/** How it ended last: `success`, `exit-code 3`, `signal 9`. */
function resultText({ load, result, exitStatus, exitSignal }: UnitState): string {
  if (load !== 'loaded') return '';
  const told = exitSignal ? ['signal', 'core-dump', 'watchdog', 'oom-kill'] : ['exit-code'];
  return told.includes(result) ? `${result} ${String(exitStatus)}` : result;
}

function cellsOf({ hostName, state }: UnitOnHost, now: number): Cell[] {
  if (state === null) return [hostName, '', { text: 'unknown', tone: 'yellow' }];
  const { sinceMs, mainPid, restarts, memoryBytes } = state;
  return [hostName, state.unit, stateCell(state), state.sub, sinceMs === 0 ? '' : formatAge(now - sinceMs), mainPid === 0 ? '' : String(mainPid), String(restarts), memoryBytes === 0 ? '' : formatBytes(memoryBytes), resultText(state)];
}

/** The unit on hosts as a table, and below it why hosts said nothing. `word`: what it is called that a host said no. */
export function renderUnits(terminal: Pick<Terminal, 'color'>, hosts: readonly UnitOnHost[], how: { readonly word: string; readonly now: number }): string {
  const head = ['host', 'unit', 'state', 'sub-state', 'since', 'main pid', 'restarts', 'memory', 'result'];
  return renderTable(terminal, head, hosts.map((host) => cellsOf(host, how.now)), 'No hosts.') + renderTroubles(terminal, hosts, how.word);
}

function renderTroubles(terminal: Pick<Terminal, 'color'>, hosts: readonly UnitOnHost[], word: string): string {
  return hosts.flatMap(({ hostName, errors }) => errors.map(itemOf).map((item) => {
    const away = catalogue[item.code].exit === 3;
    const remedy = vis(formatRemedy(item));
    return `${paint(terminal, away ? 'not asked' : word, away ? 'yellow' : 'red')}: ${vis(hostName)}: ${vis(formatMessage(item))}\n${remedy === '' ? '' : `  ${remedy}\n`}`;
  })).join('');
}

/** The worst of what hosts said. */
export function exitOfUnits(hosts: readonly UnitOnHost[]): number {
  return worstExit(hosts.flatMap(({ errors }) => errors.map((detail) => catalogue[itemOf(detail).code].exit)));
}
