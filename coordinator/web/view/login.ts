import { html, type Html } from '../html.js';
import { shown } from './text.js';

/** What the form to log in shows. */
export interface LoginView {
  readonly base: string;
  /** Path without the base to go on to; '/' usually. */
  readonly next: string;
  /** What was typed as a name before. */
  readonly name: string;
  /** Why it is shown again; undefined: it is not. */
  readonly problem: string | undefined;
}

/** The form to log in. It says the same whatever was wrong. */
export function renderLogin({ base, next, name, problem }: LoginView): Html {
  return html`<h1>Log in</h1>
${problem !== undefined && html`<p class="problem" role="alert" id="problem">${problem}</p>`}
<form class="login" method="post" action="${base}/login"${problem !== undefined && html` aria-describedby="problem"`}>
<input type="hidden" name="next" value="${next}">
<p><label for="name">Name</label>
<input id="name" name="name" type="text" value="${shown(name)}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="63" required autofocus></p>
<p><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required></p>
<p><label for="code">Code of the second factor, if you have one</label>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="7"></p>
<p><button type="submit">Log in</button></p>
</form>
<p class="foot">Logins are given by the people who run this fleet: <code>reeve web login set NAME</code>.</p>
`;
}
