import { html, type Html } from '../html.js';

/** What a page about an error shows. */
export interface ErrorView {
  readonly title: string;
  readonly text: string;
  /** What to do about it; may be empty. */
  readonly remedy: string;
  /** Names the request in the log; undefined: there is nothing in it. */
  readonly correlation: string | undefined;
  readonly base: string;
}

/** Why there is no page. */
export function renderError(view: ErrorView): Html {
  return html`<h1>${view.title}</h1>
<p role="alert">${view.text}</p>
${view.remedy !== '' && html`<p>${view.remedy}</p>`}
${view.correlation !== undefined && html`<p>The log has more under <code>${view.correlation}</code>: <code>journalctl -u reeve-web -u reeved</code></p>`}
<p><a href="${view.base}/">To the overview</a></p>
`;
}
