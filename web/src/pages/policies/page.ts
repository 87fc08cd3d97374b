import type { Page } from "../../app/pages";
import { PolicyIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/policies",
    title: "Policies",
    group: "Govern",
    order: 80,
    icon: PolicyIcon,
    keys: "l",
    load: () => import("./view"),
  },
  { path: "/policies/new", title: "New policy", within: "/policies", load: () => import("./create") },
  {
    path: "/policies/:namespace/:name",
    title: "Policy",
    within: "/policies",
    load: () => import("./detail"),
  },
];
