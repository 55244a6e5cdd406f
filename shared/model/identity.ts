import { parseFleetId, parseId } from './id.js';
import { parsePattern } from './field.js';

/** Who a certificate is for. */
export type Identity =
  | { readonly kind: 'host'; readonly fleetId: string; readonly hostId: string }
  | { readonly kind: 'coordinator'; readonly fleetId: string }
  | { readonly kind: 'operator'; readonly fleetId: string; readonly name: string };

/** The one URI that a certificate carries for an identity; compared whole, never parsed out of a longer text. */
export function formatIdentity(identity: Identity): string {
  const base = `reeve://${parseFleetId(identity.fleetId)}`;
  switch (identity.kind) {
    case 'host':
      return `${base}/host/${parseId('host id', identity.hostId)}`;
    case 'coordinator':
      return `${base}/role/coordinator`;
    case 'operator':
      return `${base}/operator/${parsePattern('operator name', identity.name, /^[a-z_][a-z0-9_-]{0,30}$/, 'lower-case letters, digits, _ and -')}`;
  }
}
