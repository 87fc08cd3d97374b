import { render } from "preact";
import { startLive } from "./api/live";
import { startKeyboard } from "./app/keyboard";
import { startRouter } from "./app/router";
import { session, sessionProblem, startSession } from "./app/session";
import { Shell } from "./app/shell";
import { SignIn } from "./app/sign-in";
import { startClock } from "./ui/clock";
import { ErrorBox } from "./ui/states";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/components.css";

function App() {
  const who = session.value;
  if (!who) {
    const problem = sessionProblem.value;
    return problem ? (
      <main class="sign-in">
        <ErrorBox problem={problem} />
      </main>
    ) : null;
  }
  return who.user ? <Shell /> : <SignIn />;
}

startRouter();
startKeyboard();
startClock();
startLive();
void startSession();

const root = document.getElementById("app");
if (root) render(<App />, root);
