/** The notes of one agent, read and corrected. */
import { useState } from "preact/hooks";
import { path, put } from "../../api/client";
import type { components } from "../../api/openapi";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, route } from "../../app/router";
import { Button } from "../../ui/button";
import { Answer, Note } from "../../ui/states";
import { RelativeTime } from "../../ui/time";
import { toast } from "../../ui/toast";
import { share } from "./notes";

type Notes = components["schemas"]["Notes"];

export default function NotesPage({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const instance = params.instance ?? "";
  const where = path("namespaces", namespace, "memory", instance);
  const found = useWatched<Notes>(where, {}, ["sympoziuminstances", "agentruns"], namespace);
  return (
    <div class="page">
      <header class="page-head">
        <a class="crumb" href={href("/memory")}>
          Memory
        </a>
        <h1>{instance}</h1>
        <span class="faint">in {namespace}</span>
      </header>
      <Answer of={found}>{(notes) => <Editor where={where} notes={notes} onSaved={found.reload} />}</Answer>
    </div>
  );
}

function Editor({ where, notes, onSaved }: { where: string; notes: Notes; onSaved: () => void }) {
  // What is being written is kept until it is saved, also when the agent writes meanwhile: the server then says so.
  const [draft, setDraft] = useState<{ text: string; of: string | null } | null>(null);
  const text = draft?.text ?? notes.text;
  const changed = draft !== null && draft.of !== notes.resourceVersion;
  const save = async () => {
    await put(where, { text, resourceVersion: draft?.of ?? notes.resourceVersion });
    setDraft(null);
    toast("The notes are written");
    onSaved();
  };
  return (
    <div class="stack">
      {!notes.enabled && (
        <Note>
          The agent does not keep notes now (spec.memory of its instance): these are left from before.
        </Note>
      )}
      {changed && (
        <Note tone="wait">
          The agent has written meanwhile. Take its notes and write your change again.{" "}
          <Button look="quiet" onClick={() => setDraft(null)}>
            Take its notes
          </Button>
        </Note>
      )}
      <p class="muted">
        <a href={href(route("/instances", notes.namespace, notes.instance))}>The agent</a> is given these at
        the start of each run. {share(notes)}
        {notes.changedAt && (
          <>
            , changed <RelativeTime at={notes.changedAt} />
          </>
        )}
        {notes.resourceVersion === null && ", nothing is written yet"}
      </p>
      <textarea
        class="mono"
        rows={22}
        aria-label={`Notes of ${notes.instance}`}
        spellcheck={false}
        value={text}
        onInput={(event) =>
          setDraft({
            text: event.currentTarget.value,
            of: draft ? draft.of : (notes.resourceVersion ?? null),
          })
        }
      />
      <div class="row">
        <Button look="primary" disabled={draft === null || text === notes.text} onClick={save}>
          Save
        </Button>
        <Button disabled={draft === null} onClick={() => setDraft(null)}>
          Undo
        </Button>
      </div>
    </div>
  );
}
