import { describe, expect, it } from 'vitest';
import { reeveError } from '../../../shared/errors/error.js';
import { contract } from '../../../shared/rpc/load.js';
import type { Page, PageAnswer, PageApi, PageRequest } from '../page.js';
import { renderDocument } from './layout.js';
import { pages } from './pages.js';

/** Each begins with "evil" and a letter, so that it is found again where it was put. */
const texts = [
  `evilA"><script>alert(1)</script>`,
  `evilB' onload=alert(1) x='`,
  `evilC</textarea></title></style><svg onload=alert(1)>`,
  `evilD\u202egnp.exe\u2066\u200b\u0007\u001b[31m\u0000`,
  `evilE=cmd|' /C calc'!A0`,
  `evilF&lt;script&gt;&#x22;javascript:alert(1)//`,
  `evilG\r\nset-cookie: a=b\t`,
] as const;

/** A field of a message, as the contract describes it. */
interface Field {
  readonly type: string;
  readonly label: string;
  readonly name: string;
  readonly typeName: string;
}

interface Message {
  readonly field: readonly Field[];
}

/** An answer of a method in which every text is hostile, every list has two entries, and every figure is one that nobody expects. */
function hostileAnswer(service: string, method: string, text: string): unknown {
  const found = contractOf[service] as unknown as Readonly<Record<string, { readonly responseType: { readonly type: Message } }>>;
  const definition = found[method];
  if (definition === undefined) throw new Error(`no method ${service}/${method}`);
  return fill(definition.responseType.type, text, 0);
}

