import type { Page } from '../page.js';
import { overviewPage } from './overview.js';

/** All pages; the first that fits is taken. */
export const pages: readonly Page[] = [overviewPage];
