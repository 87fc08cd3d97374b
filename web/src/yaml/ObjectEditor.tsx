/**
 * Any object of ours as YAML: edited, checked, tried on the server, compared, saved.
 *
 * Its page gives it the object; it keeps the text. While nobody has touched the text it follows the object; afterwards it
 * says when somebody else saved, and lets the person choose.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/problem";
import type { KubeObject } from "../api/types";
import { Button } from "../ui/button";
import { Diff } from "../ui/code";
import { Dialog } from "../ui/dialog";
import { ErrorBox, Note } from "../ui/states";
import { toast } from "../ui/toast";
import { difference, editable, lineOf, type Mark, read, write as writeYaml } from "./document";
import { draftOf, keepDraft } from "./drafts";
import { isConflict, load, marksOf, mismatch, type Place, write } from "./save";
import { TextEditor, useUnsaved } from "./TextEditor";

interface Props {
  place: Place;
  kind: string;
  /** The object as it is; for a new one, what a person begins with. */
  object: KubeObject;
  /** What a check of this kind finds as the person types. */
  marks?: readonly Mark[];
  onText?: (text: string) => void;
  onSaved?: (object: KubeObject) => void;
  /** Beside the buttons. */
  children?: ComponentChildren;
}

interface Review {
  readonly diff: string;
  readonly warnings: readonly string[];
  readonly object: KubeObject;
}

const versionOf = (object: KubeObject): string => object.metadata.resourceVersion ?? "";

export function ObjectEditor({ place, kind, object, marks = [], onText, onSaved, children }: Props) {
  const key = `${place.plural}/${place.namespace}/${place.name}`;
  const [base, setBase] = useState(() => draftOf(key)?.base ?? object);
  const original = useMemo(() => writeYaml(editable(base)), [base]);
  const [text, setText] = useState(() => draftOf(key)?.text ?? original);
  const [restored] = useState(() => draftOf(key) !== null);
  const [refused, setRefused] = useState<{ problem: Problem; marks: Mark[]; of: string } | null>(null);
  const [review, setReview] = useState<Review | null>(null);
  const [theirs, setTheirs] = useState<KubeObject | null>(null);
  const changed = text !== original;
  useUnsaved(changed);

  const edit = (next: string) => {
    setText(next);
    keepDraft(key, next === original ? null : { text: next, base });
  };
  useEffect(() => onText?.(text), [text]);
  // A newer object: followed while the text is untouched, otherwise shown as somebody else's.
  useEffect(() => {
    if (!place.name || versionOf(object) === versionOf(base)) return;
    const draft = draftOf(key);
    if (!draft) {
      setBase(object);
      setText(writeYaml(editable(object)));
    } else if (writeYaml(editable(object)) !== original) setTheirs(object);
    else setBase(object);
  }, [versionOf(object)]);

  const parsed = () => {
    const found = read(text);
    const wrong = found.object ? mismatch(place, kind, found.object) : null;
    if (found.object && !wrong) return found.object;
    const problems = wrong ? [{ ...wrong, line: lineOf(text, wrong.path) }] : [...found.marks];
    setRefused({ problem: asProblem(new Error(problems[0]?.message ?? "")), marks: problems, of: text });
    return null;
  };
  const fail = async (error: unknown) => {
    setReview(null);
    if (place.name && isConflict(error)) {
      setTheirs(await load(place));
      return;
    }
    const problem = asProblem(error);
    setRefused({ problem, marks: marksOf(problem, text), of: text });
  };
  const look = async () => {
    const wanted = parsed();
    if (!wanted) return;
    try {
      const tried = await write(place, wanted, versionOf(base), { dryRun: true });
      const before = place.name ? original : "";
      setRefused(null);
      setReview({
        diff: difference(before, writeYaml(editable(tried.object))),
        warnings: tried.warnings,
        object: wanted,
      });
    } catch (error) {
      await fail(error);
    }
  };
  const save = async (wanted: KubeObject) => {
    try {
      const saved = await write(place, wanted, versionOf(base), { dryRun: false });
      keepDraft(key, null);
      setReview(null);
      setTheirs(null);
      toast(`${kind} ${saved.object.metadata.name} is saved`);
      for (const warning of saved.warnings) toast(warning, "wait");
      setBase(saved.object);
      setText(writeYaml(editable(saved.object)));
      onSaved?.(saved.object);
    } catch (error) {
      await fail(error);
    }
  };
  const take = (newest: KubeObject, mine: boolean) => {
    setBase(newest);
    setTheirs(null);
    const fresh = writeYaml(editable(newest));
    if (!mine) setText(fresh);
    keepDraft(key, mine && text !== fresh ? { text, base: newest } : null);
  };
  const current = refused?.of === text ? refused : null;
  // What both the check and the server found is said once.
  const others = (current?.marks ?? []).filter(
    (one) => !marks.some((mark) => mark.path === one.path && mark.line === one.line),
  );
  const shown = [...others, ...marks];
  return (
    <div class="object-editor">
      {theirs && <Conflict before={original} theirs={theirs} onTake={take} />}
      {restored && changed && !theirs && <Note>This is what you had begun and not saved.</Note>}
      <TextEditor
        label={`${kind} as YAML`}
        text={text}
        onText={edit}
        marks={shown}
        onSubmit={() => void look()}
      />
      {current && !current.marks.length && <ErrorBox problem={current.problem} />}
      <div class="row">
        <Button look="primary" disabled={!changed && Boolean(place.name)} keys="ctrl ⏎" onClick={look}>
          Review and save
        </Button>
        <Button disabled={!changed} onClick={() => edit(original)}>
          Undo all
        </Button>
        {children}
        <span class="faint" role="status">
          {changed ? "not saved" : ""}
        </span>
      </div>
      {review && (
        <Reviewed review={review} onBack={() => setReview(null)} onSave={() => save(review.object)} />
      )}
    </div>
  );
}

function Conflict(props: {
  before: string;
  theirs: KubeObject;
  onTake: (object: KubeObject, mine: boolean) => void;
}) {
  const { before, theirs, onTake } = props;
  return (
    <Note tone="wait">
      <strong>Somebody else saved this meanwhile.</strong>
      <p>This is what they changed. Nothing of yours is saved yet.</p>
      <Diff
        label="What they changed"
        text={difference(before, writeYaml(editable(theirs))) || "(nothing that is edited here)"}
      />
      <div class="row">
        <Button onClick={() => onTake(theirs, false)}>Take theirs, drop mine</Button>
        <Button onClick={() => onTake(theirs, true)}>Keep my text, and review it against theirs</Button>
      </div>
    </Note>
  );
}

function Reviewed({
  review,
  onBack,
  onSave,
}: {
  review: Review;
  onBack: () => void;
  onSave: () => Promise<void>;
}) {
  return (
    <Dialog title="What will change" wide onClose={onBack}>
      <div class="body stack">
        {review.diff ? (
          <Diff label="What will change" text={review.diff} />
        ) : (
          <Note>Nothing: the server already has exactly this.</Note>
        )}
        {review.warnings.map((warning) => (
          <Note key={warning} tone="wait">
            {warning}
          </Note>
        ))}
        <p class="muted">The server tried it, and would take it. Nothing is saved yet.</p>
      </div>
      <footer>
        <Button onClick={onBack}>Back</Button>
        <Button look="primary" disabled={!review.diff} onClick={onSave}>
          Save
        </Button>
      </footer>
    </Dialog>
  );
}
