import { canonicalJson, type Canonical } from '../../shared/model/canonical.js';

/** Most states of a noun that are remembered, to name what moved. */
const keep = 4;

/** Most names a message lists. */
const mostNamed = 5;

/** Remembers the last states of each noun, so that a refusal can name what moved. */
export interface Moved {
  remember(noun: string, digest: Buffer, model: readonly Canonical[]): void;
  /** What differs between a remembered state and now, for people. */
  since(noun: string, digest: Buffer, model: readonly Canonical[]): string;
}

/** A new memory. */
export function createMoved(): Moved {
  const states = new Map<string, { digest: Buffer; objects: ReadonlyMap<string, string> }[]>();
  return {
    remember(noun, digest, model) {
      const others = (states.get(noun) ?? []).filter((state) => !state.digest.equals(digest));
      states.set(noun, [...others, { digest, objects: objectsOf(model) }].slice(-keep));
    },
    since(noun, digest, model) {
      const before = states.get(noun)?.find((state) => state.digest.equals(digest))?.objects;
      if (before === undefined) return `its ${noun}s are not those of the plan`;
      const now = objectsOf(model);
      const names = [...new Set([...before.keys(), ...now.keys()])].filter((name) => before.get(name) !== now.get(name)).sort();
      const more = names.length > mostNamed ? ` and ${String(names.length - mostNamed)} more` : '';
      return `${noun} ${names.slice(0, mostNamed).map((name) => `"${name}"`).join(', ')}${more}`;
    },
  };
}

function objectsOf(model: readonly Canonical[]): ReadonlyMap<string, string> {
  return new Map(model.map((object) => [nameOf(object), canonicalJson(object)]));
}

function nameOf(object: Canonical): string {
  return typeof object === 'object' && object !== null && 'name' in object && typeof object.name === 'string' ? object.name : '?';
}
