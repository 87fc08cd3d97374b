import type { Page } from "../../app/pages";
import { SettingsIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/settings",
    title: "Settings",
    group: "System",
    order: 120,
    icon: SettingsIcon,
    keys: "e",
    load: () => import("./view"),
  },
];
