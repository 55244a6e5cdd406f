import { expect, test } from 'vitest';
import { advise, failed, fine, formatCheck, formatVerdict, run, runChecks, warning, type Check } from './check.js';

const all = async (steps: Parameters<typeof runChecks>[0]): Promise<Check[]> => {
  const checks: Check[] = [];
  for await (const check of runChecks(steps)) checks.push(check);
  return checks;
};

test('what depends on a failed step is skipped, also over another that was skipped; the rest is looked at', async () => {
  const looked: string[] = [];
  const step = (name: string, needs: string[], found = fine('good')) => ({ name, needs, look: () => { looked.push(name); return found; } });
  const checks = await all([step('a', []), step('b', ['a'], failed('bad')), step('c', ['b']), step('d', ['c']), step('e', ['a']), step('f', [], warning('so so'))]);
  expect(checks.map((check) => `${check.name} ${check.state}`)).toEqual(['a ok', 'b failed', 'c skipped', 'd skipped', 'e ok', 'f warning']);
  expect(looked).toEqual(['a', 'b', 'e', 'f']);
});

test('people see what is, what to do, and nothing that a host could write to their terminal', () => {
  const check: Check = { name: 'route', ...failed('Nothing listens on "\u001b[2J".', run('web1', 'systemctl start reeve-agent', 'Start the agent.')) };
  expect(formatCheck(check)).toBe(
    'failed    route                   Nothing listens on "\\u{1b}[2J".\n' +
      '                                  Start the agent.\n' +
      '                                  On web1: systemctl start reeve-agent\n',
  );
  expect(formatCheck({ name: 'a', ...warning('low', advise('Make room.')) }, (word, state) => `<${state}>${word}`)).toBe(
    '<warning>warning   a                       low\n                                  Make room.\n',
  );
  expect(formatVerdict([{ name: 'a', ...fine('') }, check], 'web1')).toBe('web1 is not well. Begin with "route".\n');
  expect(formatVerdict([{ name: 'a', ...warning('') }], 'web1')).toBe('web1 works; 1 warning.\n');
  expect(formatVerdict([{ name: 'a', ...fine('') }], 'web1')).toBe('web1 is well.\n');
});
