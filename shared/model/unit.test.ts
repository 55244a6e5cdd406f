import { describe, expect, test } from 'vitest';
import { isUnitName, parseUnitName, parseUnitNames, unitFloor, usualUnits } from './unit.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
};

describe('names of units', () => {
  test.each(['nginx.service', 'reeve-agent.service', 'a.timer', 'php8.2-fpm.service', 'postgresql@15-main.service', 'getty@tty1.service', 'x.socket', 'A_b:c.service', `${'a'.repeat(247)}.service`, 'a@b@c.service', 'a..service'])('%s', (name) => {
    expect(parseUnitName(name)).toBe(name);
  });

  test.each(['-x.service', '--now.service', '.service', '@.service', '@a.service', 'foo@.service', 'nginx', 'nginx.mount', 'init.scope', 'multi-user.target', 'a b.service', 'a/b.service', '../a.service', 'a*.service', 'a?.service', '[a].service', 'a\\x2db.service', 'a\n.service',
    'a.service\n', 'ä.service', 'a.service ', 'a,b.service', `${'a'.repeat(248)}.service`, 'a.SERVICE', 'a.service.d', 'a%i.service'])('%j is none', (name) => {
    expect(isUnitName(name)).toBe(false);
    expect(codeOf(() => parseUnitName(name))).toBe('FIELD_INVALID');
  });

  test('none is missing, and more than eight are too many', () => {
    expect(codeOf(() => parseUnitName(''))).toBe('FIELD_MISSING');
    expect(codeOf(() => parseUnitNames([]))).toBe('FIELD_MISSING');
    expect(codeOf(() => parseUnitNames(Array.from({ length: 9 }, (_, n) => `a${String(n)}.service`)))).toBe('LIMIT_EXCEEDED');
    expect(parseUnitNames(['a.service', 'b.service', 'a.service'])).toEqual(['a.service', 'b.service']);
    expect(parseUnitNames(usualUnits)).toEqual(usualUnits);
  });
});

test.each([
  ['reeve-agent.service', true], ['reeved.service', true], ['reeve-container-web.service', true], ['reeve-unit@1.service', true], ['ssh.service', true], ['sshd.service', true], ['ssh.socket', true], ['ssh@1.service', true], ['sshd@x.service', true],
  ['dbus.service', true], ['dbus.socket', true], ['dbus-broker.service', true], ['dbus-org.freedesktop.login1.service', true], ['systemd-journald.service', true], ['systemd-tmpfiles-clean.timer', true],
  ['nginx.service', false], ['sshguard.service', false], ['ssh-agent.service', false], ['my-systemd-x.service', false], ['areeve.service', false],
])('whether %s is never restarted: %s', (name, is) => {
  expect(unitFloor(name) !== undefined).toBe(is);
});
