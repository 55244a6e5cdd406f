import { fieldInvalid, fieldMissing } from '../../../shared/model/field.js';
import { isIpv6, parsePort, parseReachableAddress } from '../../../shared/model/host.js';

/** Who logs in where. */
export interface Login {
  readonly user: string;
  /** IP address or host name. */
  readonly address: string;
  readonly port: number;
}

/** Port of sshd(8) where nothing else is said. */
export const sshPort = 22;

/** An account to log in as. Errors: FIELD_INVALID. */
export function parseLoginUser(text: string, field: string): string {
  // No leading "-": some day a program might be given it (CVE-2017-1000117 and its kin).
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(text)) throw fieldInvalid(field, text, 'a letter or "_", then letters, digits, "_", "." and "-", at most 64 characters');
  return text;
}

/** A login from `USER@ADDRESS[:PORT]`, IPv6 in brackets where a port follows. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseLogin(text: string, field: string, defaultPort = sshPort): Login {
  const rule = 'USER@ADDRESS or USER@ADDRESS:PORT ("root@192.0.2.7", "admin@web1.example.org:2222", "root@[2001:db8::7]:22")';
  if (text === '') throw fieldMissing(field, rule);
  const at = text.indexOf('@');
  if (at < 1) throw fieldInvalid(field, text, rule);
  const user = parseLoginUser(text.slice(0, at), `user of ${field}`);
  const { address, port } = parseAddressPort(text.slice(at + 1), field);
  return { user, address, port: port ?? defaultPort };
}

/** `ADDRESS`, `ADDRESS:PORT`, `[IPv6]:PORT`. Errors: FIELD_INVALID, FIELD_MISSING. */
function parseAddressPort(text: string, field: string): { address: string; port: number | undefined } {
  if (isIpv6(text)) return { address: text, port: undefined };
  const [, inside, plain, port] = /^(?:\[([0-9a-f:]+)\]|([^:[\]]*))(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const address = inside ?? plain;
  if (address === undefined || (inside !== undefined && !isIpv6(inside))) throw fieldInvalid(`address of ${field}`, text, 'an IPv4 or IPv6 address in its shortest form, or a host name, with ":PORT" behind it or not');
  return { address: parseReachableAddress(address), port: port === undefined ? undefined : parsePort(Number(port), `port of ${field}`) };
}

/** `address`, or `[address]:port` for another port than 22: as known_hosts names hosts, and for messages. */
export function nameOfLogin(login: Pick<Login, 'address' | 'port'>): string {
  return login.port === sshPort ? login.address : `[${login.address}]:${String(login.port)}`;
}
