import { credentials } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { parseWebConfig } from '../../coordinator/web/config.js';
import { serveWeb } from '../../coordinator/web/server.js';
import { pages } from '../../coordinator/web/view/pages.js';
import { reeveError } from '../../shared/errors/error.js';
import type { WebServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/WebService.js';
import { systemClock, type Clock } from '../../shared/kit/clock.js';
import { openChannel, serviceName } from '../../shared/rpc/client.js';
import { maxAnswerBytes } from '../../shared/rpc/server.js';
import { apiAs } from './local-account.js';
import { webAccount, type LoopbackFleet } from './loopback-fleet.js';

const service = serviceName<WebServiceDefinition>('reeve.coordinator.v1.WebService');

/** A status page over a fleet on loopback. */
export interface WebPage {
  /** E.g. `http://localhost:40123`; browsers take the cookie of a session there. */
  readonly url: string;
  readonly port: number;
  /** Lets a person or operator log in, who must be there already; answers the password. */
  allow(name: string): Promise<string>;
  /** Logs in by the form; answers the cookie that a client sends from then on, "NAME=VALUE". */
  login(name: string, password: string, more?: { code?: string; address?: string }): Promise<string>;
  close(): Promise<void>;
}

/** How it is to be. */
export interface WebPageOptions {
  /** Lines of its configuration beside the port. */
  readonly config?: string;
  readonly clock?: Clock;
}

/** Starts the status page in this process, talking to the fleet's coordinator as another account, which only root can. Close it before the fleet. */
export async function startWeb(fleet: LoopbackFleet, options: WebPageOptions = {}): Promise<WebPage> {
  const uid = Number(/^proxy:[^:]*:([0-9]+):/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1] ?? -1);
  if (uid < 0) throw new Error(`there is no account ${webAccount}`);
  const door = await apiAs(uid, fleet);
  const clock = options.clock ?? systemClock;
  const api = openChannel({
    target: `unix:${door.socketPath}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: fleet.socketPath, reason }),
    options: { 'grpc.max_receive_message_length': maxAnswerBytes },
  });
  const config = parseWebConfig(`listen 127.0.0.1:0\n${options.config ?? ''}`);
  const web = await serveWeb({ config, api, pages, log: pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' }), now: () => clock.now(), monotonic: () => clock.monotonic() });
  const url = `http://localhost:${String(web.port)}`;
  return {
    url,
    port: web.port,
    allow: async (name) => (await fleet.api.unary(service, 'SetWebLogin', { name }, { deadlineMs: 20_000 })).password,
    async login(name, password, more = {}) {
      const body = new URLSearchParams({ name, password, code: more.code ?? '', next: '/' });
      const response = await fetch(`${url}${config.base}/login`, { method: 'POST', redirect: 'manual', headers: { origin: url }, body });
      const cookie = /^(__Host-reeve=[^;]+);/.exec(response.headers.get('set-cookie') ?? '')?.[1];
      if (response.status !== 303 || cookie === undefined) throw new Error(`login of ${name}: ${String(response.status)} ${await response.text()}`);
      return cookie;
    },
    async close() {
      await web.close();
      api.close();
      await door.close();
    },
  };
}
