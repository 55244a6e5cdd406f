import type { NatForward, NatMasquerade } from '../../../shared/model/nat.js';

/** A file that may make rules at boot. */
export interface BootFile {
  readonly path: string;
  /** undefined: the agent may not read it. */
  readonly text: string | undefined;
}

/** Files and folders (those end in "/") that may make rules at boot. */
export const bootFilePaths: readonly string[] = [
  '/etc/network/interfaces', '/etc/network/interfaces.d/', '/etc/network/if-pre-up.d/', '/etc/network/if-up.d/', '/etc/network/if-down.d/', '/etc/network/if-post-down.d/',
  '/etc/rc.local', '/etc/init.d/', '/etc/nftables.conf', '/etc/nftables.d/', '/etc/iptables/rules.v4', '/etc/iptables/rules.v6', '/etc/ufw/', '/etc/systemd/system/',
];

/** Most places that are told, and longest line that is looked at. */
const most = { places: 50, line: 4096 } as const;

/**
 * Lines of boot files that make a rule like this one, as PATH:LINE: they name what it does (DNAT, masquerade, ...) and its first port, or its source. Comments are
 * left out. A file that cannot be read is named, because the rule may stand there: `PATH (cannot be read)`.
 */
export function bootSourcesOf(boot: readonly BootFile[], rule: NatForward | NatMasquerade): readonly string[] {
  const action = 'ports' in rule ? /\b(?:dnat|redirect)\b/i : /\b(?:masquerade|snat)\b/i;
  const spelled = 'ports' in rule ? new RegExp(`(?:^|[^0-9.])${String(rule.ports.first)}(?![0-9]|\\.[0-9])`) : addressPattern(rule.source.split('/')[0] ?? '');
  const places = boot.flatMap(({ path, text }) => {
    if (text === undefined) return [`${path} (cannot be read)`];
    return joined(text).flatMap(({ line, number }) => (line.length <= most.line && !/^\s*(?:#|;|\/\/)/.test(line) && action.test(line) && spelled.test(line) ? [`${path}:${String(number)}`] : []));
  });
  return places.slice(0, most.places);
}

function addressPattern(address: string): RegExp {
  return new RegExp(`(?:^|[^0-9a-f.:])${address.replaceAll('.', '\\.')}(?![0-9a-f:]|\\.[0-9])`, 'i');
}

/** Lines with those that go on after "\" joined, each with the number of its first. */
function joined(text: string): readonly { readonly line: string; readonly number: number }[] {
  const lines: { line: string; number: number }[] = [];
  let open: { line: string; number: number } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const goesOn = raw.endsWith('\\');
    const part = goesOn ? raw.slice(0, -1) : raw;
    open = open === undefined ? { line: part, number: index + 1 } : { line: `${open.line} ${part}`, number: open.number };
    if (goesOn && open.line.length <= most.line) continue;
    lines.push(open);
    open = undefined;
  }
  return open === undefined ? lines : [...lines, open];
}
