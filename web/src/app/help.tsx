import { signal } from "@preact/signals";
import { Dialog } from "../ui/dialog";
import { groups } from "./keyboard";
import "./help.css";

export const helpOpen = signal(false);

/** Every key that does something here and now. */
export function Help() {
  return (
    <Dialog title="Keys" wide onClose={() => (helpOpen.value = false)}>
      <div class="body key-groups">
        {groups.value.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.bindings.map(({ keys, does }) => (
                <div key={keys}>
                  <dt>
                    {keys.split(/[ +]/).map((key) => (
                      <kbd key={key}>{key === "ctrl" ? "Ctrl" : key}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
