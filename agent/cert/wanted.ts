import type { Cert, CertFacts } from '../../shared/model/cert.js';

/** What is wanted, with what a plan cannot find out by itself. */
export interface WantedCert {
  readonly cert: Cert;
  /** As the helper will keep it. */
  readonly note: string;
  /** Supplied: what its chain says. */
  readonly facts: CertFacts | undefined;
  /** Supplied: sha256 of the chain, hex. */
  readonly sha256: string;
  /** Supplied: why it cannot be used now; undefined: it can. */
  readonly problem: string | undefined;
}
