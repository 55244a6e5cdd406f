import { fieldInvalid } from './field.js';
import { expandIpv6, isIpv4, isIpv6 } from './host.js';

/** A network in canonical form. */
export interface Network {
  /** IPv4 or IPv6 address in its shortest form, host bits zero. */
  readonly address: string;
  readonly prefix: number;
}

/**
 * A network from `ADDRESS/PREFIX`, or one address. Errors: FIELD_INVALID for host bits that are not zero, other spellings of an address, IPv4 inside IPv6, and
 * the whole internet (leave the restriction out instead).
 */
export function parseNetwork(field: string, text: string): Network {
  const [address = '', length, more] = text.split('/');
  const v4 = isIpv4(address);
  const full = v4 ? 32 : 128;
  const prefix = length === undefined ? full : Number(length);
  const rule = 'an address or ADDRESS/PREFIX in its shortest form with zero host bits, not /0';
  if (!(v4 || isIpv6(address)) || more !== undefined || (length !== undefined && !/^[1-9][0-9]{0,2}$/.test(length)) || prefix > full) throw fieldInvalid(field, text, rule);
  const bytes = v4 ? address.split('.').map(Number) : (expandIpv6(address) ?? []).flatMap((group) => [group >> 8, group & 0xff]);
  const inside = !v4 && prefix >= 96 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (inside || bytes.some((byte, index) => (byte & hostMask(index, prefix)) !== 0)) throw fieldInvalid(field, text, rule);
  return { address, prefix };
}

/** `ADDRESS` for one address, else `ADDRESS/PREFIX`. */
export function formatNetwork({ address, prefix }: Network): string {
  return prefix === (isIpv4(address) ? 32 : 128) ? address : `${address}/${String(prefix)}`;
}

/** The bits of byte `index` that are beyond a prefix. */
function hostMask(index: number, prefix: number): number {
  const kept = Math.min(8, Math.max(0, prefix - index * 8));
  return 0xff >> kept;
}
