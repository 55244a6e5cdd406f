import { addressValue, formatAddress } from './address.js';
import type { Item, Target } from './ruleset.js';

/** Targets that change nothing for where a packet goes. */
const neutral: ReadonlySet<string> = new Set([
  'LOG', 'NFLOG', 'ULOG', 'MARK', 'CONNMARK', 'SECMARK', 'CONNSECMARK', 'TCPMSS', 'CHECKSUM', 'TRACE', 'DSCP', 'TOS', 'TTL', 'HL', 'ECN', 'CLASSIFY', 'AUDIT', 'SET', 'RATEEST', 'LED', 'IDLETIMER',
]);

/** Targets that may do anything with it. */
const strange: ReadonlySet<string> = new Set(['NFQUEUE', 'QUEUE', 'TPROXY', 'NOTRACK', 'TEE', 'NETMAP', 'SYNPROXY', 'CLUSTERIP', 'DNPT', 'SNPT', 'TCPOPTSTRIP']);

/** What `-j TARGET` (or `-g CHAIN`) with its options does; undefined: nothing. */
export function targetItem(option: '-j' | '-g', target: string, words: readonly string[]): Item | undefined {
  if (option === '-g') return { kind: 'verdict', verdict: { kind: 'goto', chain: target } };
  switch (target) {
    case 'ACCEPT': case 'DROP': case 'RETURN': case 'REJECT':
      return { kind: 'verdict', verdict: { kind: target.toLowerCase() as 'accept' | 'drop' | 'return' | 'reject' } };
    case 'MASQUERADE':
      return { kind: 'masquerade', plain: !words.some((word) => word === '--to-ports' || word.startsWith('--random')) };
    case 'DNAT':
      return { kind: 'dnat', target: targetOf(optionOf(words, '--to-destination')) };
    case 'SNAT':
      return { kind: 'snat', target: targetOf(optionOf(words, '--to-source')) };
    case 'REDIRECT': {
      const text = optionOf(words, '--to-ports');
      const ports = text === undefined ? undefined : portsOf(text);
      return text !== undefined && ports === undefined ? { kind: 'dnat', target: undefined } : { kind: 'redirect', ports };
    }
    case 'CT':
      return words.includes('--notrack') ? { kind: 'unknown' } : undefined;
    default:
      if (neutral.has(target)) return undefined;
      return strange.has(target) ? { kind: 'unknown' } : { kind: 'verdict', verdict: { kind: 'jump', chain: target } };
  }
}

function optionOf(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(name);
  return at < 0 ? undefined : words[at + 1];
}

/** `10.0.0.2`, `10.0.0.2:80`, `10.0.0.2:80-90`, `:80`, `[fd00::2]:80`; a range of addresses, or of ports that are counted from another (`/`), is not understood. */
function targetOf(text: string | undefined): Target | undefined {
  const match = text === undefined ? null : /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)|([0-9a-f:]*::[0-9a-f:.]*|(?:[0-9a-f]+:){7}[0-9a-f]+))?(?::([0-9-]+))?$/.exec(text);
  if (match === null) return undefined;
  const spelled = match[1] ?? match[2] ?? match[3];
  const address = spelled === undefined ? undefined : addressValue(spelled);
  const ports = match[4] === undefined ? undefined : portsOf(match[4]);
  if ((spelled !== undefined && address === undefined) || (match[4] !== undefined && ports === undefined)) return undefined;
  if (address === undefined && ports === undefined) return undefined;
  return { address: address === undefined ? undefined : formatAddress(address), ports };
}

function portsOf(text: string): Target['ports'] {
  const range = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  const first = Number(range?.[1]);
  const last = Number(range?.[2] ?? range?.[1]);
  return first >= 1 && first <= last && last <= 65535 ? { first, last } : undefined;
}
