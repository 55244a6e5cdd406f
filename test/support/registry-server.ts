/** A registry of container images that is only read (OCI Distribution 1.0): arguments FOLDER ADDRESS PORT. Prints `listening` when it does. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [folder = '', address = '', port = ''] = process.argv.slice(2);

/** The file that a path names, and its type; undefined: there is none. */
function find(path: string): { readonly file: string; readonly type: string } | undefined {
  const [, image, kind, reference] = /^\/v2\/([a-z0-9/._-]+)\/(manifests|blobs)\/([A-Za-z0-9:._-]+)$/.exec(path) ?? [];
  if (image === undefined || reference === undefined || image.includes('..')) return undefined;
  return kind === 'blobs' ? { file: join(folder, 'blobs', reference), type: 'application/octet-stream' } : { file: join(folder, 'manifests', image, reference), type: 'application/vnd.oci.image.manifest.v1+json' };
}

createServer((request, response) => {
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  if (path === '/v2/') {
    response.writeHead(200, { 'docker-distribution-api-version': 'registry/2.0' }).end('{}');
    return;
  }
  const found = find(path);
  if (found === undefined || !existsSync(found.file)) {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    return;
  }
  const bytes = readFileSync(found.file);
  response.writeHead(200, { 'content-type': found.type, 'content-length': bytes.length, 'docker-content-digest': `sha256:${createHash('sha256').update(bytes).digest('hex')}` });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}).listen(Number(port), address, () => process.stdout.write('listening\n'));
