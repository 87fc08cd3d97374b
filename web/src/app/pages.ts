/**
 * The registry of pages: every `src/pages/<name>/page.ts` exports `pages`, and is found by itself. The view behind it is
 * loaded when it is first shown.
 *
 *     export const pages: Page[] = [{
 *       path: "/skills", title: "Skills", group: "Configure", order: 30, icon: SkillIcon, keys: "s",
 *       load: () => import("./view"),           // default export: component with props { params }
 *     }];
 */
import type { ComponentType, FunctionComponent } from "preact";
import type { IconProps } from "../ui/icons";

export interface PageProps {
  /** The parts of the path that have names. */
  params: Record<string, string>;
}

export type Group = "Watch" | "Agents" | "Govern" | "System";
export const navigation: readonly Group[] = ["Watch", "Agents", "Govern", "System"];

export interface Page {
  readonly path: string;
  readonly title: string;
  readonly load: () => Promise<{ default: ComponentType<PageProps> }>;
  /** Shown in the navigation when it has a group. */
  readonly group?: Group;
  readonly order?: number;
  readonly icon?: FunctionComponent<IconProps>;
  /** `g` and this letter go to the page. */
  readonly keys?: string;
  /** Path of the page in the navigation that this one belongs to. */
  readonly within?: string;
  /** A number beside the entry in the navigation; a component, so that it may watch something. */
  readonly badge?: FunctionComponent;
}

const modules = import.meta.glob<{ pages: Page[] }>("../pages/*/page.ts", { eager: true });

export const allPages: readonly Page[] = Object.values(modules)
  .flatMap((module) => module.pages)
  .sort((one, other) => (one.order ?? 100) - (other.order ?? 100));
