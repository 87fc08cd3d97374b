import type { Page } from "../../app/pages";
import { RunsIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/runs",
    title: "Runs",
    group: "Watch",
    order: 20,
    icon: RunsIcon,
    keys: "r",
    load: () => import("./view"),
  },
];
