import { randomBytes } from 'node:crypto';
import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy, ReeveError } from '../../shared/errors/error.js';
import type { Logger } from '../../shared/kit/log.js';

/** What is said of a request that could not be answered. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly remedy: string;
  readonly correlation: string | undefined;
}

const titles: Readonly<Record<number, string>> = {
  400: 'Not a request for this page',
  403: 'Refused',
  404: 'Not found',
  405: 'Only to be looked at',
  411: 'No length',
  413: 'Too large',
  415: 'Not a form',
  421: 'Not this server',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'A mistake of Reeve',
  503: 'The coordinator cannot be reached',
};

/** A problem that is known by its status. */
export function problemOf(status: number, text: string): Problem {
  return { status, title: titles[status] ?? 'Not possible', text, remedy: '', correlation: undefined };
}

/** What an error is to who looks: what is not theirs to see is not there; a mistake of ours has a name in the log and no more. */
export function problemOfError(error: unknown, log: Logger): Problem {
  if (!(error instanceof ReeveError)) return bug(error, log);
  const text = formatMessage(error);
  const remedy = formatRemedy(error);
  if (error.code === 'ROLE_REFUSED' || error.code === 'SCOPE_REFUSED') return problemOf(404, 'There is no such page, or it is not for you.');
  if (error.code === 'COORDINATOR_UNREACHABLE' || error.code === 'NOT_INITIALISED') return { ...problemOf(503, text), remedy };
  switch (catalogue[error.code].status) {
    case 'NOT_FOUND':
      return problemOf(404, text);
    case 'INVALID_ARGUMENT':
      return { ...problemOf(400, text), remedy };
    case 'RESOURCE_EXHAUSTED':
      return { ...problemOf(429, text), remedy };
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return { ...problemOf(503, text), title: 'Not to be reached now', remedy };
    case 'INTERNAL':
      return bug(error, log);
    default:
      return { ...problemOf(403, text), remedy };
  }
}

function bug(error: unknown, log: Logger): Problem {
  const correlation = (error instanceof ReeveError ? error.correlation : undefined) ?? randomBytes(8).toString('hex');
  log.error({ err: error, correlation }, 'a page could not be made');
  return { ...problemOf(500, 'Reeve made a mistake.'), correlation };
}
