import type { ApplyReleaseRequest, ApplyReleaseRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyReleaseRequest.js';
import type { ApplyReleaseResponse, ApplyReleaseResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyReleaseResponse.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { newId } from '../../shared/kit/id.js';
import type { Canonical } from '../../shared/model/canonical.js';
import { formatChange, type Change } from '../../shared/model/change.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { parseIntent } from '../engine/intent.js';
import type { NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import type { ObservedNoun } from '../status/snapshot.js';
import type { ReleaseState } from './state.js';

/** The work of ApplyRelease: what is seen is whether the host was released. */
export type ReleaseWork = NounWork<ApplyReleaseRequest, undefined, boolean, ApplyReleaseResponseInput>;

/** Most objects that a refusal names. */
const mostNamed = 5;

/** What letting go of the host needs. */
export interface ReleaseWorkOptions {
  readonly state: ReleaseState;
  readonly hostName: string;
  readonly clock: Clock;
  /** All nouns: none may have a managed object any more. */
  readonly nouns: readonly ObservedNoun[];
  readonly onReleased: () => void;
}

/** ApplyRelease, as the engine runs it: noun "host" goes from managed to released, and never back. */
export function releaseWork(options: ReleaseWorkOptions): ReleaseWork {
  const { state, hostName, clock, nouns, onReleased } = options;
  const plan = (released: boolean): Plan => ({ steps: [], changes: released ? [] : [changeOf(hostName)], problems: [] });
  return {
    noun: 'host',
    part: 'accounts',
    method: 'reeve.agent.v1.ReleaseService/ApplyRelease',
    request: messageCodec<ApplyReleaseRequestInput, ApplyReleaseRequest>('reeve.agent.v1.ApplyReleaseRequest'),
    response: messageCodec<ApplyReleaseResponseInput, ApplyReleaseResponse>('reeve.agent.v1.ApplyReleaseResponse'),
    parse: (wire) => ({ intent: parseIntent(wire.intent), wanted: undefined }),
    observe: () => Promise.resolve(state.released() !== undefined),
    model: (released): readonly Canonical[] => [{ name: hostName, released }],
    plan: (_wanted, released) => plan(released),
    release: plan,
    refused: () => [],
    removalOnly: (wanted) => wanted,
    // Changes that are under way end first: each noun is looked at between its changes, and none begins any more.
    commit: async (operationId) => {
      const closed = state.close();
      try {
        for (const noun of nouns) await requireNothing(noun, hostName, newId(clock.now()));
        state.store({ operationId, at: clock.now() });
        failpoint('agent.release.stored');
        onReleased();
      } finally {
        closed.done();
      }
    },
    respond: ({ changes, digestBefore, digest, policyDigest }) => ({ changes: changes.map(formatChange), digestBefore, digest, policyDigest }),
    stepDone: () => undefined,
  };
}

function changeOf(hostName: string): Change {
  return { kind: 'update', noun: 'host', subject: hostName, fields: [{ field: 'state', from: 'managed', to: 'released' }] };
}

/** Throws RELEASE_MANAGED when something of a noun is still managed. A noun that the policy does not even let anybody see is not asked about. */
async function requireNothing(noun: ObservedNoun, hostName: string, operationId: string): Promise<void> {
  const names = await managedNames(noun, operationId);
  if (names.length === 0) return;
  const more = names.length > mostNamed ? ` and ${String(names.length - mostNamed)} more` : '';
  throw reeveError('RELEASE_MANAGED', { host: hostName, noun: noun.noun, rule: `${noun.noun} ${names.slice(0, mostNamed).map((name) => `"${name}"`).join(', ')}${more}` });
}

async function managedNames(noun: ObservedNoun, operationId: string): Promise<string[]> {
  try {
    const model = await noun.observe(operationId);
    return Array.isArray(model) ? model.map(nameOf) : [];
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'POLICY_DENIED') return [];
    throw error;
  }
}

function nameOf(object: Canonical): string {
  return typeof object === 'object' && object !== null && 'name' in object && typeof object.name === 'string' ? object.name : '?';
}
