/** The editor of a policy: checked as it is written; beside it, what it would do with a call and what it would have done. */
import { useState } from "preact/hooks";
import type { KubeObject } from "../../api/types";
import { ErrorBox } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { ObjectEditor } from "../../yaml/ObjectEditor";
import { Backtest } from "./backtest";
import { useCheck } from "./check";
import "./policies.css";
import { TryCall } from "./try";

interface Props {
  namespace: string;
  /** Empty for a new policy. */
  name: string;
  object: KubeObject;
  onSaved: (object: KubeObject) => void;
}

export function PolicyEditor({ namespace, name, object, onSaved }: Props) {
  const [text, setText] = useState<string | null>(null);
  const [tab, setTab] = useState("try");
  const { marks, current, problem } = useCheck(text);
  const errors = marks.filter((mark) => mark.severity === "error").length;
  return (
    <div class="policy-editor">
      <div>
        <ObjectEditor
          place={{ plural: "sympoziumpolicies", namespace, name }}
          kind="SympoziumPolicy"
          object={object}
          marks={marks}
          onText={setText}
          onSaved={onSaved}
        >
          <span class="muted" role="status">
            {!current || text === null
              ? "checking…"
              : errors
                ? `${errors} ${errors === 1 ? "mistake" : "mistakes"}`
                : marks.length
                  ? `${marks.length} to look at`
                  : "checked: nothing found"}
          </span>
        </ObjectEditor>
        {problem && <ErrorBox problem={problem} />}
      </div>
      <aside class="card" aria-label="What this text would do">
        <Tabs
          label="What this text would do"
          chosen={tab}
          onChoose={setTab}
          tabs={[
            {
              id: "try",
              title: "Try a call",
              render: () => <TryCall yaml={text ?? ""} namespace={namespace} />,
            },
            {
              id: "past",
              title: "Past runs",
              render: () => <Backtest yaml={text ?? ""} namespace={namespace} />,
            },
          ]}
        />
      </aside>
    </div>
  );
}
