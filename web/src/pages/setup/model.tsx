/** Which model all agents talk to unless they name their own: found, tried with one small call, then written. */
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Chosen, FoundEndpoint, SetUp, Tried } from "../../api/setup";
import { systemNamespace } from "../../app/session";
import { Button } from "../../ui/button";
import { ErrorBox, Note } from "../../ui/states";
import { toast, toastWarnings } from "../../ui/toast";
import { foundWords } from "./found";

interface ModelProps {
  data: SetUp;
  namespace: string;
  onChosen: () => void;
}

export function Model({ data, namespace, onChosen }: ModelProps) {
  const { model, found, notLooked, mayConfigure } = data;
  return (
    <>
      {model.model ? (
        <p>
          Now <strong>{model.model}</strong>
          {model.provider && ` of ${model.provider}`}
          {model.baseURL && (
            <>
              {" at "}
              <code>{model.baseURL}</code>
            </>
          )}
          {!model.readable && " (its address and key are not yours to read)"}
        </p>
      ) : (
        <p>No model is chosen yet.</p>
      )}
      {notLooked.length > 0 && <Note>Not looked at: {notLooked.join("; ")}</Note>}
      {mayConfigure ? (
        <Choose found={found} namespace={namespace} onChosen={onChosen} />
      ) : (
        <Note>Whoever may update the SympoziumConfig in {systemNamespace()} can choose another one.</Note>
      )}
    </>
  );
}

function Choose({
  found,
  namespace,
  onChosen,
}: {
  found: FoundEndpoint[];
  namespace: string;
  onChosen: () => void;
}) {
  const first = found[0];
  const [url, setUrl] = useState(first?.baseURL ?? "");
  const [provider, setProvider] = useState(first?.provider ?? "openai");
  const [key, setKey] = useState("");
  const [model, setModel] = useState("");
  const [tried, setTried] = useState<Tried | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const known = found.find((one) => one.baseURL === url);
  const models = tried?.models.length ? tried.models : (known?.models ?? []);

  // What was tried is what is written: another word in a field, and it was not tried.
  const change = (set: (value: string) => void) => (value: string) => {
    set(value);
    setTried(null);
    setProblem(null);
  };
  const pick = (one: FoundEndpoint) => {
    change(setUrl)(one.baseURL);
    setProvider(one.provider);
    setKey("");
    setModel("");
  };
  const chosen = { baseURL: url.trim(), key: key || null, namespace };
  const attempt = async () => {
    setProblem(null);
    try {
      const answer = await post<Tried>("/setup/try", { ...chosen, model: model.trim() || null });
      setTried(answer);
      if (answer.answer) setModel(answer.answer.model);
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const write = async () => {
    setProblem(null);
    try {
      const { written, warnings } = await post<Chosen>("/setup", {
        ...chosen,
        provider,
        model: model.trim(),
      });
      toastWarnings(warnings);
      toast(`Written: ${written.join(", ")}`);
      setKey("");
      onChosen();
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <>
      {found.length > 0 && (
        <ul class="stack plain" aria-label="Endpoints that were found">
          {found.map((one) => (
            <li key={one.baseURL} class="row">
              <Button pressed={one.baseURL === url} onClick={() => pick(one)}>
                {one.baseURL}
              </Button>
              <span class="faint">{foundWords(one)}</span>
            </li>
          ))}
        </ul>
      )}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt();
        }}
      >
        <Field
          label="Address"
          hint="OpenAI-compatible; most often it ends in /v1."
          value={url}
          onInput={change(setUrl)}
        />
        <label class="field">
          <span>Key</span>
          <input
            class="input"
            type="password"
            autocomplete="off"
            value={key}
            onInput={(event) => change(setKey)(event.currentTarget.value)}
          />
          <small>
            {known?.keySet ? "Empty: the one that it has." : "Empty where the endpoint wants none."} It is
            kept in a Secret and not shown again.
          </small>
        </label>
        <Field label="Provider" hint="As policies know it." value={provider} onInput={setProvider} />
        <Field
          label="Model"
          hint="Empty: the first that it lists."
          value={model}
          options={models}
          onInput={change(setModel)}
        />
        {problem && <ErrorBox problem={problem} />}
        {tried && <Outcome tried={tried} />}
        <div class="row">
          <Button type="submit" disabled={!url.trim()} look={tried?.answer ? "plain" : "primary"}>
            Try it
          </Button>
          <Button look={tried?.answer ? "primary" : "plain"} disabled={!tried?.answer} onClick={write}>
            Use it
          </Button>
        </div>
      </form>
    </>
  );
}

function Outcome({ tried }: { tried: Tried }) {
  if (!tried.answer) {
    return (
      <Note tone="bad">
        <strong>It does not work: {tried.problem}</strong>
        <p>{tried.cure}</p>
      </Note>
    );
  }
  const { model, text, ms, tokens } = tried.answer;
  return (
    <Note>
      It works: {model} said “{text}” in {ms} ms, with {tokens} tokens.
    </Note>
  );
}

interface FieldProps {
  label: string;
  hint: string;
  value: string;
  options?: readonly string[];
  onInput: (value: string) => void;
}

function Field({ label, hint, value, options = [], onInput }: FieldProps) {
  const list = `setup-${label.toLowerCase()}`;
  return (
    <label class="field">
      <span>{label}</span>
      <input
        class="input"
        list={options.length ? list : undefined}
        autocomplete="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {options.length > 0 && (
        <datalist id={list}>
          {options.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      <small>{hint}</small>
    </label>
  );
}
