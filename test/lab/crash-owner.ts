/** A lab's owner for the tests to kill: opens a lab with one host, says so in one line of JSON, and waits. */
import { startLab } from './lab.js';

const lab = await startLab({ name: 'crash' });
await lab.boot('victim');
lab.spawn(['sleep', 'infinity']);
process.stdout.write(`${JSON.stringify(lab.record)}\n`);
setInterval(() => undefined, 60_000);