describe.each(texts)('with %j in all that the coordinator answers', (text) => {
  it.each(pages.map((page) => [page.path, page] as const))('the page %s has nothing in it that is not text', async (_path, page) => {
    const answer = await load(page, text);
    if (answer.kind !== 'html') throw new Error('no page');
    checkDocument(document(answer), text);
  });

  it('the list as a file has no formula in it', async () => {
    const page = pages.find(({ path }) => path === '/host');
    for (const format of ['csv', 'json']) {
      const answer = await load(page as Page, text, `?format=${format}`);
      if (answer.kind !== 'file') throw new Error('no file');
      expect(answer.body).toContain('evil');
      expect(answer.body.replace(/\r?\n/g, '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
      if (format === 'csv') for (const line of answer.body.split('\r\n')) for (const cell of line.split(',')) expect(cell).not.toMatch(/^"?[=+\-@]/);
      else expect(() => JSON.parse(answer.body) as unknown).not.toThrow();
    }
  });
});

describe.each(texts)('with %j in the address', (text) => {
  it.each(pages.map((page) => [page.path, page] as const))('the page %s has nothing in it that is not text', async (_path, page) => {
    const query = new URLSearchParams(['search', 'label', 'state', 'health', 'flag', 'sort', 'order', 'tree', 'offset', 'proof', 'outcome', 'host', 'principal', 'action', 'ended'].map((name): [string, string] => [name, text]));
    const answer = await load(page, text, `?${query.toString()}`);
    if (answer.kind !== 'html') throw new Error('no page');
    checkDocument(document(answer), text);
  });
});

describe('parts that are not answered', () => {
  it('leave a page about a host that can be read', async () => {
    const api: PageApi = {
      unary: (service, method) =>
        method === 'GetHost' ? Promise.resolve(hostileAnswer(service, method, 'evilA"><script>') as never) : Promise.reject(reeveError('HOST_UNREACHABLE', { value: '"><script>alert(2)</script>', reason: "' onload=" })),
    };
    const page = pages.find(({ path }) => path === '/host/:name') as Page;
    const answer = await page.load(api, request('/host/web1'));
    if (answer.kind !== 'html') throw new Error('no page');
    checkDocument(document(answer), 'evilA');
    expect(answer.main.text).toContain('It could not be asked');
  });

  it('do not keep it waiting: what a host does not answer is told after two seconds', async () => {
    const api: PageApi = {
      unary: (service, method) => (method === 'ObserveNat' || (method === 'ListContainers') ? new Promise(() => undefined) : Promise.resolve(hostileAnswer(service, method, 'web1') as never)),
    };
    const stored: PageApi = { unary: (service, method, asked) => (method === 'ListContainers' && 'stored' in (asked as object) ? Promise.resolve({ rows: [], problems: [] } as never) : api.unary(service, method, asked)) };
    const page = pages.find(({ path }) => path === '/host/:name') as Page;
    const startedAt = performance.now();
    const answer = await page.load(stored, request('/host/web1'));
    expect(performance.now() - startedAt).toBeLessThan(3_500);
    expect(answer.kind === 'html' && answer.main.text).toContain('it did not answer within 2 s');
  });
});

const now = Date.UTC(2026, 0, 31, 9, 5, 0);

function request(path: string, text = 'web1', query = ''): PageRequest {
  const viewer = { name: text, role: 'viewer', labels: [text], person: true, formToken: 'token' } as const;
  return { viewer, params: { name: text, id: '01890000-0000-7000-8000-000000000000' }, query: new URLSearchParams(query), path, base: '/reeve', now };
}

function load(page: Page, text: string, query = ''): Promise<PageAnswer> {
  const api: PageApi = { unary: (service, method) => Promise.resolve(hostileAnswer(service, method, text) as never) };
  return page.load(api, request(page.path, text, query));
}

function document(answer: PageAnswer & { kind: 'html' }): string {
  const { viewer } = request('/', answer.title);
  return renderDocument(answer, { base: '/reeve', path: '/', viewer, live: true });
}

/** Attributes that a page may have, and elements; all else is somebody else's. */
const elements = new Set(
  'html head meta title link script body a header p nav ul li div span form input button main h1 h2 h3 section table caption thead tbody tr th td dl dt dd time b code pre ins del progress label select option svg path line polyline figure figcaption'.split(' '),
);
const attributes = /^(?:lang|charset|name|content|rel|href|type|src|defer|class|id|tabindex|aria-[a-z]+|method|action|value|hidden|role|scope|data-[a-z]+|datetime|title|max|maxlength|placeholder|selected|width|height|viewBox|preserveAspectRatio|focusable|d|fill|stroke|points|x1|x2|y1|y2)$/;

/** Reads a document as strictly as it was written: every "<" begins an element of ours, every value stands in double quotes, no character is invisible. */
function checkDocument(page: string, text: string): void {
  const markers = text.match(/^evil[A-Z]/) ?? [];
  for (const marker of markers) expect(page).toContain(marker);
  const invisible = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.exec(page);
  expect(invisible === null ? '' : JSON.stringify(page.slice(Math.max(invisible.index - 100, 0), invisible.index + 20))).toBe('');
  let rest = page;
  for (let at = rest.indexOf('<'); at >= 0; at = rest.indexOf('<')) {
    rest = rest.slice(at);
    const tag = /^<(?:!doctype html|\/([a-z0-9]+)|([a-z0-9]+)((?: [a-zA-Z0-9-]+(?:="[^"<>]*")?)*)\/?)>/.exec(rest);
    if (tag === null) throw new Error(`not written by us: ${rest.slice(0, 120)}`);
    const name = tag[1] ?? tag[2];
    if (name !== undefined && !elements.has(name)) throw new Error(`an element of somebody else: ${rest.slice(0, 120)}`);
    for (const [, attribute = '', , value = ''] of (tag[3] ?? '').matchAll(/ ([a-zA-Z0-9-]+)(="([^"]*)")?/g)) {
      expect(attribute).toMatch(attributes);
      if (attribute === 'href' || attribute === 'src' || attribute === 'action') expect(value).toMatch(/^(?:\/reeve|#)/);
    }
    rest = rest.slice(tag[0].length);
  }
  // One script, one style sheet, one icon: ours.
  expect(page.match(/<script/g)).toHaveLength(1);
}

const contractOf = contract() as unknown as Readonly<Record<string, { readonly format?: string; readonly type?: Message }>>;

/** A message by the name that a field has for it, which begins where the two differ. */
function messageNamed(name: string): Message {
  const found = contractOf[name] ?? Object.entries(contractOf).find(([full, { type }]) => full.endsWith(`.${name}`) && type !== undefined)?.[1];
  if (found?.type === undefined) throw new Error(`no message ${name}`);
  return found.type;
}

/** Fills a message as it comes from the wire: every field is there. */
function fill(message: Message, text: string, depth: number): Record<string, unknown> {
  return Object.fromEntries(message.field.map((field) => {
    const one = (): unknown => valueOf(field, text, depth);
    return [field.name, field.label === 'LABEL_REPEATED' && field.typeName !== 'Fields' ? [one(), one()] : one()];
  }));
}

function valueOf({ type, typeName, name }: Field, text: string, depth: number): unknown {
  switch (type) {
    case 'TYPE_STRING':
      return name === 'code' ? 'HOST_UNREACHABLE' : text;
    case 'TYPE_ENUM':
      return text;
    case 'TYPE_BOOL':
      return true;
    case 'TYPE_BYTES':
      return Buffer.from(text);
    case 'TYPE_MESSAGE':
      // Only times in the last hour are drawn; others are none at all.
      if (typeName.endsWith('Timestamp')) return name === 'at' ? { seconds: now / 1000 - 60, nanos: 0 } : { seconds: 9e15, nanos: 0 };
      if (typeName === 'Fields') return { value: text, host: text, reason: text };
      return depth > 6 ? null : fill(messageNamed(typeName), text, depth + 1);
    default:
      return name === 'total' ? 2 : 9e15;
  }
}
