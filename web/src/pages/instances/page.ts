import type { Page } from "../../app/pages";
import { AgentIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/instances",
    title: "Instances",
    group: "Agents",
    order: 50,
    icon: AgentIcon,
    keys: "i",
    load: () => import("./view"),
  },
  {
    path: "/instances/:namespace/:name",
    title: "Instance",
    within: "/instances",
    load: () => import("./detail"),
  },
];
