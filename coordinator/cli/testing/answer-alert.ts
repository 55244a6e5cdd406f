import type { AlertRouteInput } from '../../../shared/gen/proto/reeve/coordinator/v1/AlertRoute.js';
import { toTimestamp } from '../../../shared/rpc/time.js';
import type { Handlers } from './coordinator.js';
import { nowMs } from './terminal.js';

const ago = (seconds: number): { seconds: number; nanos: number } => toTimestamp(nowMs - seconds * 1000);
const mute = { id: 3, selector: 'web1', kinds: ['host-lost'], until: ago(-7_200), reason: 'new disks', by: 'uid:ada', since: ago(60) };
const routes: readonly AlertRouteInput[] = [
  { id: 1, way: 'mail', target: 'ada', severity: 'info', remind: true, by: 'uid:root', addedAt: ago(86_400), sentAt: ago(600) },
  { id: 2, way: 'webhook', target: 'https://chat.example.org/…', kinds: ['host-lost', 'disk'], severity: 'error', selector: 'site=ams', by: 'uid:root', addedAt: ago(86_400), problem: 'it answered 503 busy\u001b[2J', owed: 2 },
];

/** What the canned coordinator answers about alerts. */
export const alertAnswers: Handlers = {
  'AlertService.ListAlert': () => ({
    alerts: [
      { id: 7, kind: 'host-lost', severity: 'error', hostName: 'vm1', title: 'cannot be reached, and what lives on it: 1 host', text: 'connection refused; lost with it: guest1; see: reeve doctor vm1', since: ago(900), openedAt: ago(600), foldedHosts: ['guest1'], told: 2 },
      { id: 6, kind: 'disk', severity: 'warning', hostName: 'web1', subject: '/srv\u001b[2J', title: '/srv\u001b[2J will be full soon', text: 'on the host: df -h /srv', since: ago(86_400), openedAt: ago(86_280), muted: 'until 2026-01-31T10:00:00Z by uid:ada: new disks' },
      { id: 5, kind: 'health', severity: 'error', title: '/var/lib/reeved of the coordinator is nearly full', since: ago(7_200), openedAt: ago(7_100), endedAt: ago(3_600) },
    ],
  }),
  'AlertService.AddAlertMute': () => ({ mute, open: 1 }),
  'AlertService.RemoveAlertMute': () => ({ mute }),
  'AlertService.ListAlertMute': () => ({ mutes: [mute] }),
  'AlertService.AddAlertRoute': () => ({ route: routes[0] }),
  'AlertService.RemoveAlertRoute': () => ({ route: routes[0] }),
  'AlertService.ListAlertRoute': () => ({ routes }),
  'AlertService.TestAlertRoute': () => ({ results: [{ route: routes[0], ok: true, answer: '250 OK' }, { route: routes[1], ok: false, answer: 'it answered 503 busy' }] }),
};
