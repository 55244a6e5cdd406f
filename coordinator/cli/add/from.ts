import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { ReeveError, type ErrorItem } from '../../../shared/errors/error.js';
import { fieldInvalid } from '../../../shared/model/field.js';
import { agentPort, formatEndpoint, parseEndpoint, parseHostName } from '../../../shared/model/host.js';
import { formatLabel, parseLabel, parseLabelKey } from '../../../shared/model/label.js';
import type { Context } from '../context.js';
import { parseNumber } from '../number.js';
import { parseFingerprint } from '../ssh/host-key.js';
import { parseLogin, sshPort, type Login } from '../ssh/login.js';
import { collect, problem, type Entry, type Read } from './entry.js';
import { readIni } from './inventory-ini.js';
import { readList } from './list-file.js';
import { parseLink, parsePreset, type Shared } from './option.js';
import type { Target } from './target.js';

/** Kinds of files that name hosts. */
export const formats = ['list', 'ini', 'yaml'] as const;

/** Options of commands that read such a file. */
export const fileOptions = {
  from: { kind: 'value', value: 'FILE', text: 'Take the hosts of this file, or of standard input (-): a list (NAME USER@ADDRESS[:PORT] KEY=VALUE...) or an Ansible inventory' },
  format: { kind: 'value', value: 'FORMAT', choices: formats, text: 'What kind of file it is (default: by its name, else by what it looks like)' },
  'group-label': { kind: 'value', value: 'KEY', text: "Label each host with its group of the Ansible inventory, as KEY=GROUP; a host's group is then its only innermost one" },
} as const;

/** Those values. */
export interface FileArguments {
  readonly from: string;
  readonly format: string | undefined;
  readonly 'group-label': string | undefined;
}

/** Largest file, bytes. */
const mostBytes = 16 * 1024 * 1024;

/** What a file says of a host that is to be; without a login when the file has none. */
export type Named = Omit<Target, 'login'> & { readonly login: Login | undefined };

/** The hosts of a file. What the file says of a host beats what the command says of all. Errors: everything that is wrong with the file at once, each with its place. */
export async function readHosts(context: Context, args: FileArguments, shared: Shared): Promise<readonly Named[]> {
  const groupLabel = args['group-label'] === undefined ? undefined : parseLabelKey(args['group-label']);
  const text = args.from === '-' ? ((await context.terminal.input(mostBytes)) ?? '') : readText(args.from);
  const { entries, problems } = await readEntries(text, args.format ?? formatOf(args.from, text));
  const all: ErrorItem[] = [...problems];
  const hosts: Named[] = [];
  const seen = new Map<string, string>();
  for (const entry of entries) {
    const host = nameHost(all, entry, { shared, groupLabel });
    if (host === undefined) continue;
    hosts.push(host);
    const { name } = host;
    const { where } = entry;
    const before = seen.get(name);
    if (before !== undefined) all.push(problem(where, 'host name', name, `a name of its own; ${before} has it too`));
    seen.set(name, where);
  }
  if (all.length === 0 && hosts.length === 0) all.push({ code: 'FIELD_MISSING', fields: { field: `hosts in ${args.from}`, rule: 'at least one' } });
  if (all.length > 0) throw new ReeveError(all);
  return hosts;
}

/** The same where every host needs a login. Errors: as `readHosts`. */
export async function readTargets(context: Context, args: FileArguments, shared: Shared): Promise<readonly Target[]> {
  const hosts = await readHosts(context, args, shared);
  const without = hosts.filter((host) => host.login === undefined);
  if (without.length > 0) throw new ReeveError(without.map(({ name }) => ({ code: 'FIELD_MISSING', fields: { field: `login of host "${name}"`, rule: 'USER@ADDRESS behind its name' } })));
  return hosts.flatMap((host) => (host.login === undefined ? [] : [{ ...host, login: host.login }]));
}

function readText(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= mostBytes) return text;
  } catch (error) {
    throw fieldInvalid('--from', path, `a file that can be read (${error instanceof Error && 'code' in error ? String(error.code) : 'it cannot'})`);
  }
  throw fieldInvalid('--from', path, `a file of at most ${String(mostBytes)} bytes`);
}

