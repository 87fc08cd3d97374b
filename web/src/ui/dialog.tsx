import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { CloseIcon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  wide?: boolean;
  class?: string;
  /** Without it the title is only for assistive technology. */
  header?: boolean;
  children: ComponentChildren;
}

/** A modal dialog: the browser's own, which keeps the focus inside, closes on Escape and gives the focus back. */
export function Dialog({
  title,
  onClose,
  wide = false,
  class: name = "",
  header = true,
  children,
}: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the dialog closes it; the key for that is Escape
    <dialog
      ref={ref}
      class={`dialog ${wide ? "wide" : ""} ${name}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      {header ? (
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" class="button quiet icon" aria-label="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
      ) : (
        <h2 id={heading} class="visually-hidden">
          {title}
        </h2>
      )}
      {children}
    </dialog>
  );
}
