import { useState } from "preact/hooks";
import { API } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import { Button } from "../ui/button";
import { ErrorBox } from "../ui/states";
import { session, sessionProblem, signInWithToken } from "./session";

/** Every way in that the server offers. Nothing is shown of the installation before. */
export function SignIn() {
  const ways = session.value?.signIn;
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signInWithToken(token.trim());
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  const shown = problem ?? sessionProblem.value;
  const back = encodeURIComponent(window.location.hash || "#/");
  return (
    <main class="sign-in">
      <div class="card stack">
        <div class="row">
          <img src="./icon.svg" alt="" width="28" height="28" />
          <h1>Sign in to Sympozium</h1>
        </div>
        {shown && <ErrorBox problem={shown} />}
        {ways?.oidc && (
          <a class="button primary" href={`${API}/session/oidc/start?returnTo=${back}`}>
            Sign in with your organisation
          </a>
        )}
        {ways?.link && (
          <p class="muted">
            On the machine where it runs, <code>sympozium open</code> opens this page signed in.
          </p>
        )}
        {ways?.token !== false && (
          <form class="stack" onSubmit={(event) => void submit(event)}>
            <label class="field">
              <span>Kubernetes token</span>
              <input
                class="input"
                type="password"
                name="token"
                autocomplete="off"
                spellcheck={false}
                required
                value={token}
                onInput={(event) => setToken(event.currentTarget.value)}
              />
              <small>
                You can do here what Kubernetes lets this token do. It is kept in a cookie that no script can
                read.
              </small>
            </label>
            <Button type="submit" look={ways?.oidc ? "plain" : "primary"} disabled={busy || !token.trim()}>
              Sign in
            </Button>
          </form>
        )}
      </div>
    </main>
  );
}
