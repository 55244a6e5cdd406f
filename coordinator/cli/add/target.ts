import type { WireLink } from '../../../shared/model/link.js';
import type { Preset } from '../ssh/command.js';
import type { Login } from '../ssh/login.js';

/** A machine that is to become a host, as the command line or a file names it. */
export interface Target {
  /** Name of the host to be. */
  readonly name: string;
  readonly login: Login;
  /** File of the private key; undefined: what else was given. */
  readonly identity: string | undefined;
  /** The fingerprint of its host key; undefined: known_hosts knows it. */
  readonly hostKey: string | undefined;
  readonly jump: Login | undefined;
  readonly jumpHostKey: string | undefined;
  readonly sudo: boolean;
  readonly policy: Preset | undefined;
  /** `key=value`. */
  readonly labels: readonly string[];
  /** Where its agent listens, `IP:PORT`; undefined: the address that it joins from. */
  readonly address: string | undefined;
  readonly parent: string | undefined;
  /** How the coordinator reaches it; undefined: straight. */
  readonly link: WireLink | undefined;
}
