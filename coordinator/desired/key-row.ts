import type { KeyFlag, PublicKey } from '../../shared/model/key.js';
import type { Label } from '../../shared/model/label.js';
import type { Person } from '../../shared/model/person.js';
import type { User } from '../../shared/model/user.js';

/** Who holds a key. */
export type KeyOwner =
  | { readonly kind: 'person'; readonly name: string }
  /** A user on a host, who logs in elsewhere with it. `lost`: the host is revoked or retired, and the key lets in nowhere. */
  | { readonly kind: 'user'; readonly hostId: string; readonly hostName: string; readonly user: string; readonly lost: boolean };

/** A key of the inventory. */
export interface KeyRow {
  readonly id: number;
  /** sha256 of the blob, hex. */
  readonly fingerprint: string;
  readonly key: PublicKey;
  /** As its holder wrote it; not what stands in key files. */
  readonly comment: string;
  readonly owner: KeyOwner;
  readonly flags: readonly KeyFlag[];
  readonly from: readonly string[];
  /** Unix ms, whole seconds; undefined: never. As are all expiries here. */
  readonly expiresAtMs: number | undefined;
}

/** A membership of a group. A host stands for all keys that its users hold. */
export interface MemberRow {
  readonly group: string;
  readonly member: { readonly kind: 'person'; readonly name: string } | { readonly kind: 'host'; readonly hostId: string } | { readonly kind: 'key'; readonly keyId: number };
  readonly expiresAtMs: number | undefined;
}

/** A grant. */
export interface GrantRow {
  readonly id: number;
  readonly subject: { readonly kind: 'person'; readonly name: string } | { readonly kind: 'group'; readonly name: string } | { readonly kind: 'key'; readonly keyId: number };
  readonly target: { readonly kind: 'host'; readonly hostId: string } | { readonly kind: 'label'; readonly label: Label } | { readonly kind: 'all' };
  /** One user of the host; undefined: all its managed users. */
  readonly user: string | undefined;
  readonly expiresAtMs: number | undefined;
}

/** What of the inventory decides about keys: of the whole fleet, or as much of it as some hosts need. In any order. */
export interface KeyRows {
  readonly hosts: readonly { readonly id: string; readonly labels: readonly Label[] }[];
  readonly users: readonly { readonly hostId: string; readonly name: string; readonly presence: User['presence'] }[];
  readonly persons: readonly Pick<Person, 'name' | 'active' | 'expiresAtMs'>[];
  readonly keys: readonly KeyRow[];
  readonly members: readonly MemberRow[];
  readonly grants: readonly GrantRow[];
  readonly owners: readonly { readonly hostId: string; readonly person: string }[];
  readonly breakGlass: readonly { readonly hostId: string; readonly fingerprint: string }[];
  readonly exclusive: readonly { readonly hostId: string; readonly user: string }[];
}
