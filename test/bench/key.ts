import type { KeyMeasured } from '../support/bench-key.js';
import { startProgram } from '../support/bench-process.js';
import { summarise, type Figure } from './report.js';

/** The moment that the inventory is computed for, unix ms. */
const now = Date.parse('2030-01-01T00:00:00Z');

/** Who gets in where, of 10,000 hosts, 1,000 persons and 200 groups, in a process of its own. */
export async function benchKey(programs: string, folder: string): Promise<Figure[]> {
  const program = startProgram(programs, 'test/support/bench-key.ts');
  try {
    const found = await program.ask<KeyMeasured>({ folder, now, rounds: 5 });
    const touched = summarise(found.touchedHosts);
    return [
      {
        id: 'key/all', title: 'all key files of 10,000 hosts', unit: 'ms', values: found.all, peers: [{ name: 'one query per host', values: found.queries }], bar: { most: 2500 },
        note: `${String(found.files)} files, ${String(found.lines)} lines, ${found.megabytes.toFixed(0)} MB, each with its sha256`,
      },
      { id: 'key/memory', title: '  growth of resident memory', unit: 'MB', values: [found.rssMb] },
      { id: 'key/touched', title: 'hosts touched by a change of one person', unit: 'ms', values: found.touched, bar: { most: 10 }, note: `${String(touched.median)} hosts (median)` },
      { id: 'key/raise', title: '  a person is revoked: all that hosts are told anew, stored', unit: 'ms', values: found.raised },
      { id: 'key/first', title: '  10,000 hosts are told for the first time: stored with the history of access', unit: 'ms', values: [found.first] },
    ];
  } finally {
    await program.close();
  }
}
