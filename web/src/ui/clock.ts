/** One clock for all relative times of the page, so that a thousand rows do not have a thousand timers. */
import { signal } from "@preact/signals";

export const now = signal(Date.now());
let running = false;

export function startClock(): void {
  if (running) return;
  running = true;
  setInterval(() => {
    if (document.visibilityState === "visible") now.value = Date.now();
  }, 1000);
}
