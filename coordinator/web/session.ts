import type { IncomingMessage } from 'node:http';
import { ReeveError } from '../../shared/errors/error.js';
import type { WebServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/WebService.js';
import { parseRole } from '../../shared/model/role.js';
import { parseSessionToken } from '../../shared/model/web-login.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import type { PageApi, Viewer } from './page.js';

/** Logins and what sessions may do. */
export const webService = serviceName<WebServiceDefinition>('reeve.coordinator.v1.WebService');

/** Longest time the coordinator may take for an answer, ms. */
export const answerMs = 20_000;

/** Name of the cookie: browsers take it only with Secure, for one host and all paths (RFC 6265bis 4.1.3.2). */
const cookieName = '__Host-reeve';

/** Somebody who looks at a page. */
export interface Session {
  /** Secret. */
  readonly token: string;
  /** What a call of the session carries. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly viewer: Viewer;
}

/** The cookie of a new session. */
export function sessionCookie(token: string): string {
  return `${cookieName}=${token}; Path=/; Secure; HttpOnly; SameSite=Strict`;
}

/** The cookie that takes a session out of the browser. */
export const noSessionCookie = `${cookieName}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`;

/** The token in the cookies of a request; undefined: none, or two. */
export function tokenOf({ headers }: IncomingMessage): string | undefined {
  const found = (headers.cookie ?? '').split(';').map((part) => part.trim()).filter((part) => part.startsWith(`${cookieName}=`));
  const token = found.length === 1 ? (found[0]?.slice(cookieName.length + 1) ?? '') : '';
  return parseSessionToken(token) === undefined ? undefined : token;
}

/** What a call of this request carries. What a script fetches by itself is nobody's doing, and keeps no session alive. */
export function metadataOf(token: string, { headers }: IncomingMessage): Readonly<Record<string, string>> {
  return { 'reeve-session': token, ...(headers['sec-fetch-dest'] === 'empty' ? { 'reeve-quiet': '1' } : {}) };
}

/** Whose session a request carries; undefined: nobody's, any more. Errors: COORDINATOR_UNREACHABLE and the like. */
export async function sessionOf(api: Channel, request: IncomingMessage): Promise<Session | undefined> {
  const token = tokenOf(request);
  if (token === undefined) return undefined;
  const metadata = metadataOf(token, request);
  try {
    const self = await api.unary(webService, 'GetSelf', { brief: true }, { deadlineMs: answerMs, metadata });
    const { name, role, labels, person, formToken } = self;
    return { token, metadata, viewer: { name, role: role === '' ? '' : parseRole(role), labels, person, formToken } };
  } catch (error) {
    if (hasEnded(error)) return undefined;
    throw error;
  }
}

/** Whether an error says that a session is not there any more. */
export function hasEnded(error: unknown): boolean {
  return error instanceof ReeveError && error.code === 'WEB_SESSION_ENDED';
}

/** The API with the rights of a session. */
export function apiOf(api: Channel, { metadata }: Session, signal: AbortSignal): PageApi {
  return { unary: (service, method, request) => api.unary(service, method, request, { deadlineMs: answerMs, metadata, signal }) };
}
