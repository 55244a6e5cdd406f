import type { Canonical } from './canonical.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { expandIpv6, isIpv4, isIpv6 } from './host.js';
import { formatNetwork, parseNetwork } from './network.js';
import { hasUnsafeCharacter } from './vis.js';

/** The protocol of a forward. */
export type NatProtocol = 'tcp' | 'udp';

/** Ports in a row. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What of the host is forwarded. */
export type NatListen =
  | { readonly kind: 'any' }
  /** Canonical address of the family of the destination. */
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'interface'; readonly name: string };

/** A port of a host that leads to another machine. */
export interface NatForward {
  /** Number in the inventory. */
  readonly id: number;
  readonly protocol: NatProtocol;
  readonly listen: NatListen;
  readonly ports: PortRange;
  readonly to: string;
  /** As many as `ports`, or one. */
  readonly toPorts: PortRange;
  /** Networks in canonical form (formatNetwork), sorted; none: from anywhere. */
  readonly sources: readonly string[];
  readonly hairpin: boolean;
  /** A rule of somebody else that does the same is taken over. */
  readonly adopt: boolean;
}

/** Machines that reach out with the address of a host. */
export interface NatMasquerade {
  readonly id: number;
  /** A network in canonical form. */
  readonly source: string;
  /** undefined: whichever they go out through. */
  readonly outInterface: string | undefined;
  /** undefined: that of the interface they go out through. */
  readonly toAddress: string | undefined;
  readonly adopt: boolean;
}

/** All that a host should have, by id. */
export interface NatRules {
  readonly forwards: readonly NatForward[];
  readonly masquerades: readonly NatMasquerade[];
}

/** What a host has that has nothing. */
export const noNat: NatRules = { forwards: [], masquerades: [] };

/** Most of each in one host. */
export const mostNat = { forwards: 2000, masquerades: 256, sources: 64, range: 1024, comment: 200 } as const;

/** Ports of Reeve itself, which no forward takes (TCP). */
export const reevePorts: PortRange = { first: 7420, last: 7424 };

const maxId = 2 ** 31 - 1;
const interfacePattern = /^[a-z][a-z0-9._-]{0,14}$/;

/** The name of a network interface. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseInterface(field: string, text: string): string {
  const rule = 'the name of a network interface: a lower-case letter, then lower-case letters, digits, ".", "_" and "-", at most 15 characters, not "lo" or "any"';
  const name = parsePattern(field, text, interfacePattern, rule);
  if (name === 'lo' || name === 'any') throw fieldInvalid(field, text, rule);
  return name;
}

/** An address that a machine can have: canonical, not loopback, not unspecified, not multicast, not IPv4 inside IPv6, not link-local IPv6. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseNatAddress(field: string, text: string): string {
  const rule = 'an IPv4 or IPv6 address of a machine in its shortest form (not loopback, multicast, link-local IPv6 or unspecified)';
  if (text === '') throw fieldMissing(field, rule);
  if (isIpv4(text)) {
    const first = Number(text.split('.')[0]);
    if (first === 0 || first === 127 || first >= 224) throw fieldInvalid(field, text, rule);
    return text;
  }
  const groups = isIpv6(text) ? expandIpv6(text) : undefined;
  const head = groups?.[0] ?? 0;
  // Nothing below 0100::/8 is a machine: unspecified, loopback, IPv4 inside IPv6.
  if (groups === undefined || head < 0x100 || head >= 0xff00 || (head & 0xffc0) === 0xfe80) throw fieldInvalid(field, text, rule);
  return text;
}

/** Ports from `P` or `P-Q`. Errors: FIELD_INVALID. */
export function parsePortText(field: string, text: string): PortRange {
  const match = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text);
  const range = match === null ? undefined : { first: Number(match[1]), last: Number(match[2] ?? match[1]) };
  if (range === undefined || range.last > 65535 || range.first > range.last) throw fieldInvalid(field, text, 'a port from 1 to 65535, or two with "-" between, the lower one first');
  return range;
}

