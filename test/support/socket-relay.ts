/**
 * Passes connections on: listens on the socket of the first argument and connects to that of the second for each caller. Started as another account, what
 * is behind the second socket sees that account, so one test program can speak as many. Prints a line when it listens; ends with its standard input.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const [own = '', behind = ''] = process.argv.slice(2);
const server = createServer((caller) => {
  const callee = connect(behind);
  caller.pipe(callee).pipe(caller);
  for (const [one, other] of [[caller, callee], [callee, caller]] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.listen(own, () => {
  chmodSync(own, 0o666);
  process.stdout.write('listening\n');
});
process.stdin.resume().on('end', () => process.exit(0));
