import { startFleet } from '../support/fleet.js';
import { describeUsers } from './user-suite.js';

describeUsers({ title: '', start: () => startFleet({ name: 'user', hosts: ['web1', 'web2'] }), on: 'all' });