/** `P`, or `P-Q`. */
export function formatPorts({ first, last }: PortRange): string {
  return first === last ? String(first) : `${String(first)}-${String(last)}`;
}

/** Whether two ranges have a port in common. */
export function portsMeet(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** 4 or 6. */
export function familyOf(address: string): 4 | 6 {
  return isIpv4(address) ? 4 : 6;
}

/** A forward as it comes over the wire. */
export interface WireForward {
  id: number;
  protocol: string;
  listenAddress: string;
  listenInterface: string;
  ports: { first: number; last: number } | null;
  toAddress: string;
  toPorts: { first: number; last: number } | null;
  sources: readonly string[];
  hairpin: boolean;
  adopt: boolean;
}

/** A masquerade as it comes over the wire. */
export interface WireMasquerade {
  id: number;
  source: string;
  outInterface: string;
  toAddress: string;
  adopt: boolean;
}

/** All of a host from the wire. Errors: FIELD_INVALID, FIELD_MISSING: field, value and rule. */
export function parseNatRules(wire: { forwards: readonly WireForward[]; masquerades: readonly WireMasquerade[] }): NatRules {
  if (wire.forwards.length > mostNat.forwards) throw fieldInvalid('forwards', String(wire.forwards.length), `at most ${String(mostNat.forwards)}`);
  if (wire.masquerades.length > mostNat.masquerades) throw fieldInvalid('masquerades', String(wire.masquerades.length), `at most ${String(mostNat.masquerades)}`);
  const forwards = wire.forwards.map((row) => parseForward(row)).sort((a, b) => a.id - b.id);
  const masquerades = wire.masquerades.map((row) => parseMasquerade(row)).sort((a, b) => a.id - b.id);
  for (const rows of [forwards, masquerades]) {
    const twice = rows.find((row, index) => rows[index + 1]?.id === row.id);
    if (twice !== undefined) throw fieldInvalid('id of a rule', String(twice.id), 'each id once');
  }
  return { forwards, masquerades };
}

/** One forward from the wire. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseForward(wire: WireForward): NatForward {
  const to = parseNatAddress('destination', wire.toAddress);
  const ports = parseRange('port', wire.ports);
  const toPorts = parseRange('destination port', wire.toPorts ?? wire.ports);
  const many = ports.last - ports.first;
  const toMany = toPorts.last - toPorts.first;
  if (toMany !== 0 && toMany !== many) throw fieldInvalid('destination port', formatPorts(toPorts), `one port, or as many as are forwarded (${String(many + 1)})`);
  if (toMany !== 0 && toPorts.first !== ports.first && many >= mostNat.range) throw fieldInvalid('port', formatPorts(ports), `at most ${String(mostNat.range)} ports where their numbers change`);
  return {
    id: parseInteger('id of a rule', wire.id, { min: 1, max: maxId }),
    protocol: parseProtocol(wire.protocol),
    listen: parseListen(wire, to),
    ports,
    to,
    toPorts,
    sources: parseSources(wire.sources, to),
    hairpin: wire.hairpin,
    adopt: wire.adopt,
  };
}

/** One masquerade from the wire. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseMasquerade(wire: WireMasquerade): NatMasquerade {
  const source = parseNetwork('source', wire.source);
  const toAddress = wire.toAddress === '' ? undefined : parseNatAddress('address', wire.toAddress);
  if (toAddress !== undefined && familyOf(toAddress) !== familyOf(source.address)) throw fieldInvalid('address', wire.toAddress, 'an address of the family of the source');
  return {
    id: parseInteger('id of a rule', wire.id, { min: 1, max: maxId }),
    source: formatNetwork(source),
    outInterface: wire.outInterface === '' ? undefined : parseInterface('interface', wire.outInterface),
    toAddress,
    adopt: wire.adopt,
  };
}

/** Everything as it goes over the wire. */
export function formatNatRules({ forwards, masquerades }: NatRules): { forwards: ReturnType<typeof formatForward>[]; masquerades: WireMasquerade[] } {
  return { forwards: forwards.map(formatForward), masquerades: masquerades.map(formatMasquerade) };
}

/** One forward for the wire. */
export function formatForward(forward: NatForward): WireForward & { protocol: 'NAT_PROTOCOL_TCP' | 'NAT_PROTOCOL_UDP'; sources: string[] } {
  const { listen } = forward;
  return {
    id: forward.id,
    protocol: forward.protocol === 'tcp' ? 'NAT_PROTOCOL_TCP' : 'NAT_PROTOCOL_UDP',
    listenAddress: listen.kind === 'address' ? listen.address : '',
    listenInterface: listen.kind === 'interface' ? listen.name : '',
    ports: { ...forward.ports },
    toAddress: forward.to,
    toPorts: { ...forward.toPorts },
    sources: [...forward.sources],
    hairpin: forward.hairpin,
    adopt: forward.adopt,
  };
}

/** One masquerade for the wire. */
export function formatMasquerade(row: NatMasquerade): WireMasquerade {
  return { id: row.id, source: row.source, outInterface: row.outInterface ?? '', toAddress: row.toAddress ?? '', adopt: row.adopt };
}

/**
 * The lines that the helper takes, one for each rule, each ended by LF: fields in a fixed order with one space between, "-" where there is none. `hairpinOf` tells the
 * network that a forward's destination is in on this host; undefined: none, or the forward is without hairpin.
 *
 *     forward ID PROTOCOL LISTEN-ADDRESS INTERFACE PORTS TO TO-PORTS SOURCES HAIRPIN-NETWORK
 *     masquerade ID SOURCE INTERFACE ADDRESS
 */
export function formatNatLines({ forwards, masquerades }: NatRules, hairpinOf: (forward: NatForward) => string | undefined): string {
  const lines = [
    ...forwards.map((row) => [
      'forward', String(row.id), row.protocol, row.listen.kind === 'address' ? row.listen.address : '-', row.listen.kind === 'interface' ? row.listen.name : '-', formatPorts(row.ports), row.to,
      formatPorts(row.toPorts), row.sources.length === 0 ? '-' : row.sources.join(','), (row.hairpin ? hairpinOf(row) : undefined) ?? '-',
    ]),
    ...masquerades.map((row) => ['masquerade', String(row.id), row.source, row.outInterface ?? '-', row.toAddress ?? '-']),
  ];
  return lines.map((line) => `${line.join(' ')}\n`).join('');
}

/** `tcp/8080`, with the listen address or interface before it where there is one: `203.0.113.5:tcp/8080`, `eth0:tcp/8080`. */
export function formatNatPort({ protocol, ports, listen }: Pick<NatForward, 'protocol' | 'ports' | 'listen'>): string {
  const where = listen.kind === 'any' ? '' : `${listen.kind === 'address' ? listen.address : listen.name}:`;
  return `${where}${protocol}/${formatPorts(ports)}`;
}

/** `198.19.200.2:80`, IPv6 in brackets. */
export function formatNatTarget(address: string, ports: PortRange): string {
  return `${familyOf(address) === 6 ? `[${address}]` : address}:${formatPorts(ports)}`;
}

/** `PROTOCOL/PORT` of a person's hand, e.g. `tcp/8080`. Errors: FIELD_INVALID. */
export function parseNatPort(field: string, text: string): { protocol: NatProtocol; port: number } {
  const match = /^(tcp|udp)\/([1-9][0-9]{0,4})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) throw fieldInvalid(field, text, 'tcp/PORT or udp/PORT, e.g. tcp/8080');
  return { protocol: match[1] as NatProtocol, port };
}

