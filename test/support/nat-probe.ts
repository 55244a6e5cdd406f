import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LabHost } from '../lab/lab.js';

const SERVER = '/usr/local/lib/nat-server.pl';
const PROBE = '/usr/local/lib/nat-probe.pl';

/** Starts what answers on these ports, TCP and UDP, IPv4 and IPv6, now and at every start of the machine, before anybody can log in. */
export async function serve(host: LabHost, ports: readonly string[]): Promise<void> {
  await host.put(join(import.meta.dirname, 'nat-server.pl'), SERVER, 0o755);
  const unit = [
    '[Unit]', 'Description=Answers of the lab', 'After=network.target', 'Before=systemd-user-sessions.service', '[Service]', `ExecStart=${SERVER} ${host.name} ${ports.join(' ')}`, 'Restart=always',
    '[Install]', 'WantedBy=multi-user.target', '',
  ];
  await host.write('/etc/systemd/system/lab-answer.service', unit.join('\n'));
  await host.run(['systemctl', 'enable', '--quiet', '--now', 'lab-answer.service']);
}

/** Gives a machine what `ask` and `watch` need. */
export async function installProbe(host: LabHost): Promise<void> {
  await host.put(join(import.meta.dirname, 'nat-probe.pl'), PROBE, 0o755);
}

/** Asks ports from a machine, one after the other: "web1 saw 198.18.1.3 at 80", "refused", or "silent". */
export async function ask(from: LabHost, protocol: 'tcp' | 'udp', address: string, ports: readonly number[], source = '-'): Promise<string[]> {
  return (await from.run([PROBE, protocol, source, address, ...ports.map(String)])).trimEnd().split('\n');
}

/** When a port answered and when it did not. */
export interface Watch {
  /** Milliseconds of the wall clock, at each change. */
  readonly changes: readonly { readonly at: number; readonly open: boolean }[];
  /** Whether it answers now. */
  readonly open: boolean;
  close(): void;
}

/** Asks a port about ten times a second, over a new connection each time. */
export function watch(from: LabHost, address: string, port: number): Watch {
  const child = from.spawn([PROBE, 'watch', address, String(port)]);
  const changes: { at: number; open: boolean }[] = [];
  if (child.stdout === null) throw new Error('a process without output');
  let ended: string | undefined;
  child.stderr?.on('data', (chunk: Buffer) => (ended = chunk.toString()));
  child.on('exit', (code, signal) => (ended = `${ended ?? ''} ${String(signal ?? code)}`));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [at, word] = line.split(' ');
    changes.push({ at: Number(at), open: word === 'open' });
  });
  return {
    changes,
    get open() {
      if (ended !== undefined) throw new Error(`nobody watches ${address}:${String(port)} any more: ${ended}`);
      return changes.at(-1)?.open === true;
    },
    close: () => child.kill('SIGKILL'),
  };
}
