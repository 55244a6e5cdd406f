/** Most characters of a ruleset that is looked at, deepest nesting, and most elements. */
const most = { size: 4 * 1024 * 1024, depth: 64, elements: 200_000 } as const;

/** One element of nft's list: what it is (`rule`, `chain`, ...) and the exact text of the object behind it. */
export interface Slice {
  readonly kind: string;
  readonly text: string;
}

/** The elements of `{"nftables": [...]}`, cut out of the text without change. `whole` false: the text ends early or is none. */
export function sliceRuleset(text: string): { readonly slices: readonly Slice[]; readonly whole: boolean } {
  const head = /^\s*\{\s*"nftables"\s*:\s*\[/.exec(text.slice(0, 200));
  if (head === null || text.length > most.size) return { slices: [], whole: text.trim() === '' };
  const slices: Slice[] = [];
  let at = head[0].length;
  for (;;) {
    at = skip(text, at);
    if (text[at] === ']') return { slices, whole: true };
    const end = text[at] === '{' ? objectEnd(text, at) : undefined;
    if (end === undefined || slices.length >= most.elements) return { slices, whole: false };
    const slice = named(text, at, end);
    if (slice === undefined) return { slices, whole: false };
    slices.push(slice);
    at = skip(text, end);
    if (text[at] === ',') at += 1;
    else if (text[at] !== ']') return { slices, whole: false };
  }
}

/** `{"rule": {...}}` between two places. */
function named(text: string, start: number, end: number): Slice | undefined {
  const name = /^\{\s*"([a-z ]{1,32})"\s*:\s*/.exec(text.slice(start, start + 80));
  const from = start + (name?.[0].length ?? 0);
  if (name === null || text[from] !== '{') return undefined;
  const to = objectEnd(text, from);
  return to === undefined || to > end ? undefined : { kind: name[1] ?? '', text: text.slice(from, to) };
}

/** Place behind the bracket that closes the one at `start`. */
function objectEnd(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      at = stringEnd(text, at);
    } else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > most.depth) return undefined;
    } else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** Place of the quote that closes the one at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function skip(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at += 1;
  return at;
}
