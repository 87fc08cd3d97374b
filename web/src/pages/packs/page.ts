import type { Page } from "../../app/pages";
import { PackIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/packs",
    title: "Packs",
    group: "Agents",
    order: 40,
    icon: PackIcon,
    keys: "p",
    load: () => import("./view"),
  },
  { path: "/packs/:namespace/:name", title: "Pack", within: "/packs", load: () => import("./detail") },
];
