import { defineConfig } from 'vitest/config';

/**
 * Three projects: `unit` (fast, beside the code, part of `npm run check`), `rules` (the house rules), and `lab` (real hosts; two files at a time,
 * because they wait more than they compute, and each has a lab of its own).
 */
export default defineConfig({
  test: {
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
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
