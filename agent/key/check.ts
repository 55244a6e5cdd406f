import type { ErrorItem } from '../../shared/errors/error.js';
import type { KeyManifest } from '../../shared/model/manifest.js';
import type { Circumstances } from '../engine/noun.js';
import type { StoredManifest } from './store.js';

/** How far clocks may differ, ms. */
const skewMs = 10 * 60_000;

/** What a manifest is checked against. */
export interface ManifestCheck {
  readonly hostId: string;
  readonly hostName: string;
  readonly stored: StoredManifest | undefined;
  /** Digest of the manifest's content. */
  readonly content: string;
  /** Unix ms. */
  readonly now: number;
  readonly how: Circumstances;
}

/** Why a manifest is not taken; empty: it is. What root of the host takes back is no manifest of a coordinator, and has neither age nor version. */
export function manifestProblems(manifest: KeyManifest, check: ManifestCheck): readonly ErrorItem[] {
  const { stored, now, how } = check;
  const refuse = (rule: string): readonly ErrorItem[] => [{ code: 'KEY_MANIFEST', fields: { host: check.hostName, rule } }];
  if (manifest.hostId !== check.hostId) return refuse(`it is for host ${manifest.hostId}`);
  if (how.undo || how.resumed) return [];
  if (manifest.notAfterMs <= now - skewMs) return refuse(`it was good until ${new Date(manifest.notAfterMs).toISOString()}, and it is ${new Date(now).toISOString()}`);
  if (stored === undefined) return [];
  if (manifest.version < stored.version) return refuse(`its version ${String(manifest.version)} is older than ${String(stored.version)}, which the host has`);
  // A plan may be of what is not stored anywhere yet.
  if (how.mode === 'apply' && manifest.version === stored.version && check.content !== stored.content) return refuse(`the host has another manifest of the same version ${String(manifest.version)}`);
  return [];
}
