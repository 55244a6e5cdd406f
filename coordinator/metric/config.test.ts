import { expect, test } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { parseConfig } from '../config.js';
import { formatMetricListen } from './config.js';

test.each([
  ['', undefined, ''],
  ['metrics-bind off', undefined, ''],
  ['metrics-bind 127.0.0.1', { at: { kind: 'port', address: '127.0.0.1', port: 7425 }, tls: undefined }, 'http://127.0.0.1:7425/metrics'],
  ['metrics-bind ::1', { at: { kind: 'port', address: '::1', port: 7425 }, tls: undefined }, 'http://[::1]:7425/metrics'],
  ['metrics-bind [::1]:9000 # here', { at: { kind: 'port', address: '::1', port: 9000 }, tls: undefined }, 'http://[::1]:9000/metrics'],
  ['metrics-bind /run/reeved/metrics.sock', { at: { kind: 'unix', path: '/run/reeved/metrics.sock' }, tls: undefined }, '/run/reeved/metrics.sock'],
  ['metrics-key /k\nmetrics-bind 0.0.0.0:7425\nmetrics-certificate /c', { at: { kind: 'port', address: '0.0.0.0', port: 7425 }, tls: { certificate: '/c', key: '/k' } }, 'https://0.0.0.0:7425/metrics'],
])('%j is a listener', (text, wanted, shown) => {
  const { metrics } = parseConfig(text);
  expect(metrics).toEqual(wanted);
  expect(metrics === undefined ? '' : formatMetricListen(metrics)).toBe(shown);
});

test.each<[string, readonly [code: string, field: string][]]>([
  ['metrics-bind 0.0.0.0', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind ::', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind localhost', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind 127.0.0.1:0', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind 127.0.0.1:99999', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind [127.0.0.1]:80', [['FIELD_INVALID', 'metrics-bind in line 1']]],
  [`metrics-bind /${'x'.repeat(101)}`, [['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-bind 127.0.0.1\nmetrics-key /k', [['FIELD_MISSING', 'metrics-certificate']]],
  ['metrics-certificate c\nmetrics-key /k', [['FIELD_INVALID', 'metrics-certificate in line 1']]],
  ['metrics-bind 0.0.0.0\nmetrics-certificate /c', [['FIELD_MISSING', 'metrics-key'], ['FIELD_INVALID', 'metrics-bind in line 1']]],
  ['metrics-port 7425', [['FIELD_UNKNOWN', 'metrics-port in line 1']]],
])('%j is refused', (text, problems) => {
  let found: unknown;
  try {
    parseConfig(text);
  } catch (error) {
    found = error;
  }
  if (!(found instanceof ReeveError)) throw new Error('it was taken');
  expect(found.items.map(({ code, fields }) => [code, fields['field']])).toEqual(problems);
});
