import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { getGeneration, listPending } from '../inventory/generation.js';
import { listParked } from '../inventory/vhost-parked.js';
import type { Office } from '../office.js';
import type { Noun } from '../reconcile/noun.js';
import { planHost } from '../reconcile/plan-host.js';
import { allNouns, findNoun } from '../reconcile/nouns.js';
import { vhostNoun } from '../reconcile/vhost.js';
import type { OperatorCaller } from './caller.js';
import { formatHostOutcome, formatSteps, parseChangeOptions } from './event.js';
import { changes, reads } from './row.js';
import { changeableHost, changeableHosts, listedHosts } from './select.js';

/** Converging, for operators. */
export function planService(office: () => Office): Service<OperatorCaller> {
  return defineService<PlanServiceDefinition, OperatorCaller>('reeve.coordinator.v1.PlanService', {
    Reconcile: {
      ...changes,
      handle: (request, context) => {
        const { db, changes: engine } = office();
        const selector = request.selector === '' ? 'all' : request.selector;
        const options = parseChangeOptions(request.options);
        if (options.mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY: there is nothing to stage');
        const wanted = parseNouns(request.noun);
        const summary = `apply ${request.noun === '' ? 'everything' : request.noun} on ${selector}`;
        const change = { summary, identity: summary, principal: context.principal, nouns: wanted, hosts: changeableHosts(db, context.principal, selector) };
        return formatSteps(engine.run(change, options, context.signal));
      },
    },
    PlanHost: {
      ...reads,
      // Each call has the host look at all that it has.
      rate: { perSecond: 2, burst: 20 },
      handle: async (request, { principal, signal }) => {
        const { db, fleet } = office();
        const planned = await planHost(office(), fleet, changeableHost(db, principal, request.host), signal);
        return { results: planned.map(formatHostOutcome) };
      },
    },
    ListPending: {
      ...reads,
      handle: (request, context) => {
        const { db } = office();
        const hosts = new Map(listedHosts(db, context.principal, request.selector).map((host) => [host.id, host]));
        const parked = listParked(db).flatMap(({ hostId, name, problem, sinceMs }) => {
          const host = hosts.get(hostId);
          const generation = getGeneration(db, hostId, vhostNoun.name);
          // Where the noun itself is pending, that says it.
          if (host === undefined || generation === undefined || generation.applied < generation.wanted) return [];
          return [{ hostName: host.name, noun: vhostNoun.name, generation: generation.wanted, applied: generation.applied, reason: `site "${name}" is parked: ${problem}`, since: toTimestamp(sinceMs) }];
        });
        const pending = listPending(db)
          .flatMap((row) => {
            const host = hosts.get(row.hostId);
            if (host === undefined) return [];
            return [{ hostName: host.name, noun: row.noun, generation: row.wanted, applied: row.applied, reason: row.reason, since: toTimestamp(row.sinceMs) }];
          })
          .concat(parked)
          .sort((a, b) => (a.hostName < b.hostName ? -1 : a.hostName > b.hostName ? 1 : 0));
        return Promise.resolve({ pending });
      },
    },
  });
}

function parseNouns(name: string): readonly Noun[] {
  if (name === '') return allNouns;
  const noun = findNoun(name);
  if (noun === undefined) throw fieldInvalid('noun', name, `one of ${allNouns.map((known) => known.name).join(', ')}`);
  return [noun];
}
