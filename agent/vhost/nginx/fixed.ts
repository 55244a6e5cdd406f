import type { RedirectRoute, StatusRoute } from '../../../shared/model/vhost-route.js';
import { answer } from './page.js';
import { escapeRegex } from './prefix.js';
import { directive, plain, returnIf, text, variable, type Directive } from './serialize.js';

/** A redirection. What is appended is as the client sent it: decoded it could have line ends, and with them headers. */
export function redirectDirectives({ prefix, to, code, keepPath }: RedirectRoute): readonly Directive[] {
  if (!keepPath) return [directive('return', code, text(to))];
  const base = to.replace(/\/$/, '');
  const before = prefix === '/' ? '' : escapeRegex(prefix);
  // Behind nothing two slashes would begin the name of another host.
  const path = base === '' ? '/(?![/\\\\]).*|\\?.*|' : '[/?].*|';
  return [returnIf('request_uri', '!~', plain(`(?s)^${before}(?<reeve_rest>${path})\\z`), 400), directive('return', code, text(base, variable('reeve_rest')))];
}

/** A fixed answer. */
export function statusDirectives({ code, text: body }: StatusRoute): readonly Directive[] {
  return answer(code, 'plain', body);
}
