/**
 * The load of the power-cut instrument: opens the inventory as the coordinator does, commits operations through the inventory's own functions, and prints
 * the id of each one that was acknowledged, one a line. Ends when standard input does. Arguments: FILE full|normal.
 */
import { writeSync } from 'node:fs';
import { newId } from '../../shared/kit/id.js';
import { addAudit } from '../../coordinator/inventory/audit.js';
import { openDatabase } from '../../coordinator/inventory/database.js';
import { raiseGeneration } from '../../coordinator/inventory/generation.js';
import { addHost } from '../../coordinator/inventory/host.js';
import { addOperation, addOperationHost } from '../../coordinator/inventory/operation.js';
import { writing } from '../../coordinator/inventory/write.js';

const [file = '', synchronous = 'full'] = process.argv.slice(2);
const db = openDatabase(file);
const hostId = newId(Date.now());
writing(db, () => addHost(db, { id: hostId, name: 'web1', endpoint: undefined, parentId: undefined, now: Date.now() }));
// The control: what the library's own default would do.
if (synchronous === 'normal') db.pragma('synchronous = NORMAL');

/** Pause between two commits, ms: many a second, and neither the disk nor the checks of each copy grow without bound. */
const paceMs = 5;

function commitOne(): void {
  const now = Date.now();
  const id = newId(now);
  writing(db, () => {
    addAudit(db, { timeMs: now, principal: 'uid:root', action: 'user add', arguments: id, phase: 'intent', operationId: id, code: '' });
    const generation = raiseGeneration(db, { hostId, noun: 'user', now, released: false });
    addOperation(db, { id, summary: 'user add ada on web1', operator: 'uid:root', requestHash: Buffer.alloc(32, 7), startedAtMs: now });
    addOperationHost(db, { operationId: id, hostId, noun: 'user', generation });
  });
  // Not console.log: the line is with the reader before the next commit begins.
  writeSync(1, `${id}\n`);
  setTimeout(commitOne, paceMs);
}

process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
commitOne();
