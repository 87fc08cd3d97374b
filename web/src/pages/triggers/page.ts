import type { Page } from "../../app/pages";
import { TriggerIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/triggers",
    title: "Triggers",
    group: "Agents",
    order: 70,
    icon: TriggerIcon,
    keys: "t",
    load: () => import("./view"),
  },
  {
    path: "/triggers/:namespace/:name",
    title: "Trigger",
    within: "/triggers",
    load: () => import("./detail"),
  },
];
