/** Light or dark: the system's word, unless the person chose; public/theme.js applies a kept choice before paint. */
import { signal } from "@preact/signals";
import { recall, remember } from "./storage";

export type Theme = "system" | "light" | "dark";
export const themes: readonly Theme[] = ["system", "light", "dark"];

const kept = recall("theme");
export const theme = signal<Theme>(kept === "light" || kept === "dark" ? kept : "system");

export function setTheme(choice: Theme): void {
  theme.value = choice;
  remember("theme", choice === "system" ? null : choice);
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

export function nextTheme(): void {
  const at = themes.indexOf(theme.value);
  setTheme(themes[(at + 1) % themes.length] ?? "system");
}
