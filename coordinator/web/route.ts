import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../shared/kit/log.js';
import type { Channel } from '../../shared/rpc/client.js';
import type { Live } from './live.js';
import type { Page, PageAnswer } from './page.js';
import { problemOf, problemOfError, type Problem } from './problem.js';
import { apiOf, hasEnded, noSessionCookie, sessionOf, tokenOf, type Session } from './session.js';
import { renderDocument } from './view/layout.js';

/** What all routes work on. */
export interface Site {
  readonly base: string;
  readonly api: Channel;
  readonly log: Logger;
  readonly live: Live;
  /** Unix ms. */
  readonly now: () => number;
  /** Where a request comes from. */
  readonly address: (request: IncomingMessage) => string;
  /** Answers with a page about a problem. */
  readonly fail: (reply: FastifyReply, problem: Problem) => void;
}

/** The pages, and the stream that tells when they are to be looked at anew. */
export function addPages(app: FastifyInstance, site: Site, pages: readonly Page[]): void {
  for (const page of pages) {
    app.get(page.path, async (request, reply) => {
      await withSession(site, request, reply, async (session) => {
        const { viewer } = session;
        // Somebody who is no operator begins with themselves.
        if (viewer.role === '' && page.path === '/') {
          await reply.redirect(`${site.base}/self`, 303);
          return;
        }
        if (viewer.role === '' && page.forAll !== true) {
          site.fail(reply, problemOf(404, 'There is no such page, or it is not for you.'));
          return;
        }
        const abort = new AbortController();
        // A page asks for many things at once.
        setMaxListeners(100, abort.signal);
        reply.raw.once('close', () => abort.abort());
        const { pathname, searchParams } = new URL(request.url, 'http://localhost');
        const params = request.params as Readonly<Record<string, string>>;
        const answer = await page.load(apiOf(site.api, session, abort.signal), { viewer, params, query: searchParams, path: pathname, base: site.base, now: site.now() });
        await sendAnswer(site, reply, { answer, session, path: pathname, live: true });
      });
    });
  }
  app.get('/live', { exposeHeadRoute: false }, async (request, reply) => {
    const session = await sessionOf(site.api, request.raw);
    if (session === undefined) {
      site.fail(reply, { ...problemOf(401, 'There is no session.'), title: 'Not logged in' });
      return;
    }
    const before = request.headers['last-event-id'];
    if (reply.raw.destroyed) return;
    const taken = site.live.subscribe(reply.raw, { token: session.token, before: typeof before === 'string' && /^[0-9]{1,16}$/.test(before) ? before : undefined });
    if (taken) reply.hijack();
    else site.fail(reply, problemOf(429, 'Too many pages follow the fleet.'));
  });
}

/** Runs a handler for who is logged in; others log in first. Whatever goes wrong is told by a page. */
export async function withSession(site: Site, request: FastifyRequest, reply: FastifyReply, handle: (session: Session) => Promise<void>): Promise<void> {
  try {
    const session = await sessionOf(site.api, request.raw);
    if (session === undefined) await toLogin(site, request, reply);
    else await handle(session);
  } catch (error) {
    if (hasEnded(error)) await toLogin(site, request, reply);
    else if (!reply.raw.destroyed) site.fail(reply, problemOfError(error, site.log));
  }
}

/** To the form to log in, and from there back to the page. */
async function toLogin(site: Site, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (tokenOf(request.raw) !== undefined) void reply.header('set-cookie', noSessionCookie);
  const next = request.method === 'GET' && request.url !== '/' ? `?next=${encodeURIComponent(request.url)}` : '';
  await reply.redirect(`${site.base}/login${next}`, 303);
}

/** Sends what a page answered. */
export async function sendAnswer(site: Site, reply: FastifyReply, of: { readonly answer: PageAnswer; readonly session: Session; readonly path: string; readonly live: boolean }): Promise<void> {
  const { answer, session, path, live } = of;
  if (answer.kind === 'file') {
    const name = answer.name.replace(/[^A-Za-z0-9._-]/g, '_');
    await reply.header('content-disposition', `attachment; filename="${name}"`).type(answer.type).send(answer.body);
    return;
  }
  const body = renderDocument(answer, { base: site.base, path, viewer: session.viewer, live });
  await reply.code(answer.status ?? 200).type('text/html; charset=utf-8').send(body);
}
