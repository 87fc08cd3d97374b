/** The choice of an instance that a policy may govern: of its namespace, or of all for policies that everybody has. */
import type { InstanceSummary, Items } from "../../api/govern";
import { useFetch } from "../../api/hooks";
import { systemNamespace } from "../../app/session";

/** The namespace whose instances and runs a policy of `namespace` is about; empty for all. */
export function scopeOf(namespace: string): string {
  return namespace === systemNamespace() ? "" : namespace;
}

interface Props {
  label: string;
  none: string;
  /** Of the policy. */
  namespace: string;
  value: InstanceKey | null;
  onChange: (value: InstanceKey | null) => void;
}

export interface InstanceKey {
  readonly namespace: string;
  readonly name: string;
}

export function InstanceField({ label, none, namespace, value, onChange }: Props) {
  const { data } = useFetch<Items<InstanceSummary>>("/instances", { namespace: scopeOf(namespace) });
  const items = data?.items ?? [];
  const keyOf = (one: InstanceKey) => `${one.namespace}/${one.name}`;
  return (
    <label class="field">
      <span>{label}</span>
      <select
        class="select"
        value={value ? keyOf(value) : ""}
        onChange={(event) => {
          const chosen = items.find((one) => keyOf(one) === event.currentTarget.value);
          onChange(chosen ? { namespace: chosen.namespace, name: chosen.name } : null);
        }}
      >
        <option value="">{none}</option>
        {items.map((one) => (
          <option key={keyOf(one)} value={keyOf(one)}>
            {scopeOf(namespace) ? one.name : keyOf(one)}
          </option>
        ))}
      </select>
    </label>
  );
}
