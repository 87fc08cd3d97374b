import type { Page } from "../../app/pages";
import { PlayIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/setup",
    title: "Set up",
    group: "System",
    order: 110,
    icon: PlayIcon,
    keys: "s",
    load: () => import("./view"),
  },
];
