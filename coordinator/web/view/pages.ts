import type { Page } from '../page.js';
import { alertPage } from './alert.js';
import { auditPage } from './audit.js';
import { backupPage } from './backup.js';
import { certPage } from './cert.js';
import { hostPage } from './host.js';
import { hostDriftPage } from './host-drift.js';
import { hostListPage } from './host-list.js';
import { operationListPage, operationPage } from './operation.js';
import { overviewPage } from './overview.js';
import { personListPage, personPage } from './person.js';

/** All pages. */
export const pages: readonly Page[] = [
  overviewPage, hostListPage, hostPage, hostDriftPage, personListPage, personPage, operationListPage, operationPage, backupPage, certPage, alertPage, auditPage,
];
