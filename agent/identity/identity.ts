import type { LinkKind } from '../../shared/model/link.js';

/** Who this host is in its fleet, and whom it trusts. PEM where nothing else is said. */
export interface AgentIdentity {
  readonly fleetId: string;
  readonly hostId: string;
  /** Name of the host in the inventory when it joined or renewed; for people. */
  readonly hostName: string;
  /** Private key, made on this host. */
  readonly key: string;
  readonly certificate: string;
  /** The only root the agent trusts. */
  readonly controlRoot: string;
  /** The issuer of the certificate. */
  readonly agentsRoot: string;
  /** Where the coordinator's agents' API is, `ADDRESS:PORT`, in order of preference. */
  readonly agentsApi: readonly string[];
  /** Where its enrolment is. */
  readonly enrolment: readonly string[];
  /** How the coordinator reaches this host. */
  readonly link: LinkKind;
  /** When the certificate was issued; absent in identities that an older agent stored. */
  readonly issued?: Issued;
  /** Hint of the machine that joined, sha256 of its machine-id in hex; undefined: not known. Not an identity. */
  readonly machineHint?: string;
}

/** One moment by two clocks. notBefore of a certificate lies days before its issue, so that its life cannot be told from its dates. */
export interface Issued {
  /** By the clock of the coordinator, unix ms. */
  readonly coordinatorMs: number;
  /** By the clock of this host, unix ms. */
  readonly hostMs: number;
}
