import { ReeveError } from '../../shared/errors/error.js';
import type { MuteRow } from '../desired/alert.js';
import type { Database } from '../inventory/database.js';
import { hostsWithLabel, selectHosts } from '../inventory/host.js';

/** Whether a selector, within a scope, names a host; what is about the coordinator itself (undefined) is named by "all" and the empty one, without a scope. */
export type Matches = (of: Pick<MuteRow, 'selector' | 'scope'>, hostId: string | undefined) => boolean;

/** Matches selectors as the inventory is now; what a selector names is looked up once. A selector that names nothing any more matches nothing. */
export function createMatches(db: Database): Matches {
  const selected = new Map<string, ReadonlySet<string>>();
  const labelled = new Map<string, ReadonlySet<string>>();
  const idsOf = (selector: string): ReadonlySet<string> => {
    const known = selected.get(selector);
    if (known !== undefined) return known;
    const ids = new Set(lookUp(db, selector));
    selected.set(selector, ids);
    return ids;
  };
  return ({ selector, scope }, hostId) => {
    const all = selector === 'all' || selector === '';
    if (hostId === undefined) return all && scope === undefined;
    if (!all && !idsOf(selector).has(hostId)) return false;
    return scope === undefined || scope.some((label) => {
      const key = `${label.key}=${label.value}`;
      const ids = labelled.get(key) ?? new Set(hostsWithLabel(db, label));
      labelled.set(key, ids);
      return ids.has(hostId);
    });
  };
}

function lookUp(db: Database, selector: string): string[] {
  try {
    return selectHosts(db, selector).map(({ id }) => id);
  } catch (error) {
    if (error instanceof ReeveError) return [];
    throw error;
  }
}
