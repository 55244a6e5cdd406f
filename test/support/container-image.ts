import { readFileSync } from 'node:fs';
import { tar, type TarEntry } from './tar.js';

/** A program without libraries that is all the others: Debian's busybox-static. */
const BUSYBOX = '/bin/busybox';
const APPLETS = ['sh', 'httpd', 'sleep', 'cat', 'echo', 'id', 'env', 'ls', 'wget', 'nc', 'kill', 'ps', 'touch', 'mkdir', 'true', 'false', 'stat', 'hostname', 'ip', 'udhcpc', 'dd'];

/**
 * How a web image behaves: `ok` serves at once; `slow` after three seconds; `crashing` says why and ends with 3; `unhealthy` serves, but not /health; `stubborn` does
 * not end when it is asked to.
 */
export type WebBehaviour = 'ok' | 'slow' | 'crashing' | 'unhealthy' | 'stubborn';

/** The command of a web image; an image that was imported as a root file system has none of its own. */
export const webCommand = ['/bin/sh', '/serve'] as const;

const serve = (behaviour: WebBehaviour): string => {
  if (behaviour === 'crashing') return 'echo "this image cannot serve" >&2\nexit 3\n';
  const ends = behaviour === 'stubborn' ? "trap '' TERM INT" : "trap 'echo ending; exit 0' TERM INT";
  // A shell that waits for a child takes signals; process 1 has no default ones.
  const loop = 'httpd -f -p "${PORT:-80}" -h /www &\nwhile :; do wait $!; [ $? -gt 128 ] || exit 1; done\n';
  return `${ends}\n${behaviour === 'slow' ? 'sleep 3 & wait $!\n' : ''}echo serving "$(cat /www/index.html)"\n${loop}`;
};

/** A root file system (tar, 2 MB) with a web server on port 80 that answers `text` for / and "well" for /health; another text is another digest. */
export function webRoot(text: string, behaviour: WebBehaviour = 'ok'): Buffer {
  return tar([
    ...base(text),
    { name: 'serve', content: serve(behaviour), mode: 0o755 },
    ...(behaviour === 'unhealthy' ? [] : [{ name: 'www/health', content: 'well\n' }]),
  ]);
}

/** A root file system (tar, 2 MB) for lxc: busybox's init, which sets the host's name and keeps a web server on port 80 that answers `text`. It ends within 3 s when it is asked to. */
export function systemRoot(text: string): Buffer {
  const inittab = ['::sysinit:/bin/hostname -F /etc/hostname', '::respawn:/bin/httpd -f -p 80 -h /www', ''].join('\n');
  return tar([
    ...base(text),
    { name: 'sbin', kind: 'folder' },
    { name: 'sbin/init', kind: 'symlink', target: '../bin/busybox' },
    { name: 'etc/inittab', content: inittab },
    { name: 'etc/hostname', content: 'container\n' },
    { name: 'www/health', content: 'well\n' },
  ]);
}

function base(text: string): TarEntry[] {
  const folders = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp', 'var', 'www'];
  return [
    ...folders.map((name): TarEntry => ({ name, kind: 'folder', mode: name === 'tmp' ? 0o1777 : 0o755 })),
    { name: 'bin/busybox', content: readFileSync(BUSYBOX), mode: 0o755 },
    ...APPLETS.map((name): TarEntry => ({ name: `bin/${name}`, kind: 'symlink', target: 'busybox' })),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/www:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\nwww:x:33:\n' },
    { name: 'www/index.html', content: `${text}\n` },
  ];
}
