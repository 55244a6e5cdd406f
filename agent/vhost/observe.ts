import { reeveError } from '../../shared/errors/error.js';
import { readChain } from '../../shared/kit/cert-chain.js';
import type { ObserveVhostReply } from '../../shared/gen/privd.js';
import { nameOfFileBase } from '../../shared/model/vhost-name.js';
import type { ObservedVhost } from '../../shared/model/vhost.js';
import { siteCert } from '../cert/site.js';
import type { Helper } from '../host/host.js';

/** A file of a managed site. */
export interface ObservedFile {
  /** Without a folder: `example.org.conf`. */
  readonly name: string;
  /** As it was written, hexadecimal. */
  readonly sha256: string;
  readonly state: 'ok' | 'edited' | 'missing';
}

/** A managed site of the host. */
export interface ObservedSite extends ObservedVhost {
  readonly files: readonly ObservedFile[];
  /** Its self-signed certificate, PEM; undefined: it has none. */
  readonly certPem: string | undefined;
}

/** When a self-signed certificate ends, Unix ms, by the sha256 of its file: each is read once. */
export type CertEnds = Map<string, number>;

/** A server block of somebody else. */
export interface ForeignSite {
  /** Absolute path. */
  readonly file: string;
  /** Where it begins. */
  readonly line: number;
  readonly names: readonly string[];
  /** Words of each listen directive. */
  readonly listens: readonly string[];
}

/** The web front of a host. */
export interface ObservedVhosts {
  /** `nginx 1.22.1`; empty: there is none. */
  readonly engine: string;
  readonly running: boolean;
  /** Empty: managed sites are part of the configuration, or can be made so; else why not. */
  readonly included: string;
  /** Digest of the set in place, hexadecimal; empty: none. */
  readonly set: string;
  /** The operation that put it in place and has not settled it; undefined: it is settled. */
  readonly unsettled: string | undefined;
  /** By name. */
  readonly sites: ReadonlyMap<string, ObservedSite>;
  readonly foreign: readonly ForeignSite[];
  /** sha256 of the snippets that root has put there, hexadecimal, by name. */
  readonly snippets: ReadonlyMap<string, string>;
  /** Not all sites of others are told; all managed ones are. */
  readonly truncated: boolean;
  /** When the next self-signed certificate that does not do so yet will end soon, Unix ms; undefined: none will. */
  readonly dueAtMs: number | undefined;
}

/** How the sites are looked at. */
export interface ObserveSource {
  readonly helper: Helper;
  /** Unix ms. */
  readonly now: number;
  readonly ends: CertEnds;
}

/** Most names and listens that are taken of one block of somebody else. */
const mostOfBlock = 64;

const filePattern = /^(.+)\.(conf|auth[0-9]{0,10}|ca|crl|crt|key)$/;
const states: readonly ObservedFile['state'][] = ['ok', 'edited', 'missing'];

/** The managed sites, and what others have beside them. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function observeVhosts(source: ObserveSource, operationId: string): Promise<ObservedVhosts> {
  return parseReply(await source.helper.call('observe.vhost', operationId, { scope: 'managed' }), source);
}

/** What stands in a managed file. Errors: VHOST_UNKNOWN, those of observeVhosts. */
export async function readSiteFile(helper: Helper, operationId: string, file: string): Promise<{ readonly text: string; readonly sha256: string }> {
  const { text, sha256 } = await helper.call('observe.vhost', operationId, { scope: 'file', file });
  return { text: Buffer.from(text).toString('utf8'), sha256: hexOf(sha256) };
}

/** What the helper says is data of another process: checked once more. */
function parseReply(reply: ObserveVhostReply, { now, ends }: ObserveSource): ObservedVhosts {
  const sites = sitesOf(reply.file);
  const due = [...sites.values()].map((site) => endOf(site, ends) - siteCert.renewMs);
  const later = due.filter((at) => at > now && at < Infinity);
  return {
    engine: reply.engine.slice(0, 100),
    running: reply.running,
    included: reply.included,
    set: hexOf(reply.set),
    unsettled: reply.operation.length === 16 ? formatUuid(reply.operation) : undefined,
    sites: new Map([...sites.values()].map((site, index) => [site.name, site.state === 'ok' && (due[index] ?? Infinity) <= now ? { ...site, state: 'expiring' } : site])),
    foreign: reply.foreign.map(({ file, line, name, listen }) => ({ file, line, names: name.slice(0, mostOfBlock), listens: listen.slice(0, mostOfBlock) })),
    snippets: new Map(reply.snippet.map(({ name, sha256 }) => [name, hexOf(sha256)])),
    truncated: reply.truncated,
    dueAtMs: later.length === 0 ? undefined : Math.min(...later),
  };
}

function sitesOf(rows: ObserveVhostReply['file']): ReadonlyMap<string, ObservedSite> {
  const found = new Map<string, { files: ObservedFile[]; modelSha: string; certPem: string | undefined }>();
  for (const { name: file, sha256, state: word, model, text } of rows) {
    const match = filePattern.exec(file);
    const state = states.find((known) => known === word);
    if (match === null || state === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: `of file "${file}" in state "${word}"`, rule: 'the helper is newer than the agent' });
    const name = nameOfFileBase(match[1] ?? '');
    const site = found.get(name) ?? { files: [], modelSha: '', certPem: undefined };
    site.files.push({ name: file, sha256: hexOf(sha256), state });
    if (match[2] === 'conf') site.modelSha = hexOf(model);
    if (match[2] === 'crt' && text.length > 0) site.certPem = Buffer.from(text).toString('latin1');
    found.set(name, site);
  }
  return new Map([...found].map(([name, { files, ...site }]) => [name, { name, ...site, files, state: worst(files) }]));
}

/** When the certificate of a site ends; Infinity: it has none of its own. One that cannot be read has ended. */
function endOf({ files, certPem }: ObservedSite, ends: CertEnds): number {
  const key = certPem === undefined ? undefined : files.find(({ name }) => name.endsWith('.crt'))?.sha256;
  if (certPem === undefined || key === undefined) return Infinity;
  const end = ends.get(key) ?? (readChain(certPem).facts?.notAfter ?? 0) * 1000;
  ends.set(key, end);
  return end;
}

/** Somebody's work counts more than that something is gone. */
function worst(files: readonly ObservedFile[]): ObservedFile['state'] {
  return (['edited', 'missing'] as const).find((state) => files.some((file) => file.state === state)) ?? 'ok';
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

function formatUuid(bytes: Uint8Array): string {
  const hex = hexOf(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
