import type { Host } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { HostState } from '../../../shared/gen/proto/reeve/coordinator/v1/HostState.js';
import { html, type Html } from '../html.js';
import { badge, type Tone } from './text.js';

/** States as they stand in links and forms. */
export const hostStates = {
  connected: 'HOST_STATE_CONNECTED',
  lost: 'HOST_STATE_LOST',
  invited: 'HOST_STATE_INVITED',
  quarantined: 'HOST_STATE_QUARANTINED',
  revoked: 'HOST_STATE_REVOKED',
} as const satisfies Record<string, HostState>;

/** A state in one word. */
export function stateWord(state: string): string {
  return state.replace(/^HOST_STATE_/, '').toLowerCase();
}

const tones: Readonly<Record<string, Tone>> = { HOST_STATE_CONNECTED: 'good', HOST_STATE_LOST: 'bad', HOST_STATE_QUARANTINED: 'bad' };

/** A state as a badge. */
export function hostState(state: string): Html {
  return badge(stateWord(state), tones[state] ?? 'plain');
}

/** What is open on a host: holds, nouns that are pending or have drifted. */
export function openWork(host: Host): Html {
  const words = [
    ...host.holds.map((hold) => (hold.noun === '' ? 'held' : `${hold.noun} held`)),
    ...host.pending.map((noun) => `${noun} pending`),
    ...host.drifted.map((noun) => `${noun} drifted`),
  ];
  return html`${words.map((word) => html`${badge(word, 'warn')} `)}`;
}
