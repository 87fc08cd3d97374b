/** A new policy, begun from one that asks before anything changes. */
import { useState } from "preact/hooks";
import type { KubeObject } from "../../api/types";
import type { PageProps } from "../../app/pages";
import { href, navigate, namespace as picked, route } from "../../app/router";
import { Button } from "../../ui/button";
import { PolicyEditor } from "./editor";

const BEGIN: KubeObject = {
  apiVersion: "sympozium.ai/v1alpha1",
  kind: "SympoziumPolicy",
  metadata: { name: "ask-before-changes" },
  spec: {
    toolGating: {
      defaultAction: "deny",
      rules: [
        { tool: "read_file", action: "allow" },
        { tool: "list_directory", action: "allow" },
        {
          tool: "execute_command",
          action: "ask",
          reason: "commands are looked at by a person",
        },
      ],
    },
  },
};

export default function NewPolicy(_: PageProps) {
  const [namespace, setNamespace] = useState(picked.peek());
  const [chosen, setChosen] = useState(picked.peek() !== "");
  return (
    <div class="page">
      <header class="page-head">
        <a class="crumb" href={href("/policies")}>
          Policies
        </a>
        <h1>New policy</h1>
        {chosen && <span class="faint">in {namespace}</span>}
      </header>
      {chosen ? (
        <PolicyEditor
          namespace={namespace}
          name=""
          object={BEGIN}
          onSaved={(saved) => navigate(href(route("/policies", namespace, saved.metadata.name)))}
        />
      ) : (
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (namespace.trim()) setChosen(true);
          }}
        >
          <label class="row">
            In which namespace?
            <input
              class="input"
              required
              value={namespace}
              onInput={(event) => setNamespace(event.currentTarget.value.trim())}
            />
          </label>
          <Button type="submit" look="primary">
            Go on
          </Button>
        </form>
      )}
    </div>
  );
}
