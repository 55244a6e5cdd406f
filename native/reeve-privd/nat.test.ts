import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPrivd, type Privd } from './testing/namespace.js';
let privd: Privd;
beforeAll(async () => { privd = await startPrivd({ network: true }); privd.writePolicy('version 1\nallow observe.nat\nallow nat.apply\nallow nat.forward\nallow nat.masquerade\nallow nat.release\n'); }, 120000);
afterAll(() => privd.close(), 60000);
test('x', async () => {
  const operation = randomUUID();
  console.log(await privd.call('observe.nat', { scope: 'generation' }));
  console.log(await privd.call('observe.nat', { scope: 'managed' }));
  const r = await privd.call('nat.apply', { rules: Buffer.from('forward 1 tcp - - 8080 10.0.0.2 80 10.0.0.0/8,10.1.0.0/16 10.0.0.0/24\nforward 2 udp - - 9000-9003 10.0.0.2 80-83 - -\nmasquerade 3 10.0.0.0/24 - -\n') }, operation);
  console.log(r, await privd.call('observe.nat', { scope: 'managed' }));
  console.log(privd.inside('nft', 'list', 'ruleset'));
  await privd.call('pending.confirm', { noun: 'nat', operation: Buffer.from(operation.replaceAll('-', ''), 'hex') });
  const o = await privd.call('observe.nat', { scope: 'foreign' });
  console.log(o.state, o.counter, Buffer.from(o.ruleset).toString().length, o.truncated);
  console.log(privd.inside('find', '/var/lib/reeve-privd', '/etc/sysctl.d/60-reeve-nat.conf', '/run/reeve'));
});
