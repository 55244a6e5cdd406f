import { fieldMissing } from '../../shared/model/field.js';
import { parseReachableAddress } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { portNumber } from './number.js';
import { fleetService } from './service.js';

const init = defineCommand({
  path: 'init',
  summary: 'Set up this coordinator: trust roots, certificate, database',
  text: 'Done once. The address goes into every join token: hosts must be able to reach this machine by it.',
  positionals: {},
  options: {
    address: { kind: 'list', value: 'ADDRESS', text: 'Host name or IP address that hosts reach this machine by; may be repeated, in order of preference' },
    'agents-port': { kind: 'value', value: 'PORT', text: "Port of the agents' API (default: 7421)" },
    'enrolment-port': { kind: 'value', value: 'PORT', text: 'Port of enrolment (default: 7422)' },
    'operators-port': { kind: 'value', value: 'PORT', text: 'Port for operators on other machines (default: 7423)' },
  },
  examples: [{ line: 'reeve init --address fleet.example.org', text: 'Set up a coordinator that hosts reach as fleet.example.org' }],
  run: async (context, args) => {
    const [address, ...otherAddresses] = args.address.map(parseReachableAddress);
    if (address === undefined) throw fieldMissing('--address', 'the host name or IP address that hosts can reach this machine by');
    const request = {
      address,
      otherAddresses,
      agentsPort: portNumber(args['agents-port'], "port of the agents' API"),
      enrolmentPort: portNumber(args['enrolment-port'], 'port of enrolment'),
      operatorsPort: portNumber(args['operators-port'], 'port for operators'),
    };
    const response = await (await context.api()).call(fleetService, 'InitFleet', request);
    return answer(context, response, () => `Fleet ${vis(response.fleetId)} is set up.\nKey pin: ${vis(response.pin)}\nNext: reeve host invite NAME\n`);
  },
});

/** `reeve init`. */
export const initNoun: Noun = { name: 'init', summary: init.summary, commands: [init] };
