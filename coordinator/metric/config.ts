import type { ErrorItem } from '../../shared/errors/error.js';
import { isIpv4, isIpv6, isLoopback } from '../../shared/model/host.js';

/** Where the metrics listener is, and with what it encrypts. */
export interface MetricListen {
  readonly at: { readonly kind: 'port'; readonly address: string; readonly port: number } | { readonly kind: 'unix'; readonly path: string };
  /** Files of a certificate and its key; undefined: plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
}

/** Keys of /etc/reeve/reeved.conf that are about metrics. */
export const metricKeys = ['metrics-bind', 'metrics-certificate', 'metrics-key'] as const;

/** One line of the configuration that is about metrics. */
export interface MetricLine {
  readonly key: (typeof metricKeys)[number];
  readonly value: string;
  /** How messages name it. */
  readonly field: string;
}

const metricPort = 7425;

/** Whether a key is about metrics. */
export function isMetricKey(key: string): key is MetricLine['key'] {
  return metricKeys.some((known) => known === key);
}

/** What the lines want; undefined: no listener. Problems are added to the list. A token is not sent over a network in the clear. */
export function parseMetrics(lines: readonly MetricLine[], problems: ErrorItem[]): MetricListen | undefined {
  const last = (key: MetricLine['key']): MetricLine | undefined => lines.findLast((line) => line.key === key);
  const [bind, certificate, key] = [last('metrics-bind'), last('metrics-certificate'), last('metrics-key')];
  for (const line of [certificate, key]) {
    if (line !== undefined && !/^\/[^\0]*$/.test(line.value)) problems.push({ code: 'FIELD_INVALID', fields: { field: line.field, value: line.value, rule: 'an absolute path' } });
  }
  if ((certificate === undefined) !== (key === undefined)) {
    problems.push({ code: 'FIELD_MISSING', fields: { field: certificate === undefined ? 'metrics-certificate' : 'metrics-key', rule: 'metrics-certificate and metrics-key come together' } });
  }
  if (bind === undefined || bind.value === 'off') return undefined;
  const at = parseAt(bind.value);
  if (at === undefined) {
    problems.push({ code: 'FIELD_INVALID', fields: { field: bind.field, value: bind.value, rule: 'ADDRESS, ADDRESS:PORT or [IPv6]:PORT, the absolute path of a unix socket, or off' } });
    return undefined;
  }
  const tls = certificate === undefined || key === undefined ? undefined : { certificate: certificate.value, key: key.value };
  if (tls === undefined && at.kind === 'port' && !isLoopback(at.address)) {
    problems.push({ code: 'FIELD_INVALID', fields: { field: bind.field, value: bind.value, rule: 'without metrics-certificate and metrics-key only an address of loopback or a unix socket: tokens are not sent in the clear' } });
  }
  return { at, tls };
}

function parseAt(value: string): MetricListen['at'] | undefined {
  if (value.startsWith('/')) return value.length <= 100 ? { kind: 'unix', path: value } : undefined;
  if (isIpv6(value)) return { kind: 'port', address: value, port: metricPort };
  const [, six, four, portText] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::([1-9][0-9]{0,4}))?$/.exec(value) ?? [];
  const address = six ?? four ?? '';
  const port = portText === undefined ? metricPort : Number(portText);
  if (!(six === undefined ? isIpv4(address) : isIpv6(address)) || port > 65_535) return undefined;
  return { kind: 'port', address, port };
}

/** As people write it. */
export function formatMetricListen({ at, tls }: MetricListen): string {
  if (at.kind === 'unix') return at.path;
  return `${tls === undefined ? 'http' : 'https'}://${at.address.includes(':') ? `[${at.address}]` : at.address}:${String(at.port)}/metrics`;
}
