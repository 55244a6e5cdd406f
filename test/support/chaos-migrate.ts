/**
 * Migrates a database step by step and dies by SIGKILL at one statement: arguments FILE N. The function `reeve_chaos()` stands between the statements of each
 * step; its N-th call kills. Prints `done` when the steps end before that.
 */
import Sqlite from 'better-sqlite3';
import { migrate } from '../../coordinator/inventory/database.js';
import { withMarks } from './chaos-steps.js';

const [file = '', at = '0'] = process.argv.slice(2);
const db = new Sqlite(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
let calls = 0;
db.function('reeve_chaos', () => {
  calls += 1;
  if (calls === Number(at)) process.kill(process.pid, 'SIGKILL');
  return 0;
});
migrate(db, (reason) => new Error(reason), withMarks());
db.close();
console.log('done');
