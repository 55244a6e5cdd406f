import { certNoun } from './cert.js';
import { containerNoun } from './container.js';
import { hostNoun } from './host.js';
import { keyNoun } from './key.js';
import { natNoun } from './nat.js';
import type { Noun } from './noun.js';
import { relayNoun } from './relay.js';
import { userNoun } from './user.js';
import { vhostNoun } from './vhost.js';

/** All nouns that are managed, in the order in which they are converged and let go of: one import and one row each. */
export const nouns: readonly Noun[] = [relayNoun, userNoun, keyNoun, natNoun, certNoun, containerNoun, vhostNoun];

/** What hosts are told of: all nouns, and last the host itself. */
export const allNouns: readonly Noun[] = [...nouns, hostNoun];

/** A noun by name; undefined when there is none. */
export function findNoun(name: string): Noun | undefined {
  return allNouns.find((noun) => noun.name === name);
}
