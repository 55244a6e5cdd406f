import { existsSync, readFileSync } from 'node:fs';
import { ReeveError, type ErrorItem } from '../shared/errors/error.js';
import { isIpv4, isIpv6 } from '../shared/model/host.js';
import { defaultPackageDir } from '../shared/kit/package-folder.js';
import { isMetricKey, metricKeys, parseMetrics, type MetricLine, type MetricListen } from './metric/config.js';
import { isNotifyKey, noNotify, notifyKeys, parseNotify, type NotifyConfig, type NotifyLine } from './notify/config.js';

/** What /etc/reeve/reeved.conf says. */
export interface Config {
  /** Address the agents' ports are bound to. */
  readonly bind: string;
  /** Address the port of operators on other machines is bound to; undefined: it is not opened. */
  readonly operatorsBind: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Folder of the agent's packages. */
  readonly packageDir: string;
  /** Where metrics are read; undefined: nowhere. */
  readonly metrics: MetricListen | undefined;
  /** How alerts are told. */
  readonly notify: NotifyConfig;
}

const defaults: Config = { bind: '::', operatorsBind: '::', logLevel: 'info', packageDir: defaultPackageDir, metrics: undefined, notify: noNotify };
const levels = ['debug', 'info', 'warn', 'error'] as const;

/** Reads the file; absent: the defaults. Errors: all problems at once, FIELD_INVALID and FIELD_UNKNOWN with their lines. */
export function readConfig(path: string): Config {
  return existsSync(path) ? parseConfig(readFileSync(path, 'utf8')) : defaults;
}

/** Lines of `key value`; `#` begins a comment. */
export function parseConfig(text: string): Config {
  const problems: ErrorItem[] = [];
  let config = defaults;
  let operatorsBind: string | undefined;
  const metrics: MetricLine[] = [];
  const notify: NotifyLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const [key = '', value = ''] = line.split(/\s+/, 2);
    const field = `${key} in line ${String(index + 1)}`;
    if (key === 'bind') {
      if (isIpv4(value) || isIpv6(value)) config = { ...config, bind: value };
      else problems.push({ code: 'FIELD_INVALID', fields: { field, value, rule: 'an IPv4 or IPv6 address' } });
    } else if (key === 'operators-bind') {
      if (value === 'off' || isIpv4(value) || isIpv6(value)) operatorsBind = value;
      else problems.push({ code: 'FIELD_INVALID', fields: { field, value, rule: 'an IPv4 or IPv6 address, or off' } });
    } else if (key === 'log-level') {
      const level = levels.find((known) => known === value);
      if (level === undefined) problems.push({ code: 'FIELD_INVALID', fields: { field, value, rule: `one of ${levels.join(', ')}` } });
      else config = { ...config, logLevel: level };
    } else if (key === 'package-dir') {
      if (/^\/[^\0]*$/.test(value)) config = { ...config, packageDir: value };
      else problems.push({ code: 'FIELD_INVALID', fields: { field, value, rule: 'an absolute path' } });
    } else if (isMetricKey(key)) {
      metrics.push({ key, value, field });
    } else if (isNotifyKey(key)) {
      notify.push({ key, words: line.split(/\s+/).slice(1), field });
    } else {
      problems.push({ code: 'FIELD_UNKNOWN', fields: { field, rule: `bind, operators-bind, log-level, package-dir, ${metricKeys.join(', ')}, ${notifyKeys.join(', ')}` } });
    }
  }
  config = { ...config, metrics: parseMetrics(metrics, problems), notify: parseNotify(notify, problems) };
  if (problems.length > 0) throw new ReeveError(problems);
  // Absent: the same as bind.
  const bound = operatorsBind ?? config.bind;
  return { ...config, operatorsBind: bound === 'off' ? undefined : bound };
}
