import { afterAll, beforeAll, describe } from 'vitest';
import { hosts } from '../support/fleet.js';
import { allowMore, startWebFleet, type WebFleet } from '../support/web-fleet.js';
import { startBackend } from '../support/web.js';
import { testAccess } from './vhost-access.js';
import { testAdopt } from './vhost-adopt.js';
import { testCommands } from './vhost-command.js';
import { testHostile } from './vhost-hostile.js';
import { testTargets } from './vhost-target.js';

describe.skipIf(!hosts.ok)('sites of a real web server', () => {
  let fleet: WebFleet;

  beforeAll(async () => {
    fleet = await startWebFleet('vhost');
    await allowMore(fleet.web, ['vhost.write wildcard=yes name=*', 'vhost.socket path=/run/app.sock']);
    await fleet.web.run(['sh', '-c', 'mkdir -p /root/tls && cd /root/tls && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=backend -keyout key.pem -out cert.pem 2>/dev/null']);
    await startBackend(fleet.web, 'app', ['8081', '/run/app.sock', '8444:tls=/root/tls/cert.pem,/root/tls/key.pem']);
  });
  afterAll(() => fleet.close());

  testTargets(() => fleet);
  testAccess(() => fleet);
  testAdopt(() => fleet);
  testHostile(() => fleet);
  testCommands(() => fleet);
});
