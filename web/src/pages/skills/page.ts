import type { Page } from "../../app/pages";
import { SkillIcon } from "../../ui/icons";

export const pages: Page[] = [
  {
    path: "/skills",
    title: "Skills",
    group: "Agents",
    order: 70,
    icon: SkillIcon,
    keys: "k",
    load: () => import("./view"),
  },
  {
    path: "/skills/:namespace/:name",
    title: "Skill pack",
    within: "/skills",
    load: () => import("./detail"),
  },
];
