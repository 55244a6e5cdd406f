import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessApi } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { startWeb, type WebPage } from '../support/web-page.js';

const clock = createTurnedClock();

describe.skipIf(process.getuid?.() !== 0)('the status page (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let web: WebPage;

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    web = await startWeb(fleet, { clock });
    await accessApi(fleet.api).person('grace');
  });

  afterAll(async () => {
    await web.close();
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  it('lets a person in who has a password, to themselves only', async () => {
    const cookie = await web.login('grace', await web.allow('grace'));
    const page = await fetch(`${web.url}/self`, { headers: { cookie } });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<h1>grace</h1>');
    expect((await fetch(`${web.url}/host`, { headers: { cookie } })).status).toBe(404);
  });
});
