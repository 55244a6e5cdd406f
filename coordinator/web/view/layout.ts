import { html, type Html } from '../html.js';
import type { Viewer } from '../page.js';
import { shown } from './text.js';

/** What stands around a page. */
export interface DocumentView {
  /** Prefix of all links: '' or e.g. "/reeve". */
  readonly base: string;
  /** Path without the base; marks where one is. */
  readonly path: string;
  /** undefined: nobody has logged in. */
  readonly viewer: Viewer | undefined;
  /** The page follows the fleet. */
  readonly live: boolean;
}

const places: readonly { readonly path: string; readonly title: string }[] = [
  { path: '/', title: 'Overview' },
  { path: '/host', title: 'Hosts' },
  { path: '/alert', title: 'Alerts' },
  { path: '/person', title: 'Persons' },
  { path: '/operation', title: 'Operations' },
  { path: '/backup', title: 'Backups' },
  { path: '/cert', title: 'Certificates' },
  { path: '/audit', title: 'Audit' },
];

/** A whole document. Its scripts and styles are files of ours: nothing stands in the page itself, so that the strictest policy for content holds. */
export function renderDocument(answer: { readonly title: string; readonly main: Html }, view: DocumentView): string {
  const { base, viewer } = view;
  const page = html`<!doctype html>
<html lang="en" data-base="${base}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<title>${shown(answer.title)} – Reeve</title>
<link rel="icon" href="${base}/asset/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}/asset/reeve.css">
${view.live && html`<script src="${base}/asset/reeve.js" defer></script>`}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<p class="brand"><a href="${base}/">Reeve</a></p>
${viewer !== undefined && viewer.role !== '' && navigation(base, view.path)}
${viewer !== undefined && account(base, viewer, view)}
</header>
<main id="main" tabindex="-1">
${answer.main}
</main>
</body>
</html>
`;
  return page.text;
}

function navigation(base: string, path: string): Html {
  return html`<nav aria-label="Pages"><ul>${places.map((place) => html`<li><a href="${base}${place.path}"${isAt(path, place.path) && html` aria-current="page"`}>${place.title}</a></li>`)}</ul></nav>`;
}

/** Whether a path is a place, or a page below it. */
function isAt(path: string, place: string): boolean {
  return path === place || (place !== '/' && path.startsWith(`${place}/`));
}

function account(base: string, viewer: Viewer, view: DocumentView): Html {
  const sees = viewer.labels.length > 0 && html`<span class="scope">sees hosts with ${shown(viewer.labels.join(' or '))}</span>`;
  return html`<div class="account">
${view.live && html`<span class="live" id="live" hidden>connecting</span>`}
<span class="who"><a href="${base}/self"${isAt(view.path, '/self') && html` aria-current="page"`}>${shown(viewer.name)}</a>${viewer.role !== '' && html` <span class="role">${viewer.role}</span>`}</span>
${sees}
<form method="post" action="${base}/logout"><input type="hidden" name="form_token" value="${viewer.formToken}"><button type="submit">Log out</button></form>
</div>`;
}
