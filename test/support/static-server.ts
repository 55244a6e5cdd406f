/** Serves a folder by HTTP: arguments FOLDER ADDRESS PORT. Prints `listening` when it does. Nothing but GET of files; enough for apt. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const [folder = '', address = '', port = ''] = process.argv.slice(2);

createServer((request, response) => {
  const path = join(folder, normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)));
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-length': stat.size, 'last-modified': stat.mtime.toUTCString() });
  createReadStream(path).pipe(response);
}).listen(Number(port), address, () => process.stdout.write('listening\n'));
