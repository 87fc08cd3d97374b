/** Enabling a pack: where, with which model and keys, under which policy, and who of the team. */
import { useState } from "preact/hooks";
import { path, post } from "../../api/client";
import type { Items, PackSummary, PolicySummary, Written } from "../../api/govern";
import { useFetch } from "../../api/hooks";
import { asProblem, type Problem } from "../../api/problem";
import { namespace as picked } from "../../app/router";
import { systemNamespace } from "../../app/session";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { ErrorBox } from "../../ui/states";
import { toast, toastWarnings } from "../../ui/toast";
import { type EnableForm, enableBody } from "./state";

interface Props {
  pack: PackSummary;
  onClose: () => void;
  onDone: (namespace: string) => void;
}

export function Enable({ pack, onClose, onDone }: Props) {
  const [form, setForm] = useState<EnableForm>({
    namespace: pack.catalogue ? (picked.value === systemNamespace() ? "" : picked.value) : pack.namespace,
    model: "",
    provider: "",
    baseURL: "",
    secret: "",
    policy: "",
    task: "",
    excluded: pack.personas.filter((one) => one.excluded).map((one) => one.name),
  });
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const change = (changes: Partial<EnableForm>) => setForm((old) => ({ ...old, ...changes }));

  const submit = async () => {
    setBusy(true);
    try {
      const where = `${path("namespaces", form.namespace, "packs", pack.name)}/enable`;
      const done = await post<Written>(where, enableBody(form));
      toastWarnings(done.warnings);
      toast(`${pack.name} is at work in ${form.namespace}`);
      onDone(form.namespace);
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Enable ${pack.name}`} wide onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div class="body stack">
          <div class="form-grid">
            <NamespaceField
              value={form.namespace}
              fixed={!pack.catalogue}
              onChange={(namespace) => change({ namespace })}
            />
            <PolicyField
              namespace={form.namespace}
              value={form.policy}
              onChange={(policy) => change({ policy })}
            />
          </div>
          <Model form={form} onChange={change} />
          <Personas pack={pack} excluded={form.excluded} onChange={(excluded) => change({ excluded })} />
          <label class="field">
            <span>Task instead of the personas' own</span>
            <textarea
              class="area"
              rows={2}
              value={form.task}
              onInput={(event) => change({ task: event.currentTarget.value })}
            />
            <small>For everyone of the team. Empty: each keeps the task of its schedule.</small>
          </label>
          {problem && <ErrorBox problem={problem} />}
        </div>
        <footer>
          <Button onClick={onClose}>Back</Button>
          <Button
            type="submit"
            look="primary"
            disabled={busy || !form.namespace || form.excluded.length === pack.personas.length}
          >
            Enable
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

function Model({ form, onChange }: { form: EnableForm; onChange: (changes: Partial<EnableForm>) => void }) {
  return (
    <fieldset class="fields">
      <legend>Model</legend>
      <div class="form-grid">
        <Text
          label="Model"
          value={form.model}
          hint="Empty: the pack's, else the installation's"
          onChange={(model) => onChange({ model })}
        />
        <Text
          label="Provider"
          value={form.provider}
          hint="Such as openai or ollama"
          onChange={(provider) => onChange({ provider })}
        />
        <Text
          label="Address"
          value={form.baseURL}
          hint="Of an OpenAI-compatible endpoint"
          onChange={(baseURL) => onChange({ baseURL })}
        />
        <Text
          label="Secret with the key"
          value={form.secret}
          hint={`Name of a Secret in ${form.namespace || "that namespace"}`}
          onChange={(secret) => onChange({ secret })}
        />
      </div>
    </fieldset>
  );
}

interface TextProps {
  label: string;
  value: string;
  hint: string;
  onChange: (value: string) => void;
}

function Text({ label, value, hint, onChange }: TextProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        class="input"
        type="text"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <small>{hint}</small>
    </label>
  );
}

interface NamespaceProps {
  value: string;
  fixed: boolean;
  onChange: (value: string) => void;
}

function NamespaceField({ value, fixed, onChange }: NamespaceProps) {
  const namespaces = useFetch<Items<{ name: string }>>(fixed ? null : "/namespaces");
  const names = (namespaces.data?.items ?? [])
    .map((one) => one.name)
    .filter((name) => name !== systemNamespace());
  return (
    <label class="field">
      <span>Namespace</span>
      <input
        class="input"
        list="enable-namespaces"
        required
        readOnly={fixed}
        autocomplete="off"
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <datalist id="enable-namespaces">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <small>Where the team works, and where its runs are.</small>
    </label>
  );
}

function PolicyField({
  namespace,
  value,
  onChange,
}: {
  namespace: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const policies = useFetch<Items<PolicySummary>>("/policies");
  const names = new Set(
    (policies.data?.items ?? [])
      .filter((one) => one.namespace === namespace || one.namespace === systemNamespace())
      .map((one) => one.name),
  );
  return (
    <label class="field">
      <span>Policy</span>
      <select class="select" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">The pack's own, else the installation's</option>
        {[...names].sort().map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <small>What its agents may do.</small>
    </label>
  );
}

interface PersonasProps {
  pack: PackSummary;
  excluded: readonly string[];
  onChange: (excluded: string[]) => void;
}

function Personas({ pack, excluded, onChange }: PersonasProps) {
  const toggle = (name: string, wanted: boolean) =>
    onChange(wanted ? excluded.filter((one) => one !== name) : [...excluded, name]);
  return (
    <fieldset class="fields">
      <legend>Who of the team</legend>
      <ul>
        {pack.personas.map((persona) => (
          <li key={persona.name}>
            <label class="row">
              <input
                type="checkbox"
                checked={!excluded.includes(persona.name)}
                onChange={(event) => toggle(persona.name, event.currentTarget.checked)}
              />
              <span>{persona.displayName || persona.name}</span>
              <span class="faint">
                {[persona.skills.length ? `skills ${persona.skills.join(", ")}` : "", persona.schedule ?? ""]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}
