import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aptOk, serveRepository, type TestRepository } from '../support/apt.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';
import { basePath } from './base.js';
import { mirrorProblem, suites, type Suite } from './suite.js';

/** What each distribution says of itself, and whether it can be had here. A mirror that does not answer is named in the test's title, and so in the report. */
const wanted = await Promise.all((['bookworm', 'trixie', 'noble'] as const).map(async (suite) => {
  const problem = !hosts.ok || suite === 'bookworm' || existsSync(basePath(suite)) ? undefined : await mirrorProblem(suite);
  return { suite, problem, title: `${suites[suite].title}${problem === undefined ? '' : ` (not run: ${problem})`}` };
}));
const ids: Readonly<Record<Suite, string>> = { bookworm: 'debian 12', trixie: 'debian 13', noble: 'ubuntu 24.04' };

describe.skipIf(!hosts.ok)('a host with', () => {
  let fleet: TestFleet;
  let repository: TestRepository;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'distribution', hosts: [] });
    repository = await serveRepository(fleet.lab, [...(await debs('normal')).values()]);
  });
  afterAll(() => {
    repository.close();
    fleet.close();
  });

  for (const { suite, title, problem } of wanted) {
    test.skipIf(problem !== undefined)(`${title} installs by apt, joins, gets a user that can be locked, and is purged`, async () => {
      const host = await fleet.lab.boot(suite, { suite });
      await repository.use(host);
      await aptOk(host, ['install', 'reeve-agent']);
      expect((await host.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
      await fleet.join(suite);
      await fleet.json(['user', 'add', 'ada', '--on', suite, '--groups', 'www-data', '--yes']);
      expect(await host.run(['getent', 'passwd', 'ada'])).toMatch(/^ada:x:20\d{3}:20\d{3}:.*:\/home\/ada:\/bin\/bash\n$/);
      expect(await host.run(['id', '-nG', 'ada'])).toContain('www-data');
      await fleet.json(['user', 'lock', 'ada', '--on', suite, '--yes']);
      expect((await host.run(['getent', 'shadow', 'ada'])).split(':')[7]).toBe('1');
      expect((await fleet.json<{ facts: { osId: string } }>(['host', 'show', suite])).facts.osId).toBe(ids[suite]);
      await fleet.json(['user', 'remove', 'ada', '--on', suite, '--yes']);
      expect((await host.exec(['getent', 'passwd', 'ada'])).code).toBe(2);
      await aptOk(host, ['purge', 'reeve-agent', 'reeve-runtime']);
      expect((await host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'reeve*'])).trim()).toBe('');
      expect((await host.exec(['pgrep', '-f', 'reeve'])).stdout).toBe('');
      expect((await host.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
      await fleet.lab.remove(suite);
    });
  }
});
