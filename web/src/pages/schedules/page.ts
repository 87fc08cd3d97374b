import type { Page } from "../../app/pages";
import { ScheduleIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/schedules",
    title: "Schedules",
    group: "Agents",
    order: 60,
    icon: ScheduleIcon,
    keys: "c",
    load: () => import("./view"),
  },
  {
    path: "/schedules/:namespace/:name",
    title: "Schedule",
    within: "/schedules",
    load: () => import("./detail"),
  },
];
