import type { Vhost } from '../../shared/model/vhost.js';

/** What a file of a site is for. */
export type SiteFileKind =
  /** The configuration. */
  | 'conf'
  /** Who may enter, of the site or of one route. */
  | 'auth'
  /** Authorities of clients, and what they revoked. */
  | 'ca'
  | 'crl'
  /** Self-signed certificate and its key; not rendered, but made on the host once. */
  | 'crt'
  | 'key';

/** A file of a site, as it lies in the folder of a set. */
export interface SiteFile {
  /** Without a folder: `example.org.conf`. */
  readonly name: string;
  readonly kind: SiteFileKind;
  readonly text: string;
}

/** A web server. */
export interface Engine {
  readonly name: 'nginx';
  /** The files of a site: pure. `modelSha`: sha256 of vhostModelText of it, hexadecimal. Those of kind crt and key are not among them; usesSelfSigned tells whether they are needed. */
  readonly render: (site: Vhost, modelSha: string) => readonly SiteFile[];
}

/** Whether a site needs SITE.crt and SITE.key, which the host makes itself. */
export function usesSelfSigned(site: Vhost): boolean {
  return site.cert === undefined && site.listens.some((listen) => listen.tls);
}
