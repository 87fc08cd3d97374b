// Before the first paint: a kept choice of theme must not flash. A file of its own, since the
// Content-Security-Policy allows no script in markup. The rest is in src/app/theme.ts.
try {
  const choice = localStorage.getItem("sympozium.theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch {
  // A browser without storage has the system's theme.
}
