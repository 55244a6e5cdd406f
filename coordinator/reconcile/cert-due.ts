import { isCertDue } from '../desired/cert.js';
import { mostCerts } from '../../shared/model/cert.js';
import { addAudit } from '../inventory/audit.js';
import { selfSignedBefore } from '../inventory/cert.js';
import { getGeneration, raiseGeneration } from '../inventory/generation.js';
import { getHost } from '../inventory/host.js';
import { isUnwritable, writing } from '../inventory/write.js';
import type { World } from '../world.js';
import { certNoun } from './cert.js';

/** Time between two looks, ms. */
const lookMs = 3_600_000;

/** The agent decides by its own clock, which may be behind, ms. */
const laterMs = 3_600_000;

/** Has self-signed certificates made anew when less than a third of their time is left. */
export interface CertKeeper {
  /** Looks now. */
  look(): void;
  close(): void;
}

/** Begins to watch over self-signed certificates; `onDue` is called for each host that is to make some anew. */
export function keepCerts(world: World, onDue: (hostId: string) => void): CertKeeper {
  const look = (): void => {
    for (const hostId of raiseDue(world)) onDue(hostId);
  };
  look();
  const timer = setInterval(look, lookMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}

/** Raises the hosts where one is due and that owe nothing, with an audit record each; answers them. A database that cannot be written is tried again later. */
function raiseDue({ db, clock, log }: World): readonly string[] {
  const now = clock.now();
  const rows = selfSignedBefore(db, now + mostCerts.days * 28_800_000).filter((row) => row.state?.state === 'ok' && isCertDue(row, now - laterMs));
  const hosts = [...new Set(rows.map(({ hostId }) => hostId))].filter((hostId) => {
    const generation = getGeneration(db, hostId, certNoun.name);
    return getHost(db, hostId)?.state === 'joined' && generation !== undefined && !generation.released && generation.applied === generation.wanted;
  });
  if (hosts.length === 0) return [];
  try {
    return writing(db, () => {
      for (const hostId of hosts) {
        raiseGeneration(db, { hostId, noun: certNoun.name, now, released: false });
        const names = rows.filter((row) => row.hostId === hostId).map(({ cert }) => cert.name);
        addAudit(db, { timeMs: now, principal: 'reeved', action: `certificates of ${getHost(db, hostId)?.name ?? hostId} are due: ${names.join(', ').slice(0, 400)}`, arguments: '', phase: 'ok', operationId: '', code: '' });
      }
      return hosts;
    });
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    log.error({ err: error }, 'that self-signed certificates are due could not be written');
    return [];
  }
}
