import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { LocalFormat } from './local-format.js';

const zone = process.env['TZ'];
afterEach(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});

const kinds: readonly Intl.DateTimeFormatOptions[] = [
  { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', weekday: 'short', hour12: false },
  { timeZoneName: 'shortOffset' },
];

describe.each(['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Auckland'])('the local format in %s', (name) => {
  it.each(kinds)('has the parts that Intl.DateTimeFormat has', (options) => {
    process.env['TZ'] = name;
    const [own, other] = [new LocalFormat('en-US', { timeZone: undefined, ...(options.timeZoneName === undefined ? {} : { timeZoneName: options.timeZoneName }) }), new Intl.DateTimeFormat('en-US', { ...options, timeZone: name })];
    // Two ways to write one thing, and node-cron takes both.
    const same: Readonly<Record<string, string>> = { 'GMT+0': 'GMT', 24: '00' };
    const asked = options.timeZoneName === undefined ? ['weekday', 'month', 'day', 'year', 'hour', 'minute', 'second'] : ['timeZoneName'];
    const parts = (list: readonly { type: string; value: string }[]): Record<string, string> =>
      Object.fromEntries(list.filter(({ type }) => asked.includes(type)).map(({ type, value }) => [type, (type === 'hour' || type === 'timeZoneName' ? same[value] : undefined) ?? value]));
    fc.assert(fc.property(fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2060, 0) }), (ms) => {
      expect(parts(own.formatToParts(new Date(ms)))).toEqual(parts(other.formatToParts(new Date(ms))));
    }), { numRuns: 300 });
  });
});

it('knows no other time zone', () => {
  expect(() => new LocalFormat('en-US', { timeZone: 'UTC' })).toThrow(RangeError);
});
