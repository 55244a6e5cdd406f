import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failpoints } from '../../shared/kit/failpoint.js';
import { addPoints, agentCertPoints, agentContainerPoints, agentKeyPoints, agentNatPoints, agentUserPoints, agentVhostPoints, certPoints, containerPoints, coordinatorChangePoints, helperPoints, joinPoints, keyPoints, loginPoints, loginRenewPoints, natPoints, releasePoints, renewPoints, vhostPoints } from '../support/chaos-points.js';
import { debs, type PackageKind } from '../support/packages.js';

const top = fileURLToPath(new URL('../..', import.meta.url));

/** The points that a program's sources pass, as its compiler sees them. */
function pointsIn(folder: string, pattern: RegExp): string[] {
  const files = readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(?:ts|c)$/.test(file) && !file.endsWith('.test.ts'));
  return files.flatMap((file) => [...readFileSync(join(top, folder, file), 'utf8').matchAll(pattern)].map((match) => match[1] ?? ''));
}

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();
const inHelper = sorted(pointsIn('native/reeve-privd', /FAILPOINT\("([^"]+)"\)/g));
/** All of them are killed at by native/container/crash.test.ts. */
const inContainer = sorted(pointsIn('native/container', /FAILPOINT\("([^"]+)"\)/g));

describe('failpoints', () => {
  test('every failpoint of agent, coordinator and command line is passed somewhere, and killed at by a chaos test', () => {
    const passed = sorted(['agent', 'coordinator', 'shared'].flatMap((folder) => pointsIn(folder, /\bfailpoint\('([^']+)'\)/g)));
    const exercised = sorted([...addPoints, ...agentCertPoints, ...Object.values(agentContainerPoints).flat(), ...agentKeyPoints, ...agentNatPoints, ...agentUserPoints, ...agentVhostPoints.map((point) => point.replace(/:2$/, '')), ...coordinatorChangePoints, ...Object.values(joinPoints).flat(), ...Object.values(renewPoints).flat(), ...Object.values(loginPoints).flat(), ...Object.values(loginRenewPoints).flat(), ...Object.values(releasePoints).flat()]);
    expect(passed, 'the list in shared/kit/failpoint.ts is what the code passes').toEqual(sorted(Object.keys(failpoints)));
    expect(exercised, 'add what is new to test/support/chaos-points.ts').toEqual(sorted(Object.keys(failpoints)));
  });

  test('every failpoint of the helper is killed at by a chaos test', () => {
    expect(inHelper.length).toBeGreaterThan(15);
    expect(sorted([...Object.values(helperPoints), ...Object.values(keyPoints), ...Object.values(natPoints), ...Object.values(certPoints), ...Object.values(vhostPoints), ...Object.values(containerPoints)].flat()), 'add what is new to test/support/chaos-points.ts').toEqual(inHelper);
  });

  describe('in packages', () => {
    let dir: string;
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'reeve-failpoint-'));
    });
    afterAll(() => rmSync(dir, { recursive: true, force: true }));

    /** Which of the names, and of the words that arm them, are somewhere in the programs of a kind of packages. */
    async function namesIn(kind: PackageKind): Promise<{ programs: string[]; names: string[] }> {
      const folder = join(dir, kind);
      mkdirSync(folder);
      for (const [name, file] of await debs(kind)) {
        if (name !== 'reeve-runtime') execFileSync('dpkg-deb', ['--extract', file, folder]);
      }
      const programs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.js$|\/reeve-privd$|\/reeve-container$|\/bin\/reeve$/.test(file));
      const found = programs.flatMap((program) => {
        const text = readFileSync(join(folder, program), 'latin1');
        return [...Object.keys(failpoints), ...inHelper, ...inContainer, 'REEVE_FAILPOINT', 'failpoint.'].filter((name) => text.includes(name));
      });
      return { programs: sorted(programs.map((program) => basename(program))), names: sorted(found) };
    }

    test('those that ship contain none of their names', async () => {
      const { programs, names } = await namesIn('normal');
      expect(programs).toEqual(expect.arrayContaining(['agent.js', 'reeve-container', 'reeve-privd', 'reeve.js', 'reeved.js']));
      expect(names).toEqual([]);
    });

    test('those for tests contain all of them: the search finds what there is', async () => {
      const { names } = await namesIn('test');
      expect(names).toEqual(sorted([...Object.keys(failpoints), ...inHelper, ...inContainer, 'REEVE_FAILPOINT', 'failpoint.']));
    });
  });
});
