import type { LabHost } from '../lab/lab.js';
import type { CommandAnswer } from './chaos.js';
import { webPackages } from './debian.js';
import { startFleet, type TestFleet } from './fleet.js';
import { errorsOf, type ToldError } from './nat-setting.js';
import type { PackageKind } from './packages.js';
import { startWebClient, type WebClient } from './web.js';
import type { WebAnswer, WebAsk } from './web-message.js';

/** A fleet with one host that has a web server, and a client of its sites. */
export interface WebFleet extends TestFleet {
  readonly web: LabHost;
  readonly client: WebClient;
  /** `reeve ARGS --yes`. */
  change(args: readonly string[], code?: number): Promise<CommandAnswer>;
  /** `reeve ARGS --yes`, which is refused and leaves the web server's files as they are. Gives all errors that were told. */
  refused(args: readonly string[], code: number): Promise<ToldError[]>;
  /** GET without TLS, by the name in the Host header. */
  plain(host: string, path?: string, more?: Partial<WebAsk>): Promise<WebAnswer>;
  /** GET with TLS. */
  secure(host: string, path?: string, more?: Partial<WebAsk>): Promise<WebAnswer>;
  /** Every file of the web server's configuration with its digest, and the set that is in place; not what is only laid out to be tested. */
  configuration(): Promise<string>;
}

/** What a web host of the tests may do: the preset, and names with a wildcard. */
export async function allowMore(host: LabHost, lines: readonly string[]): Promise<void> {
  await host.write('/etc/reeve/policy', `${await host.read('/etc/reeve/policy')}${lines.map((line) => `allow ${line}\n`).join('')}`, 0o644);
}

/** Boots it: hub, and web1 with nginx, PHP-FPM and uwsgi. `resident`: as for startFleet. */
export async function startWebFleet(name: string, packages: PackageKind = 'normal', resident = packages === 'test'): Promise<WebFleet> {
  const fleet = await startFleet({ name, hosts: ['web1'], debian: webPackages, policy: 'web', packages, resident });
  const web = fleet.host('web1');
  const client = startWebClient(fleet.lab);
  const ask = (host: string, path: string, port: number, more: Partial<WebAsk>): Promise<WebAnswer> => client.ask({ address: web.address, port, host, path, ...more });
  const configuration = (): Promise<string> => web.run(['sh', '-c', 'find /etc/nginx -path "/etc/nginx/reeve/.*" -prune -o -type f -exec sha256sum {} + | sort -k2; find /etc/nginx -type l -printf "%p -> %l\\n" | sort']);
  return {
    ...fleet,
    web,
    client,
    configuration,
    change: (args, code = 0) => fleet.json<CommandAnswer>([...args, '--yes'], code),
    async refused(args, code) {
      const before = await configuration();
      const { stdout, stderr, code: ended } = await fleet.reeve([...args, '--yes', '--json']);
      if (ended !== code) throw new Error(`reeve ${args.join(' ')} exited with ${String(ended)}, wanted ${String(code)}:\n${stdout}${stderr}`);
      const after = await configuration();
      if (after !== before) throw new Error(`reeve ${args.join(' ')} was refused and changed something:\n${before}\n${after}`);
      return errorsOf(stdout);
    },
    plain: (host, path = '/', more = {}) => ask(host, path, 80, more),
    secure: (host, path = '/', more = {}) => ask(host, path, 443, { tls: { name: host }, ...more }),
    close() {
      client.close();
      fleet.close();
    },
  };
}
