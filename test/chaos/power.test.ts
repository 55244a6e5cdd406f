import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { hosts } from '../support/fleet.js';
import type { PowerReport } from '../support/power-cut.js';

const instrument = fileURLToPath(new URL('../support/power-cut.ts', import.meta.url));

/** Runs the instrument in process and mount namespaces of its own: when it ends, for whatever reason, its children, mounts and loop devices are gone. */
async function cutPower(synchronous: 'full' | 'normal', cuts: number): Promise<PowerReport> {
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const argv = [...namespaces, process.execPath, '--import', 'tsx', instrument, synchronous, String(cuts)];
  const { stdout } = await promisify(execFile)('unshare', argv, { timeout: 880_000, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 });
  return JSON.parse(stdout) as PowerReport;
}

describe.skipIf(!hosts.ok)('power cuts of the coordinator’s disk', () => {
  test('no acknowledged commit is lost in 200 cuts under load, and the inventory opens whole', { timeout: 900_000 }, async () => {
    const report = await cutPower('full', 200);
    console.log(`synchronous=FULL: ${JSON.stringify(report)}`);
    expect(report.damaged).toEqual([]);
    expect(report).toMatchObject({ cuts: 200, lost: 0, cutsWithLoss: 0 });
    expect(report.acknowledged).toBeGreaterThan(500);
    expect(report.recoveryP95Ms).toBeLessThanOrEqual(5_000);
  });

  test('the instrument can see loss: with synchronous=NORMAL acknowledged commits are gone after a cut', { timeout: 900_000 }, async () => {
    const report = await cutPower('normal', 25);
    console.log(`synchronous=NORMAL: ${JSON.stringify(report)}`);
    expect(report.cutsWithLoss).toBeGreaterThan(10);
    // What is lost is lost from the end: it is not durable, but it is whole.
    expect(report.damaged).toEqual([]);
  });
});
