import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { AdoptNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AdoptNatRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ForeignNat } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import { parseForward, parseMasquerade, parseNatPort } from '../../shared/model/nat.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { HostRow } from '../inventory/host.js';
import { addForward, addMasquerade, type NewForward, type NewMasquerade } from '../inventory/nat.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { natSubject, runNat } from './nat-change.js';
import { requireInScope } from './nat-destination.js';
import { askNat } from './nat-show.js';
import { changeableHost } from './select.js';

/** Something of others that is to be taken over. */
type Found = { readonly kind: 'forward'; readonly forward: NewForward } | { readonly kind: 'masquerade'; readonly masquerade: NewMasquerade };

/**
 * Takes over forwards and masquerades that others made on a host: they are stored as they are, and their old rules are deleted when the host confirms the change.
 * Errors: NAT_ADOPT with all that was named and cannot be taken over, or when nothing can.
 */
export async function* adoptNat(office: Office, context: CallContext<OperatorCaller>, request: AdoptNatRequest): AsyncGenerator<ChangeEventInput> {
  const { db, clock } = office;
  const { principal } = context;
  const host = changeableHost(db, principal, request.host);
  const { foreign } = await askNat(office, host, { foreign: true, deadlineMs: 30_000 });
  const found = chosen(host, foreign, request.which);
  yield* runNat(office, context, {
    host,
    verb: 'adopt',
    subject: found.map(subjectOf).join(','),
    detail: { which: request.which, found },
    options: request.options,
    confirm: request.confirm,
    edit: (_db, generation) => {
      const entry = { hostId: host.id, enabled: true, comment: '', by: principal.account, generation, now: clock.now() };
      for (const one of found) {
        if (one.kind === 'masquerade') addMasquerade(db, one.masquerade, entry);
        else {
          requireInScope(db, principal, host, one.forward.to);
          addForward(db, one.forward, entry);
        }
      }
      return true;
    },
  });
}

/** What is to be taken over: all that was named, or all that can be. */
function chosen(host: HostRow, foreign: readonly ForeignNat[], which: readonly string[]): Found[] {
  const refused = (value: string, rule: string): ErrorItem => ({ code: 'NAT_ADOPT', fields: { value, host: host.name, rule } });
  const able = foreign.filter(({ problem }) => problem === '').map((row) => parseFound(row));
  const all = once(able.filter((row) => row !== undefined));
  if (which.length === 0) {
    if (all.length > 0) return all;
    const problems = foreign.filter(({ problem }) => problem !== '').map(({ rule, problem }) => refused(rule.slice(0, 256), problem.slice(0, 512)));
    throw new ReeveError(problems.length === 0 ? [refused('Nothing', 'no rule of others forwards or masquerades there')] : problems.slice(0, 100));
  }
  const problems: ErrorItem[] = [];
  const named = which.flatMap((text) => {
    const matching = all.filter((row) => isNamed(row, text));
    if (matching.length > 0) return matching;
    const blocked = foreign.map((row) => ({ row, found: parseFound(row) })).find(({ found }) => found !== undefined && isNamed(found, text));
    problems.push(refused(text, blocked === undefined ? 'no rule of others does that there, as far as Reeve can tell' : `${blocked.row.rule}: ${blocked.row.problem}`.slice(0, 512)));
    return [];
  });
  if (problems.length > 0) throw new ReeveError(problems);
  return once(named);
}

/** What a host says of a rule, as it would be stored; undefined: it cannot be. */
function parseFound({ forward, masquerade }: ForeignNat): Found | undefined {
  try {
    if (forward !== null) {
      const { id: _id, to, ...parsed } = parseForward({ ...forward, id: 1, adopt: true });
      return { kind: 'forward', forward: { ...parsed, to: { kind: 'address', address: to } } };
    }
    if (masquerade === null) return undefined;
    const { id: _id, ...parsed } = parseMasquerade({ ...masquerade, id: 1, adopt: true });
    return { kind: 'masquerade', masquerade: parsed };
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

function subjectOf(found: Found): string {
  return natSubject(found.kind === 'forward' ? { kind: 'forward', ...found.forward } : { kind: 'masquerade', source: found.masquerade.source });
}

function isNamed(found: Found, text: string): boolean {
  if (subjectOf(found) === text) return true;
  if (found.kind !== 'forward' || !/^(?:tcp|udp)\/[0-9]+$/.test(text)) return false;
  const { protocol, port } = parseNatPort('which', text);
  return found.forward.protocol === protocol && found.forward.ports.first <= port && port <= found.forward.ports.last;
}

/** The same rule may stand in several chains, PREROUTING and OUTPUT for one. */
function once(rows: readonly Found[]): Found[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
}
