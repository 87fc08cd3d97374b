import type { Page } from "../../app/pages";

export const pages: Page[] = [
  { path: "/runs/:namespace/:name", title: "Run", within: "/runs", load: () => import("./view") },
];