function formatOf(path: string, text: string): string {
  const ending = extname(path).toLowerCase();
  if (ending === '.yml' || ending === '.yaml') return 'yaml';
  if (ending === '.ini') return 'ini';
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !/^[#;]/.test(line));
  if (lines[0] === '---' || /^[^\s=@]+:$/.test(lines[0] ?? '')) return 'yaml';
  return lines.some((line) => line.startsWith('[') || /\sansible_[a-z_]+=/.test(line)) ? 'ini' : 'list';
}

async function readEntries(text: string, format: string): Promise<Read> {
  switch (format) {
    case 'yaml':
      // A parser that no other command needs.
      return (await import('./inventory-yaml.js')).readYaml(text);
    case 'ini':
      return readIni(text);
    default:
      return readList(text);
  }
}

function nameHost(problems: ErrorItem[], entry: Entry, { shared, groupLabel }: { shared: Shared; groupLabel: string | undefined }): Named | undefined {
  const { values, where } = entry;
  const before = problems.length;
  const one = <T>(names: readonly string[], parse: (text: string, field: string) => T): T | undefined => {
    const name = names.find((key) => values.has(key));
    return name === undefined ? undefined : collect(problems, where, () => parse(plain(values.get(name) ?? '', name), name));
  };
  const name = collect(problems, where, () => parseHostName(entry.name));
  const login = one(['ssh'], (text, field) => parseLogin(text, field)) ?? ansibleLogin(problems, entry);
  const host = {
    ...shared,
    name: name ?? '',
    login,
    identity: one(['identity', 'ansible_ssh_private_key_file', 'ansible_private_key_file'], (text) => text) ?? shared.identity,
    hostKey: one(['host-key', 'reeve_host_key'], parseFingerprint),
    jump: one(['jump', 'reeve_jump'], (text, field) => parseLogin(text, field)) ?? shared.jump,
    jumpHostKey: one(['jump-host-key', 'reeve_jump_host_key'], parseFingerprint) ?? shared.jumpHostKey,
    sudo: one(['sudo', 'ansible_become'], parseFlag) ?? shared.sudo,
    policy: one(['policy', 'reeve_policy'], parsePreset) ?? shared.policy,
    labels: [...shared.labels, ...entry.labels.flatMap((label) => collect(problems, where, () => formatLabel(parseLabel(label))) ?? []), ...groupLabels(problems, entry, groupLabel)],
    address: one(['address', 'reeve_address'], (text, field) => formatEndpoint(parseEndpoint(text, agentPort, field))),
    parent: one(['parent', 'reeve_parent'], (text, field) => parseHostName(text, field)) ?? shared.parent,
    link: one(['link', 'reeve_link'], parseLink) ?? shared.link,
  };
  for (const key of ['ansible_password', 'ansible_ssh_pass', 'ansible_become_password', 'ansible_become_pass']) {
    if (values.has(key)) problems.push(problem(where, key, '(not shown)', 'passwords are not taken from a file; use --password-stdin or keys'));
  }
  return problems.length > before ? undefined : host;
}

/** What Ansible would log in to; undefined for a list without logins. */
function ansibleLogin(problems: ErrorItem[], entry: Entry): Login | undefined {
  const { values, where } = entry;
  const value = (...names: readonly string[]): string | undefined => names.map((name) => values.get(name)).find((text) => text !== undefined);
  const plainList = ![...values.keys()].some((key) => key.startsWith('ansible_')) && !entry.where.includes('.') && entry.groups.length === 0;
  if (plainList) return undefined;
  const connection = value('ansible_connection') ?? 'ssh';
  if (!['ssh', 'smart', 'paramiko', 'paramiko_ssh'].includes(connection)) problems.push(problem(where, 'ansible_connection', connection, 'ssh: nothing else can be taken in'));
  return collect(problems, where, () => {
    const user = plain(value('ansible_user', 'ansible_ssh_user') ?? 'root', 'ansible_user');
    const address = plain(value('ansible_host', 'ansible_ssh_host') ?? entry.name, 'ansible_host');
    const port = value('ansible_port', 'ansible_ssh_port');
    const login = parseLogin(`${user}@${address}`, 'ansible_user and ansible_host');
    return { ...login, port: port === undefined ? sshPort : parseNumber('ansible_port', port, { min: 1, max: 65_535 }) };
  });
}

/** A value that needs no Ansible to be understood. */
function plain(text: string, field: string): string {
  if (/\{\{|\{%/.test(text)) throw fieldInvalid(field, text, 'a plain value; templates are not filled in here');
  return text;
}

function parseFlag(text: string, field: string): boolean {
  const word = text.toLowerCase();
  if (['yes', 'true', 'on', '1'].includes(word)) return true;
  if (['no', 'false', 'off', '0'].includes(word)) return false;
  throw fieldInvalid(field, text, 'yes or no');
}

function groupLabels(problems: ErrorItem[], entry: Entry, key: string | undefined): string[] {
  if (key === undefined) return [];
  const group = entry.groups.at(-1);
  if (group === undefined) return [];
  return collect(problems, entry.where, () => [formatLabel(parseLabel(`${key}=${group}`))]) ?? [];
}
