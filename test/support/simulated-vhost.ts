import { createHash } from 'node:crypto';
import type { SiteAnswer, SiteAsk } from '../../agent/host/web.js';
import { reeveError } from '../../shared/errors/error.js';
import type { ObserveVhostReply, ObserveVhostReplyForeign, VhostCheckReply } from '../../shared/gen/privd.js';
import { probePath } from '../../shared/model/vhost-path.js';

/** A file of a set: as it was written, and as it is; undefined: taken away by hand. */
export interface SimulatedSiteFile {
  readonly written: string;
  content: string | undefined;
}

/** The files of a set by name. */
export type SimulatedSet = Map<string, SimulatedSiteFile>;

/** The web front of a simulated host; tests may change it, and call touch() then. */
export interface SimulatedVhosts {
  engine: string;
  running: boolean;
  included: string;
  /** What is in place; undefined: nothing is. */
  placed: SimulatedSet | undefined;
  /** What was laid out last. */
  staged: { readonly sha: string; readonly set: SimulatedSet; readonly take: string } | undefined;
  unsettled: { readonly operation: string; readonly before: SimulatedSet | undefined; readonly taken: readonly ObserveVhostReplyForeign[] } | undefined;
  foreign: ObserveVhostReplyForeign[];
  /** Text of site files of others, by path, as directives. */
  readonly sites: Map<string, ObserveVhostReply['directive']>;
  readonly snippets: Map<string, string>;
  /** What the web server says of a configuration that has this text in it. */
  readonly broken: Map<string, string>;
  /** Why the web server does not take the next configuration; undefined: it does. */
  reloadProblem: string | undefined;
  /** Status that a site, or a file of somebody else, gives for a path; 0: no answer. 200 unless tests say otherwise. */
  answer: (site: string, path: string, conf: string) => number;
  reloads: number;
  /** Sets that were tried. */
  checks: number;
  /** Let go of. */
  left: SimulatedSet | undefined;
}

