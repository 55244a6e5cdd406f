import { expect, it } from 'vitest';
import { parseCron } from './cron.js';

it.each(['* * * * *', '0 * * * *', '*/5 * * * *', '0,15,30-45/5 0-23/2 1 1-12 0-7', '59 23 31 12 7'])('takes %s', (text) => {
  expect(parseCron('key-sync', text)).toBe(text);
});

it.each([
  '', '* * * *', '* * * * * *', '@hourly', '@reboot', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', '* * * * 8', '* * * * mon', '* * * jan *', '5-1 * * * *', '01 * * * *', '*/0 * * * *',
  '*/60 * * * *', '5/2 * * * *', '1, * * * *', '-1 * * * *', '1.5 * * * *', '*  * * * *', ' * * * * *', '* * * * *\n', '* * 1W * *', '* * L * *', '* * * * 1#2', '?  * * * *', `${'1,'.repeat(60)}1 * * * *`,
])('refuses "%s"', (text) => {
  expect(() => parseCron('key-sync', text)).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
});
