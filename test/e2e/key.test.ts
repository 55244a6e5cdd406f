import { startFleet } from '../support/fleet.js';
import { describeKeys } from './key-suite.js';

describeKeys({ title: '', start: () => startFleet({ name: 'key', hosts: ['web1', 'web2'] }), desk: (fleet) => fleet.hub, on: 'all' });
