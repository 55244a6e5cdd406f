import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders of the lab, those with the longest files first; fleets on loopback mostly wait, so they are dealt out among the others. */
const busy = ['chaos', 'abuse', 'e2e', 'lab'];
const patient = 'fleet';

/** Long files do not start last, and what waits runs beside what computes. */
class MixedSequencer extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const folderOf = (file: TestSpecification): string => relative(import.meta.dirname, file.moduleId).split('/')[1] ?? '';
    const name = (a: TestSpecification, b: TestSpecification): number => (a.moduleId < b.moduleId ? -1 : 1);
    const waiting = files.filter((file) => folderOf(file) === patient).sort(name);
    const working = files.filter((file) => folderOf(file) !== patient).sort((a, b) => busy.indexOf(folderOf(a)) - busy.indexOf(folderOf(b)) || name(a, b));
    const every = Math.max(1, Math.floor(working.length / (waiting.length + 1)));
    const mixed = working.flatMap((file, index) => (index % every === every - 1 ? [file, ...waiting.splice(0, 1)] : [file]));
    return Promise.resolve([...mixed, ...waiting]);
  }
}

/**
 * Three projects: `unit` (fast, beside the code, part of `npm run check`), `rules` (the house rules), and `lab` (real hosts; three files at a time,
 * because they wait more than they compute, and each has a lab of its own).
 */
export default defineConfig({
  test: {
    sequence: { sequencer: MixedSequencer },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['shared/**/*.test.ts', 'agent/**/*.test.ts', 'coordinator/**/*.test.ts', 'native/**/*.test.ts', 'packaging/**/*.test.ts', 'test/support/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      { test: { name: 'rules', include: ['test/rules/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/abuse/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/fleet/**/*.test.ts'],
          // Generous: a slow machine is not a failure, and what hangs is ended all the same.
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
