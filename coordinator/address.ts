import { readFileSync } from 'node:fs';

/** The addresses of this machine's network interfaces, as the kernel's tables show them (proc(5)): the coordinator's sandbox has no netlink, by which os.networkInterfaces asks, and of /proc only processes. */
export function machineAddresses(): readonly string[] {
  return parseAddressFiles({ fibTrie: read('/proc/self/net/fib_trie'), ifInet6: read('/proc/self/net/if_inet6') });
}

/** What those files say. */
export function parseAddressFiles({ fibTrie, ifInet6 }: { readonly fibTrie: string; readonly ifInet6: string }): readonly string[] {
  const four = [...fibTrie.matchAll(/\|-- ([0-9.]+)\n\s+\/32 host LOCAL/g)].map((match) => match[1] ?? '');
  const six = ifInet6.split('\n').flatMap((line) => /^[0-9a-f]{32}(?= )/.exec(line)?.[0] ?? []).map((digits) => new URL(`http://[${(digits.match(/.{4}/g) ?? []).join(':')}]`).hostname.slice(1, -1));
  return [...new Set([...four, ...six])];
}

/** The text of a file; empty where the kernel has none, as one without IPv6. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