/** The comment of a forward or masquerade: letters, marks, numbers, punctuation, symbols and spaces in NFC, at most 200, or none. Errors: FIELD_INVALID. */
export function parseNatComment(field: string, text: string): string {
  const fits = text.normalize('NFC') === text && text.trim() === text && Array.from(text).length <= mostNat.comment && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(text);
  if (!fits || hasUnsafeCharacter(text)) throw fieldInvalid(field, text, `letters, marks, numbers, punctuation and spaces, at most ${String(mostNat.comment)} characters`);
  return text;
}

/**
 * The rules that lines of formatNatLines stand for; `hairpin` where a line has a network for it. Errors: FIELD_INVALID, FIELD_MISSING for what is not in canonical form: they are data
 * of another process.
 */
export function parseNatLines(text: string): NatRules {
  const forwards: WireForward[] = [];
  const masquerades: WireMasquerade[] = [];
  for (const line of text.split('\n').filter((part) => part !== '')) {
    const [kind, id = '', ...fields] = line.split(' ');
    const [a = '', b = '', c = '', d = '', e = '', f = '', g = '', h = ''] = fields.map((field) => (field === '-' ? '' : field));
    if (kind === 'forward' && fields.length === 8) {
      forwards.push({
        id: Number(id), protocol: `NAT_PROTOCOL_${a.toUpperCase()}`, listenAddress: b, listenInterface: c, ports: parsePortText('port', d), toAddress: e, toPorts: parsePortText('destination port', f),
        sources: g === '' ? [] : g.split(','), hairpin: h !== '', adopt: false,
      });
    } else if (kind === 'masquerade' && fields.length === 3) masquerades.push({ id: Number(id), source: a, outInterface: b, toAddress: c, adopt: false });
    else throw fieldInvalid('line of nat', line, 'a forward or a masquerade in canonical form');
  }
  return parseNatRules({ forwards, masquerades });
}

