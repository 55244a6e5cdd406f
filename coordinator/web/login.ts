import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ReeveError } from '../../shared/errors/error.js';
import { problemOf, problemOfError } from './problem.js';
import type { Site } from './route.js';
import { answerMs, noSessionCookie, sessionCookie, sessionOf, tokenOf, webService } from './session.js';
import { renderDocument } from './view/layout.js';
import { renderLogin } from './view/login.js';

/** Logging in and out. */
export function addLogin(app: FastifyInstance, site: Site): void {
  app.get('/login', async (request, reply) => {
    const { searchParams } = new URL(request.url, 'http://localhost');
    await sendForm(site, reply, { status: 200, next: localPath(searchParams.get('next')), name: '', problem: undefined });
  });
  app.post('/login', async (request, reply) => {
    const form = request.body as URLSearchParams;
    const [name, next] = [form.get('name') ?? '', localPath(form.get('next'))];
    try {
      const opened = await site.api.unary(
        webService,
        'OpenSession',
        { name, password: form.get('password') ?? '', code: form.get('code') ?? '', address: site.address(request.raw) },
        { deadlineMs: answerMs },
      );
      // Whoever logs in anew leaves the session of before.
      await endSession(site, tokenOf(request.raw));
      await reply.header('set-cookie', sessionCookie(opened.token)).redirect(`${site.base}${next}`, 303);
    } catch (error) {
      const refused = refusalOf(error);
      if (refused === undefined) site.fail(reply, problemOfError(error, site.log));
      else await sendForm(site, reply, { ...refused, next, name: name.slice(0, 63) });
    }
  });
  app.post('/logout', async (request, reply) => {
    try {
      const session = await sessionOf(site.api, request.raw);
      if (session !== undefined && !isSame((request.body as URLSearchParams).get('form_token') ?? '', session.viewer.formToken)) {
        site.fail(reply, problemOf(403, 'This form is not of this session.'));
        return;
      }
      await endSession(site, session?.token);
      await reply.header('set-cookie', noSessionCookie).redirect(`${site.base}/login`, 303);
    } catch (error) {
      site.fail(reply, problemOfError(error, site.log));
    }
  });
}

/** Ends a session on the coordinator; one that has ended already is as good. */
async function endSession(site: Site, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  site.live.drop(token);
  try {
    await site.api.unary(webService, 'CloseSession', {}, { deadlineMs: answerMs, metadata: { 'reeve-session': token } });
  } catch (error) {
    if (!(error instanceof ReeveError) || error.code !== 'WEB_SESSION_ENDED') throw error;
  }
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What is said to who could not log in: one thing for everything that can be wrong. Undefined: it is no refusal. */
function refusalOf(error: unknown): { status: number; problem: string } | undefined {
  if (!(error instanceof ReeveError)) return undefined;
  switch (error.code) {
    case 'LOGIN_REFUSED':
      return { status: 403, problem: 'This name, password and code do not fit together, or a code was used already.' };
    case 'RATE_LIMITED':
    case 'BUSY':
      return { status: 429, problem: 'There were too many tries. Wait a minute.' };
    default:
      return undefined;
  }
}

async function sendForm(site: Site, reply: FastifyReply, form: { readonly status: number; readonly next: string; readonly name: string; readonly problem: string | undefined }): Promise<void> {
  const body = renderDocument({ title: 'Log in', main: renderLogin({ ...form, base: site.base }) }, { base: site.base, path: '/login', viewer: undefined, live: false });
  await reply.code(form.status).type('text/html; charset=utf-8').send(body);
}

/** A path of this server to go on to; whatever could lead elsewhere is the first page. */
export function localPath(text: string | null): string {
  return text !== null && text.length <= 1_024 && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text) && !text.startsWith('/login') ? text : '/';
}
