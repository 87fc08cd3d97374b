import type { Page } from "../../app/pages";
import { ApprovalIcon } from "../../ui/icons";
import { WaitingCount } from "./waiting";

export const pages: Page[] = [
  {
    path: "/approvals",
    title: "Approvals",
    group: "Watch",
    order: 30,
    icon: ApprovalIcon,
    keys: "a",
    badge: WaitingCount,
    load: () => import("./view"),
  },
];
