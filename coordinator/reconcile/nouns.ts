import type { Noun } from './noun.js';
import { userNoun } from './user.js';

/** All nouns, in the order in which they are converged: one import and one row each. */
export const nouns: readonly Noun[] = [userNoun];

/** A noun by name; undefined when there is none. */
export function findNoun(name: string): Noun | undefined {
  return nouns.find((noun) => noun.name === name);
}
