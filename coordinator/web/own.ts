import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import { withSession, sendAnswer, type Site } from './route.js';
import { answerMs, webService, type Session } from './session.js';
import { renderSelf, type SelfView } from './view/self.js';

const self = '/self';

/** One's own page: keys, where they get in, and the two forms that alter them. */
export function addOwn(app: FastifyInstance, site: Site): void {
  app.get(self, async (request, reply) => {
    await withSession(site, request, reply, async (session) => {
      const done = new URL(request.url, 'http://localhost').searchParams.get('done');
      await sendSelf(site, reply, session, { status: 200, done: done === 'added' || done === 'removed' ? done : undefined, problem: undefined });
    });
  });
  app.post('/self/key/add', (request, reply) => change(site, { request, reply }, 'added', (form) => ({ method: 'AddOwnKey', request: { key: form.get('key') ?? '', formToken: form.get('form_token') ?? '' } })));
  app.post('/self/key/remove', (request, reply) => change(site, { request, reply }, 'removed', (form) => ({ method: 'RemoveOwnKey', request: { fingerprint: form.get('fingerprint') ?? '', formToken: form.get('form_token') ?? '' } })));
}

/** What one form asks of the coordinator. */
type Ask = { readonly method: 'AddOwnKey'; readonly request: { key: string; formToken: string } } | { readonly method: 'RemoveOwnKey'; readonly request: { fingerprint: string; formToken: string } };

async function change(site: Site, { request, reply }: { request: FastifyRequest; reply: FastifyReply }, done: 'added' | 'removed', read: (form: URLSearchParams) => Ask): Promise<void> {
  await withSession(site, request, reply, async (session) => {
    const ask = read(request.body as URLSearchParams);
    const options = { metadata: session.metadata, signal: AbortSignal.timeout(answerMs) };
    try {
      const events = ask.method === 'AddOwnKey' ? site.api.stream(webService, ask.method, ask.request, options) : site.api.stream(webService, ask.method, ask.request, options);
      for await (const event of events) if (event.finished) break;
    } catch (error) {
      if (!(error instanceof ReeveError) || !isMistake(error)) throw error;
      const key = ask.method === 'AddOwnKey' ? ask.request.key.slice(0, 12_000) : '';
      await sendSelf(site, reply, session, { status: 400, done: undefined, problem: { text: error.items.map(formatMessage).join('; '), key } });
      return;
    }
    await reply.redirect(`${site.base}${self}?done=${done}`, 303);
  });
}

/** Whether it is for who typed it to put right. */
function isMistake({ code }: ReeveError): boolean {
  return code === 'FIELD_INVALID' || code === 'FIELD_MISSING' || code === 'KEY_UNKNOWN' || code === 'LIMIT_EXCEEDED' || code === 'PERSON_UNKNOWN' || code === 'PERSON_INACTIVE';
}

async function sendSelf(site: Site, reply: FastifyReply, session: Session, view: Pick<SelfView, 'done' | 'problem'> & { readonly status: number }): Promise<void> {
  const answer = await site.api.unary(webService, 'GetSelf', {}, { deadlineMs: answerMs, metadata: session.metadata });
  const main = renderSelf({ ...view, base: site.base, self: answer, now: site.now() });
  await sendAnswer(site, reply, { answer: { kind: 'html', title: answer.name, main, status: view.status }, session, path: self, live: false });
}
