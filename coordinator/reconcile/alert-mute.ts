import type { CauseKey } from '../desired/alert.js';
import { muteReason } from '../desired/alert-mute.js';
import type { Fleet } from '../fleet/fleet.js';
import { holdLookup } from '../fleet/hold.js';
import { listMutes } from '../inventory/alert-mute.js';
import type { World } from '../world.js';
import { createMatches, type Matches } from './alert-match.js';

/** Answers of an alert why nobody is to be told of it now; empty: somebody is. By the mutes and holds of now. */
export function muteLookup(world: World, fleet: Pick<Fleet, 'live'>, matches: Matches = createMatches(world.db)): (alert: CauseKey) => string {
  const mutes = listMutes(world.db, world.clock.now());
  const holdsOf = holdLookup(world, fleet);
  return (alert) => muteReason(alert, { mutes, holds: alert.hostId === undefined ? [] : holdsOf(alert.hostId), matches });
}
