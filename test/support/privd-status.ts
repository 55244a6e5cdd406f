/** Asks the helper of this host for its status, as the agent does, and prints the answer as one line of JSON. Bundled into hosts by tests. */
import { createPrivdClient } from '../../agent/host/privd.js';

const client = createPrivdClient({ socketPath: '/run/reeve/priv.sock', timeoutMs: 5_000 });
const status = await client.call('status.get', '00000000-0000-7000-8000-000000000000', {});
process.stdout.write(`${JSON.stringify(status)}\n`);
client.close();
