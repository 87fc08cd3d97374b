import type { Page } from "../../app/pages";
import { OverviewIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/",
    title: "Overview",
    group: "Watch",
    order: 10,
    icon: OverviewIcon,
    keys: "o",
    load: () => import("./view"),
  },
];
