/** Parameters of RFC 3492 section 5. */
const base = 36;
const tMin = 1;
const tMax = 26;
const skew = 38;
const damp = 700;
const initialBias = 72;
const initialN = 128;
const digits = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Section 6.1. */
function adapt(delta: number, points: number, first: boolean): number {
  let rest = Math.floor(delta / (first ? damp : 2));
  rest += Math.floor(rest / points);
  let k = 0;
  for (; rest > ((base - tMin) * tMax) / 2; k += base) rest = Math.floor(rest / (base - tMin));
  return k + Math.floor(((base - tMin + 1) * rest) / (rest + skew));
}

const threshold = (k: number, bias: number): number => Math.min(tMax, Math.max(tMin, k - bias));

/** The text that a label stands for, from what is behind its `xn--`; undefined: it stands for none (RFC 3492 6.2). For labels, so at most 63 characters. */
export function decodePunycode(text: string): string | undefined {
  const end = text.lastIndexOf('-');
  const output = Array.from(text.slice(0, Math.max(end, 0)), (character) => character.codePointAt(0) ?? 0);
  let n = initialN;
  let i = 0;
  let bias = initialBias;
  for (let at = end + 1; at < text.length;) {
    const before = i;
    for (let k = base, weight = 1; ; k += base) {
      const digit = digits.indexOf(text[at] ?? ' ');
      if (digit < 0) return undefined;
      at += 1;
      i += digit * weight;
      const t = threshold(k, bias);
      if (digit < t) break;
      weight *= base - t;
      if (weight > 0x7fffffff || i > 0x7fffffff) return undefined;
    }
    const points = output.length + 1;
    bias = adapt(i - before, points, before === 0);
    n += Math.floor(i / points);
    i %= points;
    if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) return undefined;
    output.splice(i, 0, n);
    i += 1;
  }
  return String.fromCodePoint(...output);
}

/** What stands behind `xn--` for a text (RFC 3492 6.3). For labels, so of few characters. */
export function encodePunycode(text: string): string {
  const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const basic = points.filter((point) => point < initialN);
  let output = String.fromCodePoint(...basic) + (basic.length > 0 ? '-' : '');
  let n = initialN;
  let delta = 0;
  let bias = initialBias;
  let done = basic.length;
  while (done < points.length) {
    const next = Math.min(...points.filter((point) => point >= n));
    delta += (next - n) * (done + 1);
    n = next;
    for (const point of points) {
      if (point < n) delta += 1;
      if (point !== n) continue;
      output += formatDelta(delta, bias);
      bias = adapt(delta, done + 1, done === basic.length);
      delta = 0;
      done += 1;
    }
    delta += 1;
    n += 1;
  }
  return output;
}

/** A number of variable length (section 3.3). */
function formatDelta(delta: number, bias: number): string {
  let output = '';
  let rest = delta;
  for (let k = base; ; k += base) {
    const t = threshold(k, bias);
    if (rest < t) return output + (digits[rest] ?? '');
    output += digits[t + ((rest - t) % (base - t))] ?? '';
    rest = Math.floor((rest - t) / (base - t));
  }
}
