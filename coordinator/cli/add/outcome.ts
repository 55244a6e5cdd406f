import { formatMessage, formatRemedy, type ReeveError } from '../../../shared/errors/error.js';
import { vis } from '../../../shared/model/vis.js';
import { exitOfError } from '../exit.js';
import { errorJson, toJson, type Json } from '../json.js';
import type { Step, TakenIn } from './take-in.js';

/** What became of one machine. */
export type Outcome = { readonly name: string } & ({ readonly kind: 'in'; readonly taken: TakenIn } | { readonly kind: 'failed'; readonly error: ReeveError; readonly step: Step });

/** The exit code of one machine. */
export function exitOfOutcomeOf(outcome: Outcome): number {
  return outcome.kind === 'in' ? 0 : exitOfError(outcome.error);
}

/** One machine as a line for people, or several when it failed and something can be done. */
export function outcomeText(outcome: Outcome): string {
  const { name } = outcome;
  if (outcome.kind === 'failed') {
    const lines = outcome.error.items.flatMap((item) => [formatMessage(item), ...(formatRemedy(item) === '' ? [] : [`  ${formatRemedy(item)}`])]);
    return `Host "${vis(name)}" is not in: ${lines.map((line) => `${vis(line)}\n`).join('')}`;
  }
  const { before, proof, policy } = outcome.taken;
  const words = [
    `agent ${vis(proof.status?.agentVersion ?? '?')}`,
    `answered in ${(proof.roundTripUs / 1000).toFixed(1)} ms`,
    ...(proof.host === null || proof.host.address === '' ? [] : [`at ${vis(proof.host.address)}`]),
    policyWords(proof.status?.policyState ?? '', policy),
    `helper ${vis(proof.status?.helperState ?? '?')}`,
  ];
  return `Host "${vis(name)}" ${before ? 'was in already' : 'is in'}: ${words.join(', ')}\n`;
}

function policyWords(state: string, policy: TakenIn['policy']): string {
  if (state !== 'ok') return `policy ${vis(state)}`;
  if (policy === undefined) return 'policy ok';
  return policy === 'edited' ? 'policy its own' : `policy ${policy}`;
}

/** One machine for a program. */
export function outcomeJson(outcome: Outcome): Json {
  if (outcome.kind === 'failed') return { name: outcome.name, outcome: exitOfOutcomeOf(outcome) === 3 ? 'unreachable' : 'failed', step: outcome.step, errors: outcome.error.items.map(errorJson) };
  const { before, proof, policy } = outcome.taken;
  return {
    name: outcome.name,
    outcome: before ? 'present' : 'added',
    errors: [],
    policy: policy ?? null,
    roundTripUs: proof.roundTripUs,
    host: toJson(proof.host),
    status: toJson(proof.status),
  };
}
