import { expandIpv6, isIpv4 } from '../../../shared/model/host.js';

/** An address as a number, and which family it is of. */
export interface AddressValue {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** An address in any spelling without a zone; undefined: it is none. */
export function addressValue(text: string): AddressValue | undefined {
  if (isIpv4(text)) return { family: 4, value: joined(text.split('.').map(Number), 8n) };
  const mapped = /^(.*:)([0-9.]+)$/.exec(text);
  if (mapped !== null && isIpv4(mapped[2] ?? '')) {
    const [a = 0, b = 0, c = 0, d = 0] = (mapped[2] ?? '').split('.').map(Number);
    return addressValue(`${mapped[1] ?? ''}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const groups = expandIpv6(text.toLowerCase());
  return groups === undefined ? undefined : { family: 6, value: joined(groups, 16n) };
}

/** First and last address of `ADDRESS/PREFIX` (or of one address); undefined: it is none. */
export function prefixRange(address: string, prefix: number): { family: 4 | 6; first: bigint; last: bigint } | undefined {
  const parsed = addressValue(address);
  if (parsed === undefined) return undefined;
  const bits = parsed.family === 4 ? 32 : 128;
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) return undefined;
  const host = (1n << BigInt(bits - prefix)) - 1n;
  const first = (parsed.value | host) ^ host;
  return { family: parsed.family, first, last: first | host };
}

/** Whether a network holds an address of its family. */
export function holds(network: string, prefix: number, address: string): boolean {
  const range = prefixRange(network, prefix);
  const parsed = addressValue(address);
  return range !== undefined && parsed !== undefined && range.family === parsed.family && range.first <= parsed.value && parsed.value <= range.last;
}

/** The shortest spelling of an address. */
export function formatAddress({ family, value }: AddressValue): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  return best.start < 0 ? groups.join(':') : `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

function joined(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(part), 0n);
}
