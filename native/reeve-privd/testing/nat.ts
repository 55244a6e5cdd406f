/** What the tests of noun nat share: rules, programs that stand in for others, and what nft says. */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrivdReply } from '../../../shared/gen/privd.js';
import { sources, startPrivd, state, type Privd } from './namespace.js';

/** The policy of these tests; line 10 denies one port. */
export const natPolicy = `version 1
allow observe.nat
allow nat.apply
allow nat.forward to=10.*,192.168.*,fd*
allow nat.masquerade source=10.*,fd*
allow nat.adopt
allow nat.release
allow user.add
# one port of many
deny nat.forward port=4444
`;

/** Canonical lines, each ended. */
export const rules = (...lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

/** A forward of one TCP port. */
export const forward = (id: number, port: number, to = '10.0.0.2 80'): string => `forward ${String(id)} tcp - - ${String(port)} ${to} - -`;

/** The helper, and what belongs to noun nat around it. */
export interface NatHost {
  readonly privd: Privd;
  readonly apply: (lines: Uint8Array, more?: { readonly confirmS?: number; readonly adopt?: Uint8Array; readonly operation?: string }) => Promise<string>;
  readonly confirm: (operation: string) => Promise<unknown>;
  /** Applied and confirmed. */
  readonly keep: (...lines: readonly string[]) => Promise<string>;
  readonly observe: (scope?: 'generation' | 'managed' | 'foreign' | 'all') => Promise<PrivdReply<'observe.nat'>>;
  /** Listing of the table inet reeve, empty without one, and of everything else. */
  readonly table: () => string;
  readonly others: () => string;
  /** Adds rules of somebody else. */
  readonly nft: (text: string) => void;
  readonly loader: () => void;
  readonly deadman: (...argv: readonly string[]) => void;
  /** Below the state folder. */
  readonly files: (folder?: string) => readonly string[];
  readonly read: (path: string) => string;
  readonly isThere: (path: string) => boolean;
  /** A program of the namespace; undefined takes it away again. */
  readonly stand: (path: string, text: string | undefined) => void;
  /** As on a host that never had any. */
  readonly clear: () => void;
}

/** Starts the helper in a network of its own, with an interface eth0 that has 10.9.0.1 and fd09::1. */
export async function startNatHost(): Promise<NatHost> {
  const privd = await startPrivd({ network: true });
  const out = join(privd.dir, 'programs');
  for (const folder of ['nat', 'deadman']) execFileSync('make', ['-s', '-C', join(sources, '..', folder), `OUT=${out}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const path = (inside: string): string => `${privd.root}${inside}`;
  const stand = (file: string, text: string | undefined): void => {
    rmSync(path(file), { force: true });
    if (text !== undefined) writeFileSync(path(file), text, { mode: 0o755 });
  };
  const nft = (text: string): void => { execFileSync('nsenter', ['-t', String(privd.firstPid), '-n', 'nft', '-f', '-'], { input: text, stdio: ['pipe', 'ignore', 'pipe'] }); };
  copyFileSync(join(out, 'reeve-nat'), path('/usr/sbin/reeve-nat'));
  chmodSync(path('/usr/sbin/reeve-nat'), 0o755);
  stand('/usr/bin/systemctl', '#!/bin/sh\n[ "$*" = "restart reeve-nat.service" ] || exit 1\n[ ! -e /run/no-loader ] || exit 1\nexec /usr/sbin/reeve-nat\n');
  for (const command of ['link add eth0 type veth peer name eth0-peer', 'link set eth0-peer up', 'addr add 10.9.0.1/24 dev eth0', 'link set lo up', 'link set eth0 up', '-6 addr add fd09::1/64 dev eth0 nodad']) privd.inside('ip', ...command.split(' '));
  const apply: NatHost['apply'] = async (lines, { operation = randomUUID(), ...more } = {}) => {
    await privd.call('nat.apply', { rules: lines, ...more }, operation);
    return operation;
  };
  const confirm = (operation: string): Promise<unknown> => privd.call('pending.confirm', { noun: 'nat', operation: bytesOf(operation) });
  const list = (): string => privd.inside('nft', '-s', 'list', 'ruleset');
  return {
    privd, apply, confirm, nft, stand,
    keep: async (...lines) => {
      const operation = await apply(rules(...lines));
      await confirm(operation);
      return operation;
    },
    observe: (scope = 'managed') => privd.call('observe.nat', { scope }),
    table: () => list().includes('table inet reeve') ? privd.inside('nft', '-s', 'list', 'table', 'inet', 'reeve') : '',
    others: () => withoutOurs(privd.inside('nft', '-j', 'list', 'ruleset')),
    loader: () => { privd.inside('/usr/sbin/reeve-nat'); },
    deadman: (...argv) => { privd.inside(join(out, 'reeve-deadman'), ...argv); },
    files: (folder = 'nat') => readdirSync(path(`${state}/${folder}`)).sort(),
    read: (inside) => existsSync(path(inside)) ? readFileSync(path(inside), 'utf8') : '',
    isThere: (inside) => existsSync(path(inside)),
    clear: () => {
      nft('flush ruleset\n');
      for (const folder of ['nat', 'pending', 'undo']) for (const file of readdirSync(path(`${state}/${folder}`))) rmSync(path(`${state}/${folder}/${file}`));
      for (const file of [`${state}/owned/nat`, '/etc/sysctl.d/60-reeve-nat.conf', '/etc/nftables.d/reeve-nat.nft', '/run/no-loader']) rmSync(path(file), { force: true });
      privd.inside('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding');
    },
  };
}

/** 16 bytes of an operation id. */
export const bytesOf = (operation: string): Buffer => Buffer.from(operation.replaceAll('-', ''), 'hex');

/** The rule of `nft -s -j list ruleset` with this text in it, as nat.apply takes it: FAMILY TABLE CHAIN HANDLE SHA256. */
export function foreignLine(ruleset: Uint8Array, part: string): string {
  const text = Buffer.from(ruleset).toString();
  const { nftables } = JSON.parse(text) as { nftables: { rule?: { family: string; table: string; chain: string; handle: number } }[] };
  const rule = nftables.map((one) => one.rule).find((one) => one !== undefined && JSON.stringify(one).includes(part));
  if (rule === undefined) throw new Error(`no rule has ${part}`);
  const from = text.indexOf(`{"family": "${rule.family}", "table": "${rule.table}", "chain": "${rule.chain}", "handle": ${String(rule.handle)}`);
  let depth = 0;
  let at = from;
  do {
    if (text[at] === '{') depth += 1;
    if (text[at] === '}') depth -= 1;
    at += 1;
  } while (depth > 0);
  return `${rule.family} ${rule.table} ${rule.chain} ${String(rule.handle)} ${createHash('sha256').update(text.slice(from, at)).digest('hex')}`;
}

function withoutOurs(text: string): string {
  const { nftables } = JSON.parse(text) as { nftables: Record<string, { family?: string; table?: string; name?: string }>[] };
  return JSON.stringify(nftables.filter((one) => !Object.entries(one).some(([kind, value]) => value.family === 'inet' && (kind === 'table' ? value.name : value.table) === 'reeve')), undefined, 1);
}
