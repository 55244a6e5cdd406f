/** The status page's process of its bench: it answers the port for the path of the coordinator's socket. */
import { credentials } from '@grpc/grpc-js';
import { parseWebConfig } from '../../coordinator/web/config.js';
import { serveWeb } from '../../coordinator/web/server.js';
import { pages } from '../../coordinator/web/view/pages.js';
import { reeveError } from '../../shared/errors/error.js';
import { systemClock } from '../../shared/kit/clock.js';
import { createLog } from '../../shared/kit/log.js';
import { openChannel } from '../../shared/rpc/client.js';
import { maxAnswerBytes } from '../../shared/rpc/server.js';
import { answerParent } from './bench-process.js';

answerParent(async (socketPath: string) => {
  const api = openChannel({
    target: `unix:${socketPath}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: socketPath, reason }),
    options: { 'grpc.max_receive_message_length': maxAnswerBytes },
  });
  const log = createLog('bench', 'warn');
  const web = await serveWeb({ config: parseWebConfig('listen 127.0.0.1:0\n'), api, pages, log, now: () => systemClock.now(), monotonic: () => systemClock.monotonic() });
  return web.port;
});
