import type { PageProps } from "../../app/pages";

export default function Overview(_: PageProps) {
  return (
    <div class="page">
      <header class="page-head">
        <h1>Overview</h1>
      </header>
    </div>
  );
}
