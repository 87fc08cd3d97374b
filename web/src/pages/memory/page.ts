import type { Page } from "../../app/pages";
import { MemoryIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/memory",
    title: "Memory",
    group: "Agents",
    order: 80,
    icon: MemoryIcon,
    keys: "m",
    load: () => import("./view"),
  },
  {
    path: "/memory/:namespace/:instance",
    title: "Notes",
    within: "/memory",
    load: () => import("./detail"),
  },
];
