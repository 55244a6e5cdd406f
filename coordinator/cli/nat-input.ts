import type { AddForwardRequestInput } from '../../shared/gen/proto/reeve/coordinator/v1/AddForwardRequest.js';
import type { NatConfirmInput } from '../../shared/gen/proto/reeve/coordinator/v1/NatConfirm.js';
import type { NatMasqueradeInput } from '../../shared/gen/proto/reeve/type/v1/NatMasquerade.js';
import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { isIpv4, parseHostName } from '../../shared/model/host.js';
import {
  familyOf, formatForward, formatMasquerade, parseForward, parseInterface, parseMasquerade, parseNatAddress, parseNatComment, parseNatPort, parsePortText, type NatProtocol, type PortRange,
} from '../../shared/model/nat.js';
import { formatNetwork, parseNetwork } from '../../shared/model/network.js';
import { toDuration } from '../../shared/rpc/time.js';
import { changeExclusive, type Option } from './command.js';
import { parseNumber } from './number.js';

/** Options that say how a change is confirmed. */
export const confirmOptions = {
  confirm: { kind: 'value', value: 'HOW', text: 'By the coordinator (auto, default), or by a person with "reeve nat confirm HOST"', choices: ['auto', 'manual'] },
  'confirm-timeout': { kind: 'value', value: 'TIME', text: 'How long the host waits for it, 10s to 10m (default: 60s)' },
} as const satisfies Record<string, Option>;

/** Which options of a change of nat exclude each other: what is only stored has nothing to confirm. */
export const natExclusive: readonly (readonly [string, string])[] = [['stage', 'confirm'], ['stage', 'confirm-timeout'], ...changeExclusive];

/** Bounds of the time until a host takes a change back, ms. */
const confirmBounds = { minMs: 10_000, maxMs: 600_000 };

/** How the options say that a change is confirmed; nothing: as is usual. Errors: FIELD_INVALID. */
export function parseConfirm(args: { readonly confirm: string | undefined; readonly 'confirm-timeout': string | undefined }): { confirm?: NatConfirmInput } {
  const text = args['confirm-timeout'];
  if (args.confirm === undefined && text === undefined) return {};
  const ms = text === undefined ? undefined : parseDuration('--confirm-timeout', text);
  if (ms !== undefined && (ms < confirmBounds.minMs || ms > confirmBounds.maxMs)) throw fieldInvalid('--confirm-timeout', text ?? '', '10s to 10m');
  return { confirm: { manual: args.confirm === 'manual', ...(ms === undefined ? {} : { timeout: toDuration(ms) }) } };
}

/** Where a forward leads to. */
type Target = { readonly ports: PortRange } & ({ readonly host: string } | { readonly address: string });

/** `NAME:PORT`, `ADDRESS:PORT` or `[IPV6]:PORT`; PORT may be several in a row. Errors: FIELD_INVALID. */
function parseTarget(text: string): Target {
  const [, bracketed, plain = '', portText = ''] = /^(?:\[([^[\]]*)\]|([^[\]:]+)):([^:]+)$/.exec(text) ?? [];
  if (portText === '') throw fieldInvalid('--to', text, 'NAME:PORT, ADDRESS:PORT or [IPV6]:PORT, e.g. web1:80, 192.0.2.7:8000-8090 or [2001:db8::7]:443');
  const ports = parsePortText('port of --to', portText);
  if (bracketed !== undefined) {
    if (isIpv4(bracketed)) throw fieldInvalid('--to', text, 'brackets around an IPv6 address only');
    return { address: parseNatAddress('--to', bracketed), ports };
  }
  return /^[0-9.]+$/.test(plain) ? { address: parseNatAddress('--to', plain), ports } : { host: parseHostName(plain, '--to'), ports };
}

/** What `reeve nat add` was given. */
interface ForwardArguments {
  readonly proto: string;
  readonly port: string;
  readonly to: string;
  readonly listen: string | undefined;
  readonly interface: string | undefined;
  readonly source: readonly string[];
  readonly 'no-hairpin': boolean;
}

/** A number that stands for the one which the inventory will give, where a rule is checked as a whole. */
const someId = 1;

/** An address of the family that the rest of a forward speaks of, where its destination is a host whose address only the inventory knows. */
function standIn(texts: readonly string[]): string {
  return texts.some((text) => text.includes(':')) ? '2001:db8::1' : '192.0.2.1';
}

