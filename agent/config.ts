import { ReeveError, reeveError, type ErrorItem } from '../shared/errors/error.js';
import { agentPort, isIpv4, isIpv6, parseEndpoint, type Endpoint } from '../shared/model/host.js';
import { parseCron } from '../shared/model/cron.js';
import { vis } from '../shared/model/vis.js';

/** agent.conf: what the administrator of the host decides about the agent. */
export interface AgentConfig {
  /** undefined: all addresses, port 7420. */
  readonly listen: Endpoint | undefined;
  /** Whether the agent keeps a connection to the coordinator, through which that dials it; undefined: what the coordinator said. */
  readonly dialOut: boolean | undefined;
  /** Address of this host on which its children reach the coordinator (ports 7421 and 7422); undefined: none. */
  readonly relayListen: string | undefined;
  /** When the host asks for its keys, five fields of crontab(5); undefined: every hour. */
  readonly keySync: string | undefined;
  readonly logLevel: LogLevel;
}

const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** How much is logged. */
export type LogLevel = (typeof logLevels)[number];

/**
 * Reads agent.conf: lines of a key and a value, `#` begins a comment. Keys: `listen ADDRESS[:PORT]`, `dial-out yes|no`,
 * `relay-listen ADDRESS`, `key-sync MINUTE HOUR DAY MONTH WEEKDAY`, `log-level debug|info|warn|error`.
 * Errors: all that is wrong, as FIELD_INVALID and FIELD_UNKNOWN with line numbers.
 */
export function parseAgentConfig(text: string): AgentConfig {
  const problems: ErrorItem[] = [];
  const values = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const [key, ...rest] = line.replace(/(^|\s)#.*$/, '').trim().split(/\s+/);
    if (key === undefined || key === '') continue;
    const where = `agent.conf line ${String(index + 1)}: ${vis(key)}`;
    const value = rest.join(' ');
    const problem = checkLine(key, value, where, values.has(key));
    if (problem === undefined) values.set(key, value);
    else problems.push(...problem.items);
  }
  if (problems.length > 0) throw new ReeveError(problems);
  const listen = values.get('listen');
  const dialOut = values.get('dial-out');
  return {
    listen: listen === undefined ? undefined : parseEndpoint(listen, agentPort),
    dialOut: dialOut === undefined ? undefined : dialOut === 'yes',
    relayListen: values.get('relay-listen'),
    keySync: values.get('key-sync'),
    logLevel: logLevels.find((level) => level === values.get('log-level')) ?? 'info',
  };
}

function checkLine(key: string, value: string, where: string, again: boolean): ReeveError | undefined {
  if (again) return reeveError('FIELD_INVALID', { field: where, value: vis(value), rule: 'it is given twice' });
  switch (key) {
    case 'listen':
      return problemOf(() => parseEndpoint(value, agentPort, where));
    case 'key-sync':
      return problemOf(() => parseCron(where, value));
    case 'dial-out':
      return value === 'yes' || value === 'no' ? undefined : reeveError('FIELD_INVALID', { field: where, value: vis(value), rule: 'yes or no' });
    case 'relay-listen':
      return isIpv4(value) || isIpv6(value) ? undefined : reeveError('FIELD_INVALID', { field: where, value: vis(value), rule: 'an IPv4 or IPv6 address of this host' });
    case 'log-level':
      return logLevels.some((level) => level === value) ? undefined : reeveError('FIELD_INVALID', { field: where, value: vis(value), rule: `one of ${logLevels.join(', ')}` });
    default:
      return reeveError('FIELD_UNKNOWN', { field: where, rule: 'the keys are listen, dial-out, relay-listen, key-sync and log-level' });
  }
}

/** Why a value is not taken; undefined: it is. */
function problemOf(parse: () => unknown): ReeveError | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (error instanceof ReeveError) return error;
    throw error;
  }
}
