import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import { named, type Misfits, type SiteNode } from './vhost-adopt-tree.js';

/** What `return` or `rewrite` answers. */
export interface Answer {
  readonly route: Partial<WireVhostRoute>;
  /** It sends to the same address with TLS. */
  readonly toHttps: boolean;
}

/** Where the answer stands. */
interface Around {
  readonly scheme: 'http' | 'https' | 'both';
  readonly names: readonly string[];
  readonly misfits: Misfits;
}

/** What the first `return` or `rewrite` among directives answers to everything; undefined: there is none, or it cannot be said, which is told. */
export function readAnswer(nodes: readonly SiteNode[], around: Around): Answer | undefined {
  for (const node of nodes.filter(({ name }) => name === 'return' || name === 'rewrite')) {
    const found = node.name === 'return' ? readReturn(node, around) : readRewrite(node, around);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether an answer is told, or nothing is. */
export function hasAnswer(nodes: readonly SiteNode[]): boolean {
  return named(nodes, 'return').length + named(nodes, 'rewrite').length > 0;
}

function readReturn(node: SiteNode, around: Around): Answer | undefined {
  const [first = '', text = ''] = node.args;
  const code = /^[0-9]{3}$/.test(first) ? Number(first) : 302;
  const to = code === 302 && !/^[0-9]{3}$/.test(first) ? first : text;
  if ([301, 302, 307, 308].includes(code)) return readTarget(node, code, to, around);
  if (code === 303 || code === 204 || code === 304 || code < 200 || code === 444 || code === 499 || to.includes('$')) {
    around.misfits.lost(node, code === 444 ? 'every request gets an answer: 404 stands for it' : 'a fixed answer has a code from 200 to 599 with a text, and no variables');
    return code === 444 ? { route: { status: { code: 404, text: '' } }, toHttps: false } : undefined;
  }
  return { route: { status: { code, text: to } }, toHttps: false };
}

/** Patterns that match every path; what they capture is the path. */
const everyPath: ReadonlySet<string> = new Set(['^', '.*', '^.*$', '^(.*)$', '^(.*)', '(.*)', '^/(.*)$', '^/(.*)', '^/?(.*)$', '^/']);

function readRewrite(node: SiteNode, around: Around): Answer | undefined {
  const [pattern = '', to = '', flag = ''] = node.args;
  const away = /^https?:\/\/|^\$scheme:\/\//.test(to);
  const code = flag === 'permanent' ? 301 : flag === 'redirect' || (flag === '' && away) ? 302 : undefined;
  if (!everyPath.has(pattern) || code === undefined) {
    around.misfits.lost(node, 'paths are not rewritten, but for a prefix that is cut off, or redirections of all of them');
    return undefined;
  }
  return readTarget(node, code, to.replace(/\?$/, '').replace(/\/?\$1$/, '$request_uri'), around);
}

/** Where a redirection leads. */
function readTarget(node: SiteNode, code: number, text: string, { scheme, names, misfits }: Around): Answer | undefined {
  const whole = text.replace(/\$uri\$is_args\$args$/, '$request_uri').replace(/\$(?:document_)?uri$/, '$request_uri');
  const kept = whole.endsWith('$request_uri');
  const written = kept ? whole.slice(0, -'$request_uri'.length) : whole;
  if (kept && scheme !== 'https' && /^https:\/\/(?:\$(?:host|http_host|server_name))$/.test(written)) return { route: {}, toHttps: true };
  if (kept && scheme === 'http' && names.length === 1 && written === `https://${names[0] ?? ''}`) return { route: {}, toHttps: true };
  const named = written.replace(/^\$scheme:/, scheme === 'both' ? '$scheme:' : `${scheme}:`).replace('$server_name', names[0] ?? '$server_name');
  if (named.includes('$')) {
    misfits.lost(node, 'a redirection leads to one address, and may keep the path; it has no other variables');
    return undefined;
  }
  return { route: { redirect: { to: kept ? named.replace(/\/$/, '') : named, code, keepPath: kept } }, toHttps: false };
}
