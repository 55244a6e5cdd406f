import { startGuests } from '../support/link-fleet.js';
import { describeKeys } from './key-suite.js';

describeKeys({ title: ' behind a parent', start: () => startGuests('keyvia'), desk: (fleet) => fleet.host('vm1'), on: 'guest=yes' });
