import { reeveError } from '../../shared/errors/error.js';
import { formatLabel } from '../../shared/model/label.js';
import { parseSelector } from '../../shared/model/selector.js';
import type { Database } from '../inventory/database.js';
import type { GrantRow, GrantTarget } from '../inventory/grant.js';
import { getHost } from '../inventory/host.js';
import { touchedHosts } from '../inventory/key-touched.js';
import { hostFor, inScope, type Scoped } from './select.js';

/** Where a grant is to let in, from a selector. A caller with a scope grants nothing wider than that. Errors: SELECTOR_INVALID, HOST_UNKNOWN, SCOPE_REFUSED. */
export function grantTarget(db: Database, caller: Scoped, text: string): GrantTarget {
  const selector = parseSelector(text);
  const target: GrantTarget = selector.kind === 'all' ? { kind: 'all' } : selector.kind === 'label' ? { kind: 'label', label: selector.label } : { kind: 'host', hostId: hostFor(db, caller, selector.name).id };
  requireWithin(db, caller, target, `let in on ${text}`);
  return target;
}

/** Refuses what reaches beyond the scope of a caller, now or later. Errors: SCOPE_REFUSED. */
export function requireWithin(db: Database, caller: Scoped, target: GrantTarget, what: string): void {
  const { scope } = caller;
  if (scope === undefined) return;
  const within = target.kind === 'host' ? inScope(db, caller, target.hostId) : target.kind === 'label' && scope.some((label) => formatLabel(label) === formatLabel(target.label));
  if (!within) throw reeveError('SCOPE_REFUSED', { value: scope.map(formatLabel).join(' or '), rule: what });
}

/** Whether a grant exists for a caller: it reaches a host of the scope, or could. */
export function reachesScope(db: Database, caller: Scoped, grant: Pick<GrantRow, 'id' | 'target'>): boolean {
  const { scope } = caller;
  if (scope === undefined || grant.target.kind === 'all') return true;
  const { target } = grant;
  if (target.kind === 'label' && scope.some((label) => formatLabel(label) === formatLabel(target.label))) return true;
  return touchedHosts(db, { kind: 'grant', id: grant.id }).some((hostId) => inScope(db, caller, hostId));
}

/** Where a grant lets in, as a selector. */
export function targetText(db: Database, target: GrantTarget): string {
  if (target.kind === 'all') return 'all';
  return target.kind === 'label' ? formatLabel(target.label) : (getHost(db, target.hostId)?.name ?? target.hostId);
}
