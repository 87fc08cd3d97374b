import type { ComponentChildren, FunctionComponent } from "preact";
import { useState } from "preact/hooks";
import { BusyIcon, type IconProps } from "./icons";
import { toastProblem } from "./toast";

interface ButtonProps {
  children?: ComponentChildren;
  icon?: FunctionComponent<IconProps>;
  /** Needed for a button that shows its icon alone. */
  label?: string;
  look?: "plain" | "primary" | "danger" | "danger solid" | "quiet";
  type?: "button" | "submit";
  disabled?: boolean;
  /** Shown on the button, for what the keyboard does too. */
  keys?: string;
  title?: string;
  pressed?: boolean;
  /** While a returned promise is open the button is busy; what it throws is shown as a toast. */
  onClick?: () => unknown;
}

export function Button(props: ButtonProps) {
  const {
    children,
    icon: Icon,
    label,
    look = "plain",
    type = "button",
    disabled = false,
    keys,
    onClick,
  } = props;
  const [busy, setBusy] = useState(false);
  const press = async () => {
    const done = onClick?.();
    if (!(done instanceof Promise)) return;
    setBusy(true);
    try {
      await done;
    } catch (error) {
      toastProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type={type}
      class={`button ${look} ${children ? "" : "icon"}`}
      disabled={disabled || busy}
      aria-label={label}
      aria-pressed={props.pressed}
      title={props.title ?? label}
      onClick={() => void press()}
    >
      {busy ? <BusyIcon class="spin" /> : Icon && <Icon />}
      {children}
      {keys && <span class="key wide-only">{keys}</span>}
    </button>
  );
}
