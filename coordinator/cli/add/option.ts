import { fieldInvalid, fieldMissing } from '../../../shared/model/field.js';
import { agentPort, formatEndpoint, parseEndpoint, parseHostName } from '../../../shared/model/host.js';
import { formatLabel, parseLabel } from '../../../shared/model/label.js';
import { formatLink, linkKinds, type WireLink } from '../../../shared/model/link.js';
import { parseNumber } from '../number.js';
import { presets, type Preset } from '../ssh/command.js';
import { parseFingerprint } from '../ssh/host-key.js';
import { parseLogin, sshPort } from '../ssh/login.js';
import type { Target } from './target.js';

/** Options that say the same of one machine and of all of a file. */
export const targetOptions = {
  identity: { kind: 'value', value: 'FILE', text: 'Private key to log in with (default: the keys of ssh-agent)' },
  agent: { kind: 'flag', text: 'Also offer the keys of ssh-agent, beside --identity or a password' },
  'password-stdin': { kind: 'flag', text: 'Read a password from standard input, for the login and for sudo' },
  jump: { kind: 'value', value: 'USER@HOST[:PORT]', text: 'Go through this machine; keys only, it never gets the password' },
  'jump-host-key': { kind: 'value', value: 'SHA256:...', text: 'Fingerprint of the SSH host key of that machine' },
  sudo: { kind: 'flag', text: 'The account is not root, and becomes root by sudo' },
  policy: { kind: 'value', value: 'PRESET', choices: presets, text: 'Policy preset to put in place (default: what the host has; observe on a new one)' },
  label: { kind: 'list', value: 'KEY=VALUE', text: 'A label; may be repeated' },
  parent: { kind: 'value', value: 'HOST', text: 'The host that it lives on' },
  link: { kind: 'value', value: 'LINK', choices: linkKinds, text: 'How the coordinator reaches it: direct, through its parent, or through a connection that its agent keeps (default: direct)' },
  ttl: { kind: 'value', value: 'TIME', text: 'How long the join token is good, 1m to 24h (default: 30m)' },
  rejoin: { kind: 'flag', text: 'Let a host that has joined before join again with a new key' },
  'package-dir': { kind: 'value', value: 'DIR', text: "Take the agent's packages from this folder (default: the coordinator's)" },
} as const;

/** Those values as they were typed. */
export interface TargetArguments {
  readonly identity: string | undefined;
  readonly jump: string | undefined;
  readonly 'jump-host-key': string | undefined;
  readonly sudo: boolean;
  readonly policy: string | undefined;
  readonly label: readonly string[];
  readonly parent: string | undefined;
  readonly link: string | undefined;
}

/** What is the same for all machines of a command. */
export type Shared = Omit<Target, 'name' | 'login' | 'hostKey' | 'address'>;

/** Reads what is the same for all. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseShared(args: TargetArguments): Shared {
  if (args['jump-host-key'] !== undefined && args.jump === undefined) throw fieldMissing('--jump', 'the machine that --jump-host-key is for');
  return {
    identity: args.identity,
    jump: args.jump === undefined ? undefined : parseLogin(args.jump, '--jump'),
    jumpHostKey: args['jump-host-key'] === undefined ? undefined : parseFingerprint(args['jump-host-key'], '--jump-host-key'),
    sudo: args.sudo,
    policy: args.policy === undefined ? undefined : parsePreset(args.policy, '--policy'),
    labels: args.label.map((text) => formatLabel(parseLabel(text))),
    parent: args.parent === undefined ? undefined : parseHostName(args.parent, 'parent'),
    link: args.link === undefined ? undefined : parseLink(args.link, '--link'),
  };
}

/** Reads one machine. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseTarget(
  name: string | undefined,
  args: TargetArguments & { readonly ssh: string | undefined; readonly port: string | undefined; readonly 'host-key': string | undefined; readonly address: string | undefined },
): Target {
  if (name === undefined) throw fieldMissing('the name of the host', 'NAME, or --from FILE for several');
  const port = args.port === undefined ? sshPort : parseNumber('--port', args.port, { min: 1, max: 65_535 });
  if (args.ssh === undefined) throw fieldMissing('--ssh', 'the machine to log in to, as USER@ADDRESS');
  const login = parseLogin(args.ssh, '--ssh', port);
  if (args.port !== undefined && login.port !== port) throw fieldInvalid('--port', args.port, `--ssh has another port, ${String(login.port)}`);
  return {
    ...parseShared(args),
    name: parseHostName(name),
    login,
    hostKey: args['host-key'] === undefined ? undefined : parseFingerprint(args['host-key'], '--host-key'),
    address: args.address === undefined ? undefined : formatEndpoint(parseEndpoint(args.address, agentPort)),
  };
}

/** How the coordinator is to reach a host, as the wire has it. Errors: FIELD_INVALID. */
export function parseLink(text: string, field: string): WireLink {
  const kind = linkKinds.find((known) => known === text);
  if (kind === undefined) throw fieldInvalid(field, text, `one of ${linkKinds.join(', ')}`);
  return formatLink(kind);
}

/** A preset of the policy. Errors: FIELD_INVALID. */
export function parsePreset(text: string, field: string): Preset {
  const preset = presets.find((known) => known === text);
  if (preset === undefined) throw fieldInvalid(field, text, `one of ${presets.join(', ')}`);
  return preset;
}
