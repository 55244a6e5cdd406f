import { test } from 'vitest';
import { identityFolder, prepareClock, setClock } from '../support/chaos-identity.js';
import type { TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** Tests that hosts get new certificates over the link that they have: by renewal, and by readmission when theirs expired. `names` are all hosts of the fleet. */
export function testRenewal(fleetOf: () => TestFleet, names: readonly string[]): void {
  /** Starts coordinator and agents anew, so many days ahead. */
  const travel = async (days: number): Promise<void> => {
    const fleet = fleetOf();
    const hosts = names.map((name) => fleet.host(name));
    await Promise.all(hosts.map((host) => host.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 })));
    await Promise.all([fleet.hub, ...hosts].map((host) => setClock(host, days)));
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await Promise.all(hosts.map((host) => host.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 })));
  };
  const certificates = (): Promise<string[]> => Promise.all(names.map(async (name) => (await identityFolder(fleetOf().host(name))).certificate));

  test.each([
    ['are renewed past half their life', 5],
    ['that expired 10 days ago are replaced without a question', 5 + 7 + 10],
  ])('certificates %s', async (_what, days) => {
    const fleet = fleetOf();
    if (days === 5) await Promise.all([prepareClock(fleet.hub, 'reeved'), ...names.map((name) => prepareClock(fleet.host(name), 'reeve-agent'))]);
    const before = await certificates();
    await travel(days);
    await until(async () => (await certificates()).every((certificate, index) => certificate !== before[index]), { timeoutMs: 120_000, everyMs: 500, what: 'all hosts to have new certificates' });
    for (const name of names) await fleet.waitState(name, 'connected', 90_000);
    // The coordinator dials anew for a new certificate: a call may meet the moment in between.
    for (const name of names) await until(async () => (await fleet.reeve(['user', 'observe', name])).code === 0, { timeoutMs: 30_000, everyMs: 500, what: `${name} to answer` });
  });
}
