/**
 * Writes the types of the wire contract to shared/gen/proto (not committed): `npm run gen`. The generator is proto-loader's own; its comments are the
 * proto comments. The root files it writes (one per .proto, for whole-package typing) are not used here and collide between packages: removed.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(top, 'shared', 'gen', 'proto');
const protos = readdirSync(join(top, 'proto'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto')).sort();
rmSync(out, { recursive: true, force: true });
execFileSync(
  join(top, 'node_modules', '.bin', 'proto-loader-gen-types'),
  [
    '--longs=Number', '--enums=String', '--defaults', '--oneofs', '--includeComments', '--grpcLib=@grpc/grpc-js', `--outDir=${out}`,
    '--importFileExtension=.js', '--inputTemplate=%sInput', '--outputTemplate=%s', `--includeDirs=${join(top, 'proto')}`, '--', ...protos,
  ],
  { cwd: top, stdio: 'inherit' },
);
for (const name of readdirSync(out)) if (name.endsWith('.ts')) rmSync(join(out, name));
