import type { RedirectRoute, StatusRoute } from '../../../shared/model/vhost-route.js';
import { answer } from './page.js';
import { escapeRegex } from './prefix.js';
import { directive, plain, returnIf, text, variable, type Directive, type Part } from './serialize.js';

/** A redirection. What is appended is as the client sent it: decoded it could have line ends, and with them headers. Behind nothing it could begin with two slashes, and with them another host. */
export function redirectDirectives({ prefix, to, code, keepPath }: RedirectRoute): readonly Directive[] {
  if (!keepPath) return [directive('return', code, text(to))];
  const base: readonly Part[] = to === '/' ? [variable('scheme'), '://', variable('host'), variable('reeve_port')] : [to.replace(/\/$/, '')];
  const before = prefix === '/' ? '' : escapeRegex(prefix);
  return [returnIf('request_uri', '!~', plain(`(?s)^${before}(?<reeve_rest>(?:[/?].*)?)\\z`), 400), directive('return', code, text(...base, variable('reeve_rest')))];
}

/** A fixed answer. */
export function statusDirectives({ code, text: body }: StatusRoute): readonly Directive[] {
  return answer(code, 'plain', body);
}