/** What the digest of noun nat is made of: the lines that are loaded, and whether the table is not as they made it. */
export function natDigestModel(lines: readonly string[], altered: boolean): Canonical[] {
  return [...lines.map((line): Canonical => ({ name: describeLine(line), line })), ...(altered ? [{ name: 'table', altered }] : [])];
}

/** `forward 12 tcp/8080` or `masquerade 3 198.19.200.0/24`: what people are told has moved. */
function describeLine(line: string): string {
  const [kind = '', id = '', first = '', , , ports = ''] = line.split(' ');
  return `${kind} ${id} ${kind === 'forward' ? `${first}/${ports}` : first}`;
}

/** `forward 12` or `masquerade 3`: the object that a line is about. */
export function natLineName(line: string): string {
  return line.split(' ', 2).join(' ');
}

function parseProtocol(text: string): NatProtocol {
  if (text === 'NAT_PROTOCOL_TCP') return 'tcp';
  if (text === 'NAT_PROTOCOL_UDP') return 'udp';
  throw fieldMissing('protocol', 'tcp or udp');
}

function parseRange(field: string, range: { first: number; last: number } | null): PortRange {
  if (range === null) throw fieldMissing(field, 'a port from 1 to 65535, or several in a row');
  const first = parseInteger(field, range.first, { min: 1, max: 65535 });
  const last = parseInteger(field, range.last, { min: 1, max: 65535 });
  if (first > last) throw fieldInvalid(field, `${String(first)}-${String(last)}`, 'the lower one first');
  return { first, last };
}

function parseListen({ listenAddress, listenInterface }: WireForward, to: string): NatListen {
  if (listenAddress !== '' && listenInterface !== '') throw fieldInvalid('listen interface', listenInterface, 'none where a listen address is given');
  if (listenInterface !== '') return { kind: 'interface', name: parseInterface('listen interface', listenInterface) };
  if (listenAddress === '') return { kind: 'any' };
  const address = parseNatAddress('listen address', listenAddress);
  if (familyOf(address) !== familyOf(to)) throw fieldInvalid('listen address', address, 'an address of the family of the destination');
  return { kind: 'address', address };
}

function parseSources(texts: readonly string[], to: string): readonly string[] {
  if (texts.length > mostNat.sources) throw fieldInvalid('source', String(texts.length), `at most ${String(mostNat.sources)} networks`);
  const networks = texts.map((text) => parseNetwork('source', text));
  const other = networks.find(({ address }) => familyOf(address) !== familyOf(to));
  if (other !== undefined) throw fieldInvalid('source', formatNetwork(other), 'a network of the family of the destination');
  return [...new Set(networks.map(formatNetwork))].sort();
}
