import type { Page } from "../../app/pages";
import { UsageIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/usage",
    title: "Usage",
    group: "Govern",
    order: 90,
    icon: UsageIcon,
    keys: "u",
    load: () => import("./view"),
  },
];
