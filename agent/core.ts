import type { Logger } from '../shared/kit/log.js';
import { userDigestModel } from '../shared/model/user.js';
import type { Service } from '../shared/rpc/server.js';
import type { Coordinator } from './access.js';
import { createEngine } from './engine/engine.js';
import { obeyEpoch } from './engine/epoch.js';
import type { NounWork } from './engine/noun.js';
import { factService } from './fact/service.js';
import type { AppendFile } from './host/append.js';
import type { Host } from './host/host.js';
import { openJournal, type Journal } from './journal/journal.js';
import { operationService } from './operation/service.js';
import { nounNames } from './nouns.js';
import { createStatusHub, type StatusHub } from './status/hub.js';
import { statusService } from './status/service.js';
import { userWork } from './user/apply.js';
import { observeUsers } from './user/observe.js';
import { userService } from './user/service.js';

/** An agent without its network: journal, engine, nouns. A new noun is registered here: one import and one row in each list. */
export interface AgentCore {
  readonly services: readonly Service<Coordinator>[];
  readonly hub: StatusHub;
  readonly journal: Journal;
  /** Settles what a crash left open. Call it once. */
  recover(): Promise<void>;
  /** Ends watches, refuses new operations, and resolves when none runs any more. */
  drain(): Promise<void>;
}

/** What an agent without its network is made of. */
export interface AgentCoreOptions {
  readonly host: Host;
  readonly hostName: string;
  /** The journal's file. */
  readonly file: AppendFile;
  /** Unix ms. */
  readonly certificateNotAfter: number;
  /** What became of the last upgrade; empty: nothing is to be said. */
  readonly upgrade?: string;
  readonly log: Logger;
}

/** Opens the journal and builds everything that stands on it. */
export async function createAgentCore(options: AgentCoreOptions): Promise<AgentCore> {
  const { host, hostName, log } = options;
  const journal = await openJournal({ file: options.file, clock: host.clock, log, hostName });
  const engine = createEngine({ host, journal, hostName, log, onChanged: (noun, seen) => hub.operated(noun, seen) });
  const users = userWork(host, hostName);
  const works = [users as NounWork];
  assertNouns(works.map((work) => work.noun));
  const hub = createStatusHub({
    host,
    journal,
    log,
    certificateNotAfter: options.certificateNotAfter,
    upgrade: options.upgrade ?? '',
    nouns: [
      {
        noun: 'user', operation: 'observe.user', part: 'accounts',
        observe: (id) => engine.read('user', async () => userDigestModel(await observeUsers(host.helper, id, 'managed'))),
      },
    ],
  });
  const stopping = new AbortController();
  let recovered: Promise<void> = Promise.resolve();
  return {
    hub,
    journal,
    services: [
      statusService({ hub, clock: host.clock, log, obeyEpoch: (epoch) => obeyEpoch(journal, hostName, epoch) }),
      factService({ host, hostName }),
      operationService({ journal, engine, hostName }),
      userService({ engine, work: users, host, hostName }),
    ],
    recover() {
      recovered = engine.recover(works, stopping.signal);
      return recovered;
    },
    async drain() {
      stopping.abort();
      hub.close();
      await Promise.all([engine.drain(), recovered]);
    },
  };
}

function assertNouns(served: readonly string[]): void {
  if (served.join() !== nounNames.join()) throw new Error(`the nouns ${served.join(', ')} are served, and nouns.ts names ${nounNames.join(', ')}`);
}