/** A web server without managed sites. */
export function createSimulatedVhosts(): SimulatedVhosts {
  return {
    engine: 'nginx 1.22.1', running: true, included: '', placed: undefined, staged: undefined, unsettled: undefined, foreign: [], sites: new Map(), snippets: new Map(), broken: new Map(),
    reloadProblem: undefined, answer: () => 200, reloads: 0, checks: 0, left: undefined,
  };
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** A verb of sites; undefined: it is none. */
export function answerVhostVerb({ vhosts: state }: { readonly vhosts: SimulatedVhosts }, verb: string, operationId: string, asked: Asked): object | undefined {
  const take = String(asked['take'] ?? '');
  switch (verb) {
    case 'observe.vhost':
      return observe(state, String(asked['scope']), String(asked['file'] ?? ''));
    case 'vhost.check':
      requireEngine(state);
      return check(state, Buffer.from(asked['set'] as Uint8Array).toString('utf8'), take);
    case 'vhost.apply':
      requireEngine(state);
      apply(state, { operation: operationId.replaceAll('-', ''), sha: Buffer.from(asked['set'] as Uint8Array).toString('hex'), take });
      return {};
    case 'vhost.settle':
      settle(state, asked['keep'] === true);
      return {};
    case 'vhost.release':
      settle(state, true);
      Object.assign(state, { left: state.placed, placed: undefined, staged: undefined });
      return {};
    case 'proxy.reload':
      requireEngine(state);
      if (state.reloadProblem !== undefined) throw reeveError('VHOST_RELOAD', { rule: state.reloadProblem });
      state.reloads += 1;
      return {};
    default:
      return undefined;
  }
}

/** What the web server of the host answers. */
export function answerSite({ running, placed, foreign, answer: statusOf }: SimulatedVhosts, ask: SiteAsk): SiteAnswer {
  const none = (reason: string): SiteAnswer => ({ kind: 'none', reason, unavailable: false });
  if (!running) return none('ECONNREFUSED');
  const wild = `*${ask.name.slice(ask.name.indexOf('.'))}`;
  const confs = [...(placed ?? [])].flatMap(([name, { content = '' }]) => (name.endsWith('.conf') ? [{ site: siteOf(name), conf: content }] : []));
  const found = [ask.name, wild].map((name) => confs.find(({ conf }) => conf.slice(0, 2000).includes(` "${name}"`) && listens(conf, ask.port))).find((site) => site !== undefined);
  const other = foreign.find(({ name, listen }) => name.includes(ask.name) && listen.some((words) => words.startsWith(String(ask.port))));
  const answer = (status: number, body = 'ok'): SiteAnswer => (status === 0 ? none('no answer in time') : { kind: 'answer', status, location: '', contentType: 'text/plain', body, cut: false });
  if (found === undefined && other !== undefined) return answer(statusOf(other.file, ask.path, ''));
  if (found === undefined) return confs.some(({ conf }) => listens(conf, ask.port)) ? answer(404) : none('ECONNREFUSED');
  const status = statusOf(found.site, ask.path, found.conf);
  return ask.path === probePath && status === 200 ? answer(status, modelOf(found.conf)) : answer(status);
}

/** `SITE` of `SITE.conf`. */
function siteOf(file: string): string {
  return file.replace(/\.[a-z]+[0-9]*$/, '').replace(/^_/, '*');
}

function listens(conf: string, port: number): boolean {
  return new RegExp(`^ *listen "?(?:[^; ]*:)?${String(port)}"?[ ;]`, 'm').test(conf);
}

function modelOf(conf: string): string {
  return /^#.* model ([0-9a-f]{64})\n/.exec(conf)?.[1] ?? '';
}

function requireEngine({ engine, running, included }: SimulatedVhosts): void {
  const rule = engine === '' ? 'there is no /usr/sbin/nginx' : included !== '' ? included : running ? '' : 'nginx does not run';
  if (rule !== '') throw reeveError('VHOST_ENGINE', { rule, remedy: '' });
}

function shaOf(set: SimulatedSet | undefined): string {
  return sha256([...(set ?? [])].map(([name, { written }]) => `${name} ${sha256(written)}\n`).join(''));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function observe(state: SimulatedVhosts, scope: string, file: string): ObserveVhostReply {
  const { engine, running, included, placed, unsettled, foreign, snippets } = state;
  const managed = scope === 'managed';
  const row = placed?.get(file);
  if (scope === 'file' && (row?.content === undefined || /\.(?:key|auth[0-9]*)$/.test(file))) throw reeveError('VHOST_UNKNOWN', { value: siteOf(file) });
  const directive = state.sites.get(file);
  if (scope === 'site' && directive === undefined) throw reeveError('VHOST_FOREIGN_FILE', { value: file, rule: 'nginx does not read it, or it is Reeve\'s own' });
  return {
    engine, running, included,
    set: managed && placed !== undefined ? Buffer.from(shaOf(placed), 'hex') : Buffer.alloc(0),
    operation: Buffer.from(managed ? (unsettled?.operation ?? '') : '', 'hex'),
    file: managed ? [...(placed ?? [])].map(([name, { written, content }]) => ({
      name, sha256: Buffer.from(sha256(written), 'hex'), state: content === undefined ? 'missing' : content === written ? 'ok' : 'edited',
      model: Buffer.from(name.endsWith('.conf') ? modelOf(content ?? '') : '', 'hex'), text: Buffer.from(name.endsWith('.crt') ? (content ?? '') : ''),
    })) : [],
    foreign: managed || scope === 'foreign' ? foreign : [],
    directive: scope === 'site' ? (directive ?? []) : [],
    text: Buffer.from(scope === 'file' ? (row?.content ?? '') : ''),
    sha256: scope === 'file' || scope === 'site' ? Buffer.from(sha256(row?.content ?? ''), 'hex') : Buffer.alloc(0),
    snippet: managed ? [...snippets].map(([name, text]) => ({ name, sha256: Buffer.from(sha256(text), 'hex') })) : [],
    truncated: false,
  };
}

/** `keep NAME SHA256`, or `put NAME SIZE`, the content, a line end. */
function parseSet(blob: string, placed: SimulatedSet | undefined): SimulatedSet {
  const set: SimulatedSet = new Map();
  const bytes = Buffer.from(blob);
  let last = '';
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const [what, name = '', rest = ''] = bytes.subarray(at, end).toString().split(' ');
    if (name <= last) throw reeveError('FIELD_INVALID', { field: 'set', value: name, rule: 'entries sorted by name, each once, are wanted' });
    last = name;
    at = end + 1;
    if (what === 'keep') {
      const row = placed?.get(name);
      if (row === undefined || sha256(row.written) !== rest) throw reeveError('STATE_MOVED', { moved: name });
      set.set(name, row);
    } else {
      const content = bytes.subarray(at, at + Number(rest)).toString();
      set.set(name, { written: content, content });
      at += Number(rest) + 1;
    }
  }
  return set;
}

function check(state: SimulatedVhosts, blob: string, take: string): VhostCheckReply {
  const { placed, broken } = state;
  settle(state, true);
  state.checks += 1;
  const set = parseSet(blob, placed);
  const parked: { site: string; problem: string; before: boolean }[] = [];
  for (;;) {
    const bad = [...set].flatMap(([name, { content = '' }]) => [...broken].flatMap(([text, problem]) => (content.includes(text) ? [{ base: name.replace(/\.[a-z]+[0-9]*$/, ''), problem }] : [])))[0];
    if (bad === undefined) break;
    const of = (files: SimulatedSet | undefined): [string, SimulatedSiteFile][] => [...(files ?? [])].filter(([name]) => name.replace(/\.[a-z]+[0-9]*$/, '') === bad.base);
    const before = of(placed);
    const same = before.length > 0 && before.every(([name, { written }]) => set.get(name)?.written === written) && !parked.some(({ site }) => site === bad.base);
    for (const [name] of of(set)) set.delete(name);
    const stays = before.length > 0 && !same;
    if (stays) for (const [name, row] of before) set.set(name, row);
    parked.push({ site: bad.base, problem: bad.problem, before: stays });
  }
  const sorted: SimulatedSet = new Map([...set].sort(([a], [b]) => (a < b ? -1 : 1)));
  state.staged = { sha: shaOf(sorted), set: sorted, take };
  return { set: Buffer.from(state.staged.sha, 'hex'), parked, sandbox: 'full' };
}

function apply(state: SimulatedVhosts, { operation, sha, take }: { operation: string; sha: string; take: string }): void {
  const { staged, placed, foreign } = state;
  if (state.unsettled?.operation === operation && shaOf(placed) === sha) {
    state.reloads += 1;
    return;
  }
  if (staged?.sha !== sha || staged.take !== take) throw reeveError('STATE_MOVED', { moved: 'what was tested' });
  settle(state, true);
  if (state.reloadProblem !== undefined) throw reeveError('VHOST_RELOAD', { rule: state.reloadProblem });
  Object.assign(state, { placed: staged.set, staged: undefined, foreign: foreign.filter(({ file }) => file !== take), unsettled: { operation, before: placed, taken: foreign.filter(({ file }) => file === take) } });
  state.reloads += 1;
}

function settle(state: SimulatedVhosts, keep: boolean): void {
  const { unsettled } = state;
  if (unsettled === undefined) return;
  if (!keep) {
    Object.assign(state, { placed: unsettled.before, foreign: [...state.foreign, ...unsettled.taken] });
    state.reloads += 1;
  }
  state.unsettled = undefined;
}
