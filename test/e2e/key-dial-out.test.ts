import { startOutward } from '../support/link-fleet.js';
import { describeKeys } from './key-suite.js';

// People log in by SSH all the same; only the coordinator has no way in.
describeKeys({ title: ' that only dial out', start: () => startOutward('keyout', [22]), desk: (fleet) => fleet.hub, on: 'all' });
