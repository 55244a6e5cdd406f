import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyManifest as WireManifest, KeyManifestInput } from '../../shared/gen/proto/reeve/type/v1/KeyManifest.js';
import { nounDigest } from '../../shared/kit/digest.js';
import type { Logger } from '../../shared/kit/log.js';
import { formatManifest, manifestContent, parseManifest, type KeyManifest } from '../../shared/model/manifest.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { makeFolder, removeWhole, syncFolder, writeWhole } from '../host/file.js';

/** What this host was told of its keys last. */
export interface StoredManifest {
  /** The newest version that was taken. No older one ever is. */
  readonly version: number;
  /** Digest of that version's content, hex: one version never has two. */
  readonly content: string;
  /** The newest manifest that was applied as a whole: what the lines' own expiries are known from. While a hold lasts it is older than `version`. */
  readonly manifest: KeyManifest | undefined;
}

/** The manifest in the agent's state folder; it has reached the disk before a key file is written. */
export interface ManifestStore {
  /** Undefined: no keys are managed here. */
  readonly stored: StoredManifest | undefined;
  /** Takes a version. `manifest` is its encoding; undefined: it is applied in part, the manifest that was there stays. */
  replace(version: number, content: string, manifest: Buffer | undefined): void;
  /** No keys are managed any more. */
  forget(): void;
}

const codec = () => messageCodec<KeyManifestInput, WireManifest>('reeve.type.v1.KeyManifest');

/** A manifest as it travels. */
export function encodeManifest(manifest: KeyManifest): Buffer {
  return codec().encode(formatManifest(manifest));
}

/** A manifest that has travelled. Errors: FIELD_INVALID, FIELD_MISSING. Throws for bytes that are no message. */
export function decodeManifest(bytes: Buffer): KeyManifest {
  return parseManifest(codec().decode(bytes));
}

/** What tells two manifests of one version apart, hex. */
export function contentDigest(manifest: KeyManifest): string {
  return nounDigest('manifest', manifestContent(manifest)).toString('hex');
}

/**
 * The store below a state folder, of one host: what another host that this machine was before had is not taken. A file that is damaged counts as none, and is
 * logged: the key files work without it, and the next manifest puts it right.
 */
export function openManifestStore(stateDir: string, hostId: string, log: Logger): ManifestStore {
  const path = join(stateDir, 'key.json');
  let stored = readStored(path, hostId, log);
  return {
    get stored() {
      return stored;
    },
    replace(version, content, manifest) {
      const bytes = manifest ?? (stored?.manifest === undefined ? undefined : encodeManifest(stored.manifest));
      makeFolder(stateDir);
      writeWhole(path, `${JSON.stringify({ hostId, version, content, manifest: bytes?.toString('base64') ?? '' })}\n`);
      stored = { version, content, manifest: manifest === undefined ? stored?.manifest : decodeManifest(manifest) };
    },
    forget() {
      if (stored === undefined) return;
      removeWhole(path);
      syncFolder(stateDir);
      stored = undefined;
    },
  };
}

function readStored(path: string, hostId: string, log: Logger): StoredManifest | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<'hostId' | 'version' | 'content' | 'manifest', unknown>>;
    if (typeof value.hostId !== 'string' || typeof value.version !== 'number' || typeof value.content !== 'string' || typeof value.manifest !== 'string') throw new Error('it has not the fields it should have');
    if (value.hostId !== hostId) return undefined;
    return { version: value.version, content: value.content, manifest: value.manifest === '' ? undefined : decodeManifest(Buffer.from(value.manifest, 'base64')) };
  } catch (error) {
    log.error({ err: error, path }, 'what is stored of the key manifest is damaged; the next manifest replaces it');
    return undefined;
  }
}