/** A forward from the command line, as the API takes it. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseForwardArguments(args: ForwardArguments): Pick<AddForwardRequestInput, 'forward' | 'toHost'> {
  const target = parseTarget(args.to);
  const listenAddress = args.listen === undefined ? '' : parseNatAddress('--listen', args.listen);
  const sources = args.source.map((text) => formatNetwork(parseNetwork('--source', text)));
  const forward = parseForward({
    id: someId,
    protocol: args.proto === 'udp' ? 'NAT_PROTOCOL_UDP' : 'NAT_PROTOCOL_TCP',
    listenAddress,
    listenInterface: args.interface === undefined ? '' : parseInterface('--interface', args.interface),
    ports: parsePortText('--port', args.port),
    toAddress: 'address' in target ? target.address : standIn([listenAddress, ...sources]),
    toPorts: target.ports,
    sources,
    hairpin: !args['no-hairpin'],
    adopt: false,
  });
  const wire = { ...formatForward(forward), id: 0 };
  return 'address' in target ? { forward: wire } : { forward: { ...wire, toAddress: '' }, toHost: target.host };
}

/** A masquerade from the command line, as the API takes it. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseMasqueradeArguments(args: { readonly source: string; readonly interface: string | undefined; readonly address: string | undefined }): NatMasqueradeInput {
  const masquerade = parseMasquerade({
    id: someId,
    source: formatNetwork(parseNetwork('--source', args.source)),
    outInterface: args.interface === undefined ? '' : parseInterface('--interface', args.interface),
    toAddress: args.address === undefined ? '' : parseNatAddress('--address', args.address),
    adopt: false,
  });
  return { ...formatMasquerade(masquerade), id: 0 };
}

/** The comment of the options; nothing: none. Errors: FIELD_INVALID. */
export function parseCommentArgument(args: { readonly comment: string | undefined }): { comment?: string } {
  return args.comment === undefined ? {} : { comment: parseNatComment('--comment', args.comment) };
}

/** Which forward or masquerade of a host: its number, or `tcp/8080`. Errors: FIELD_INVALID. */
export function parseWhich(text: string): string {
  if (/^[0-9]+$/.test(text)) parseNumber('number of the forward or masquerade', text, { min: 1, max: 2 ** 31 - 1 });
  else parseNatPort('forward or masquerade', text);
  return text;
}

/** What is to be taken over: `tcp/8080`, or `masquerade:NETWORK`. Errors: FIELD_INVALID. */
export function parseAdoptable(text: string): string {
  const network = /^masquerade:(.*)$/s.exec(text)?.[1];
  if (network !== undefined) return `masquerade:${formatNetwork(parseNetwork('network of a masquerade', network))}`;
  parseNatPort('what is taken over', text);
  return text;
}

/** A port of a host, `HOST:tcp/8080`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHostPort(text: string): { host: string; protocol: WireProtocol; port: number } {
  const [host = '', rest, more] = text.split(':');
  if (rest === undefined || more !== undefined) throw fieldInvalid('where', text, 'HOST:tcp/PORT or HOST:udp/PORT, e.g. web1:tcp/8080');
  return { host: parseHostName(host), ...parseWirePort('port', rest) };
}

type WireProtocol = 'NAT_PROTOCOL_TCP' | 'NAT_PROTOCOL_UDP';

/** `tcp/8080` as the API takes it. Errors: FIELD_INVALID. */
export function parseWirePort(field: string, text: string): { protocol: WireProtocol; port: number } {
  const { protocol, port } = parseNatPort(field, text);
  return { protocol: wireProtocol(protocol), port };
}

function wireProtocol(protocol: NatProtocol): WireProtocol {
  return protocol === 'udp' ? 'NAT_PROTOCOL_UDP' : 'NAT_PROTOCOL_TCP';
}

/** Where a packet comes from and goes to. Errors: FIELD_INVALID. */
export function parsePacketArguments(args: { readonly from: string; readonly 'to-address': string | undefined }): { from: string; to?: string } {
  const from = parseNatAddress('--from', args.from);
  if (args['to-address'] === undefined) return { from };
  const to = parseNatAddress('--to-address', args['to-address']);
  if (familyOf(to) !== familyOf(from)) throw fieldInvalid('--to-address', to, 'an address of the family of --from');
  return { from, to };
}
